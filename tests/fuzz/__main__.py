"""`python -m tests.fuzz TARGET --seconds N`: coverage-guided with atheris where it is installed, plain mutation where it is not.

Prints how often the target ran and what broke it; an input that did is kept in the corpus folder as crash-… and can be tried
again with `--input FILE`. Exit code 0: nothing was found.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

_SLOW_S = 5  # an input that takes longer is a finding
_MEMORY_MB = 1000  # that one allocation may ask for
_PROCESS_MB = 6000  # the instrumented process itself grows with the corpus and the traces
_LONGEST = 8192  # bytes of an input


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("target", choices=("reader", "decoder", "reassembler", "http", "inspect"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="folder to begin with and to keep inputs in (default: a temporary one)")
    parser.add_argument("--input", type=Path, help="only run this input")
    parser.add_argument("--guided", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.input:
        from tests.fuzz.targets import TARGETS

        TARGETS[options.target].run(options.input.read_bytes())
        return 0
    if options.guided:
        return _guided(options.target, options.corpus, options.seconds)
    folder = options.corpus or Path(tempfile.mkdtemp(prefix=f"lbtrace-fuzz-{options.target}-"))
    folder.mkdir(parents=True, exist_ok=True)
    if find_spec("atheris") is None:
        print("atheris is not installed: mutation without coverage")
        return _blind(options.target, folder, options.seconds)
    command = [sys.executable, "-m", "tests.fuzz", options.target, "--guided", "--corpus", str(folder), "--seconds", str(options.seconds)]
    return subprocess.run(command, check=False).returncode


def _guided(name: str, folder: Path, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["lbtrace"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    for seed in target.seeds():
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    arguments = [
        sys.argv[0],
        str(folder),
        f"-max_total_time={seconds}",
        f"-timeout={_SLOW_S}",
        f"-malloc_limit_mb={_MEMORY_MB}",
        f"-rss_limit_mb={_PROCESS_MB}",
        f"-max_len={_LONGEST}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(arguments, target.run)
    atheris.Fuzz()
    return 0


def _blind(name: str, folder: Path, seconds: int) -> int:
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    pool = list(target.seeds())
    chance = random.Random(1)
    stop = time.monotonic() + seconds
    runs = findings = 0
    while time.monotonic() < stop:
        data = mutated(chance.choice(pool), chance)
        begun = time.monotonic()
        broken = _broken(target.run, data)
        runs += 1
        if broken is None and time.monotonic() - begun > _SLOW_S:
            broken = f"took more than {_SLOW_S} s"
        if broken is not None:
            findings += 1
            path = folder / f"crash-{hashlib.sha1(data).hexdigest()}"
            path.write_bytes(data)
            print(f"{path}\n{broken}", flush=True)
    print(f"{name}: {runs} executions, {findings} findings")
    return 1 if findings else 0


def _broken(run: Callable[[bytes], None], data: bytes) -> str | None:
    try:
        run(data)
    except Exception:  # noqa: BLE001 - any exception at all is what is looked for
        return traceback.format_exc()
    return None


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes flipped, cut out, doubled or put in."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(out) + 1)
        size = chance.choice((1, 1, 2, 4, 16))
        kind = chance.randrange(5)
        if kind == 0:
            out[at : at + size] = chance.randbytes(size)
        elif kind == 1:
            del out[at : at + size]
        elif kind == 2:
            out[at:at] = out[at : at + size * 8]
        elif kind == 3:
            out[at : at + size] = bytes([chance.choice((0, 255))]) * size
        elif at < len(out):
            out[at] ^= 1 << chance.randrange(8)
    return bytes(out[:_LONGEST])


if __name__ == "__main__":
    sys.exit(main())
