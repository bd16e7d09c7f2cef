"""A diff as a page for a browser: what differs, what is the same, what is unknown."""

from __future__ import annotations

from typing import Any, TextIO

from lbtrace.behaviour import Comparability, FactPair
from lbtrace.model.behaviour import Fact
from lbtrace.model.net import Side
from lbtrace.render import View
from lbtrace.render.diff import DiffResult
from lbtrace.render.diff._words import name, value
from lbtrace.render.wording.escape import shown

SUMMARY = "for a browser: one file, to send on"


def write(result: DiffResult, out: TextIO, view: View) -> None:
    """A table for each of the three."""
    from lbtrace.render.html import document

    names = tuple(map(shown, result.names))
    tables = (
        ("What differs", result.of(Comparability.DIFFERS)),
        ("Same in both", result.of(Comparability.SAME)),
        ("Unknown in one", result.unknown_in_one),
    )
    values: dict[str, Any] = {
        "names": names,
        "undecided": [
            (side, shown(why)) for side, why in zip(names, result.undecided, strict=True) if why
        ],
        "tables": [
            (title, [_row(pair) for pair in pairs])
            for title, pairs in tables
            if pairs and not any(result.undecided)
        ],
        "unknown": [] if any(result.undecided) else [name(p.name) for p in result.unknown_in_both],
    }
    document.write(out, "diff.html", values)


def _row(pair: FactPair) -> tuple[str, tuple[str, str, str], tuple[str, str, str]]:
    return name(pair.name), _cell(pair.before), _cell(pair.after)


def _cell(fact: Fact) -> tuple[str, str, str]:
    """The value; the first frame to look at on each side; why it is unknown."""
    frames = [frame for evidence in fact.evidence for frame in evidence.frames]
    first = {frame.side: frame.number for frame in reversed(frames)}
    places = ", ".join(f"{side.value} #{first[side]}" for side in Side if side in first)
    return value(fact), places, shown(fact.unknown) if fact.value is None else ""
