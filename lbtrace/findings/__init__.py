"""Comparison → findings: one file per thing lbtrace can tell.

The files stand in rooms, by what a user asks about: connections, messages, times. The docstring of
a room is its heading in docs/findings.md and in `lbtrace explain`. Each module of a room whose name
has no leading underscore is a finding: its docstring says what it means (`Meaning:`), how it is
decided (`Decided by:`), what its evidence shows (`Evidence:`) and what to do (`Remedy:`), and what
may stand behind the dot of its slug (`Variants:`); its first line is the title; `find(comparison)`
yields what it has to say. A new finding is a new file, or a folder where it has many parts
(messages/redirects/). docs/findings.md is made from the docstrings:
`python -m lbtrace.findings > docs/findings.md`.

What several rooms ask is in the modules here, whose names begin with an underscore; what one room
alone asks is in that room.

A file with `ONE_CAPTURE = True` can speak of one capture alone: its `find` loops over
`comparison.captured`, names no side (`_side`), and asks for pairs only where both were captured.
`RESTS_ON` names the parts of its frames that show it (`FramePart`, or names of HTTP fields);
`lbtrace frame --finding` marks them. `OF_DURATIONS = True` says that all it tells rests on how long
something took: it is silent where a clock was set while capturing.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import NamedTuple

from lbtrace.comparison import Comparison
from lbtrace.errors import OptionError
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import ANY, RestsOn
from lbtrace.model.report import Finding
from lbtrace.options import Progress, quiet
from lbtrace.tables.packets import MOST_BACK_NS

__all__ = [
    "FindingModule",
    "FindingRoom",
    "all_findings",
    "finding_of",
    "registry",
    "rooms",
    "slugs",
]

_ABOUT = 6  # findings that are named for a word


class FindingModule(NamedTuple):
    """A finding as its file describes it."""

    slug: str
    title: str
    doc: str
    find: Callable[[Comparison], Iterable[Finding]]
    one_capture: bool  # whether it can speak of one capture alone
    of_durations: bool  # whether all it says rests on how long something took on one side
    rests_on: RestsOn  # the parts of its frames that show it

    @property
    def variants(self) -> Mapping[str, str]:
        """What may stand behind the dot of its slug, and what each says."""
        from lbtrace.findings._document import variants  # only documents ask

        return variants(self.doc)


class FindingRoom(NamedTuple):
    """The findings about one thing that a user asks about."""

    name: str
    title: str
    findings: tuple[FindingModule, ...]  # by slug


@cache
def rooms() -> tuple[FindingRoom, ...]:
    """Every finding there is, by room."""
    return tuple(
        FindingRoom(found.name, FindingKind.of(room.__name__, room.__doc__).title, _findings(room))
        for found in sorted(pkgutil.iter_modules(__path__))
        if found.ispkg
        for room in (importlib.import_module(f"{__name__}.{found.name}"),)
    )


def _findings(room: ModuleType) -> tuple[FindingModule, ...]:
    names = sorted(m.name for m in pkgutil.iter_modules(room.__path__))
    modules = [
        importlib.import_module(f"{room.__name__}.{name}")
        for name in names
        if not name.startswith("_")
    ]
    return tuple(
        FindingModule(
            *FindingKind.of(m.__name__, m.__doc__),
            m.__doc__ or "",
            m.find,
            getattr(m, "ONE_CAPTURE", False),
            getattr(m, "OF_DURATIONS", False),
            getattr(m, "RESTS_ON", ANY),
        )
        for m in modules
    )


@cache
def registry() -> tuple[FindingModule, ...]:
    """Every finding there is, by slug."""
    return tuple(sorted((f for room in rooms() for f in room.findings), key=lambda f: f.slug))


def finding_of(slug: str) -> FindingModule:
    """The finding of that slug, with or without a variant. OptionError when there is none."""
    known = {module.slug: module for module in registry()}
    name, _, variant = slug.partition(".")
    if name not in known or (variant and variant not in known[name].variants):
        raise _unknown(slug)
    return known[name]


def _unknown(slug: str) -> OptionError:
    """An error that names the slugs nearest to one that is none, or the findings that speak of
    it.
    """
    near = get_close_matches(slug, slugs_with_variants(), n=3, cutoff=0.4)
    word = re.compile(rf"\b{re.escape(slug)}s?\b", re.IGNORECASE)
    about = [f.slug for f in registry() if word.search(" ".join(f.doc.split()))][:_ABOUT]
    return OptionError(
        "unknown-finding",
        f"There is no finding {slug!r}.",
        f"These speak of it: {', '.join(about)}."
        if about
        else f"Did you mean {' or '.join(near)}?"
        if near
        else "lbtrace explain lists them.",
    )


def slugs() -> tuple[str, ...]:
    """The slug of every finding there is, without variants."""
    return tuple(module.slug for module in registry())


def slugs_with_variants() -> tuple[str, ...]:
    """Every slug that a finding can have, and each without its variant."""
    return tuple(
        name
        for module in registry()
        for name in (module.slug, *(f"{module.slug}.{v}" for v in module.variants))
    )


def all_findings(comparison: Comparison, progress: Progress = quiet) -> tuple[Finding, ...]:
    """Everything there is to tell, most severe first, then surest first, then by slug. If only one
    side was captured, what needs no other side. Where a clock was set while capturing,
    nothing that rests on durations: it says so itself, or the clocks of two captures differed by
    something else before a moment than behind it.
    """
    steady = all(trace.steady for side in comparison.captured for trace in comparison.traces(side))
    steps = [clock.step for clock in comparison.correlation.clocks if clock.step is not None]
    steady &= all(abs(step.by_ns) < MOST_BACK_NS for step in steps)
    found: list[Finding] = []
    for number, module in enumerate(registry()):
        progress("looking for problems", number / len(registry()))
        if (module.one_capture or not comparison.alone) and (steady or not module.of_durations):
            found += module.find(comparison)
    return tuple(sorted(found, key=lambda f: (-f.severity.rank, -f.confidence.rank, f.slug)))
