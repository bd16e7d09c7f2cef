"""`python -m tests.fuzz TARGET --seconds N`: coverage-guided with atheris where it is installed,
plain mutation where it is not.

Prints how often the target ran and what broke it; an input that did is kept in the corpus folder as
crash-…, timeout-… or oom-… and can be tried again with `--input FILE`. `all` runs every target, one
after the other. Exit code 0: nothing was found; where there is no such input, the last line says
what ended the run. See README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

NAMES = (
    "reader",
    "decoder",
    "reassembler",
    "http",
    "http2",
    "websocket",
    "tls",
    "compiled",
    "inspect",
    "pairs",
)  # as in targets.py, which is imported once it is instrumented
_MEMORY_MB = 1000  # that one allocation may ask for
_PROCESS_MB = 6000  # the instrumented process itself grows with the corpus and the traces
_LONGEST = 65536  # bytes of an input


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("target", choices=(*NAMES, "all"))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument(
        "--corpus",
        type=Path,
        help="folder to begin with and to keep inputs in (default: a temporary one)",
    )
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
    if options.target == "all":
        return _all(folder, options.seconds)
    if find_spec("atheris") is None:
        print("atheris is not installed: mutation without coverage")
        return _blind(options.target, folder, options.seconds)
    return _watched(options.target, folder, options.seconds)


def _command(name: str, folder: Path, seconds: int, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tests.fuzz",
        name,
        "--corpus",
        str(folder),
        "--seconds",
        str(seconds),
        *more,
    ]


def _all(folder: Path, seconds: int) -> int:
    """Every target in a process of its own, what it prints in a file of its own; a line for each is
    printed when it is done.
    """
    if hasattr(signal, "SIGHUP"):
        signal.signal(
            signal.SIGHUP, signal.SIG_IGN
        )  # the terminal may go; the processes started here inherit it
    worst = 0
    for name in NAMES:
        log = folder / f"{name}.log"
        begun = time.monotonic()
        with log.open("wb") as file:
            status = subprocess.run(
                _command(name, folder / name, seconds),
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        print(f"{last}, exit {status}, {time.monotonic() - begun:.0f} s ({log})", flush=True)
        worst = max(worst, abs(status))
    return worst


def _watched(name: str, folder: Path, seconds: int) -> int:
    """The guided run in a process of its own, which ends at its first finding; its output is passed
    on, and summed up in a last line.
    """
    runs, error = 0, ""
    command = _command(name, folder, seconds, "--guided")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace")
            print(line, end="")
            if counted := re.match(r"(?:stat::number_of_executed_units: |#)(\d+)", line):
                runs = max(runs, int(counted[1]))
            if said := re.match(r"(?:==\d+== ?)?ERROR: (.+)", line):
                error = error or said[1].strip()
    status = process.returncode
    findings = sorted(
        p for kind in ("crash", "timeout", "oom", "leak") for p in folder.glob(f"{kind}-*")
    )
    for path in findings:
        print(path)
    ended = _ended(status, error) if status and not findings else ""
    print(f"{name}: {runs} executions, {len(findings)} findings{ended}", flush=True)
    return 1 if findings else abs(status)


def _ended(status: int, error: str) -> str:
    """What ended a run that kept no input: what libFuzzer said last of an error, a signal, or the
    exit code alone.
    """
    if error:
        return f", ended by: {error}"
    if status < 0:
        return f", ended by {signal.Signals(-status).name}"
    return f", ended with exit code {status} and said nothing of an error"


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
        f"-timeout={target.slow_s}",
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
        if broken is None and time.monotonic() - begun > target.slow_s:
            broken = f"took more than {target.slow_s} s"
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
