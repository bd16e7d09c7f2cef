"""`python -m tests.compiled.sanitized [ARGUMENT OF PYTEST…]`: the tests of the compiled core, with
a core that AddressSanitizer and UndefinedBehaviorSanitizer watch (`make sanitize`).

It is compiled into a folder of its own and put in the place of the installed one, in one process. A
read outside a buffer, an overflow of a signed number or a shift too far ends it with a report. What
Python itself never gives back at its end is not looked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory

import hatch_build

FLAGS = (
    "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1", "-g",
    "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip
TESTS = (
    "tests/compiled",
    "tests/capture/test_walk.py",
    "tests/decode/test_compiled_path.py",
    "tests/decode/test_flows.py",
    "tests/tcp/test_ack_waits.py",
    "tests/tcp/test_fingerprint.py",
    "tests/tcp/test_roads.py",
    "tests/http/bulk",
    "tests/http/h2/test_plain_streams.py",
    "tests/render/json",
    "tests/fuzz/test_targets.py",
)
NAME = "lbtrace.compiled._core"


def _library(name: str) -> str:
    """The path of a library of the compiler."""
    done = subprocess.run(
        ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _run(core: str, arguments: list[str]) -> int:
    """The tests, with the core in this file."""
    import pytest

    for imported in [name for name in sys.modules if name.startswith(("lbtrace", "tests"))]:
        del sys.modules[imported]  # the installed core with them
    loader = ExtensionFileLoader(NAME, core)
    spec = spec_from_file_location(NAME, core, loader=loader)
    assert spec is not None
    module = sys.modules[NAME] = module_from_spec(spec)
    loader.exec_module(module)
    from lbtrace import compiled

    assert compiled.core is module, "the installed core was used"
    # `plain`: pytest would warn that lbtrace, which is a plugin too, is imported already
    return pytest.main(["-q", "--assert=plain", *(arguments or TESTS)])


def main() -> int:
    """Compile, then run the tests in a process that begins with the sanitizers."""
    if len(sys.argv) > 1 and sys.argv[1] == "--core":
        return _run(sys.argv[2], sys.argv[3:])
    with TemporaryDirectory() as folder:
        core = Path(folder) / hatch_build.BUILT
        why = hatch_build.compile_core(core, FLAGS)
        if why:
            print(f"nothing is checked: {why}")
            return 1
        watched = {
            "LD_PRELOAD": f"{_library('libasan.so')} {_library('libubsan.so')}",
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONMALLOC": "malloc",  # each object is watched
        }
        command = [sys.executable, "-m", "tests.compiled.sanitized", "--core", str(core)]
        return subprocess.run([*command, *sys.argv[1:]], env={**os.environ, **watched}).returncode


if __name__ == "__main__":
    sys.exit(main())
