"""Help and version: quick, and without the heavy modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lbtrace import __version__, compiled


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lbtrace.cli import run; code = run(['--help']); "
        "print(sorted({'numpy','rich','dpkt'} & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[] 0\n")
    for name in ("compare", "show", "demo", "lab", "profiles"):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lbtrace", option], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"lbtrace {__version__} ({compiled.kind()})\n"
