"""A CheckResult → text for people or a format for machines; one module per format.

Each module has `SUMMARY` and `write(result, out, view)`; its name is the format's name. What stands
in a header comes from strangers: each format escapes it by its own rules.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, TextIO, cast

from lbtrace.model.expectation import CheckResult
from lbtrace.render import View


class CheckFormat(Protocol):
    """What a module of this package offers."""

    SUMMARY: str

    def write(self, result: CheckResult, out: TextIO, view: View) -> None:
        """Write the result of `check`."""


def format_names() -> list[str]:
    """The formats there are."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def get_format(name: str) -> CheckFormat:
    """The format of that name, one of `format_names`."""
    return cast(CheckFormat, import_module(f"{__name__}.{name}"))
