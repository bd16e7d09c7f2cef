"""Two Behaviours, compared → text for people or a format for machines; one module per format.

Each module has `SUMMARY` and `write(result, out, view)`; its name is the format's name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple, Protocol, TextIO, cast

from lbtrace.behaviour import Comparability, FactPair
from lbtrace.render import View


class DiffResult(NamedTuple):
    """What is compared, by name, and every fact of either. `undecided` says, per side, why nothing
    may be compared.
    """

    names: tuple[str, str]
    facts: tuple[FactPair, ...]
    undecided: tuple[str, str] = ("", "")

    def of(self, result: Comparability) -> tuple[FactPair, ...]:
        """The facts with that result."""
        return tuple(fact for fact in self.facts if fact.result is result)

    @property
    def unknown_in_one(self) -> tuple[FactPair, ...]:
        """The facts that one side shows and the other does not."""
        return tuple(pair for pair in self.of(Comparability.UNKNOWN) if not _nowhere(pair))

    @property
    def unknown_in_both(self) -> tuple[FactPair, ...]:
        """The facts that neither shows."""
        return tuple(filter(_nowhere, self.of(Comparability.UNKNOWN)))


def _nowhere(pair: FactPair) -> bool:
    return pair.before.value is None and pair.after.value is None


class DiffFormat(Protocol):
    """What a module of this package offers."""

    SUMMARY: str

    def write(self, result: DiffResult, out: TextIO, view: View) -> None:
        """Write the result of `diff`."""


def format_names() -> list[str]:
    """The formats there are."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def get_format(name: str) -> DiffFormat:
    """The format of that name, one of `format_names`."""
    return cast(DiffFormat, import_module(f"{__name__}.{name}"))
