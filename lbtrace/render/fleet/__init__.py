"""FleetReport → a page for people, or JSON; one module per format.

Each module has `SUMMARY` and `write(report, out, view)`; its name is the format's name. Credentials
are masked already: workers mask what they find before they hand it on.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, TextIO, cast

from lbtrace.model.fleet import FleetReport
from lbtrace.render import View


class FleetFormat(Protocol):
    """What a module of this package offers."""

    SUMMARY: str

    def write(self, report: FleetReport, out: TextIO, view: View) -> None:
        """Write the result of `fleet`."""


def format_names() -> list[str]:
    """The formats there are."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def get_format(name: str) -> FleetFormat:
    """The format of that name, one of `format_names`."""
    return cast(FleetFormat, import_module(f"{__name__}.{name}"))
