"""A diff for people: a table of what differs, then what is the same, then what is unknown."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TextIO

from lbtrace.behaviour import Comparability, FactPair
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Fact
from lbtrace.model.net import Side
from lbtrace.render import View
from lbtrace.render.diff import DiffResult
from lbtrace.render.diff._words import name, value
from lbtrace.render.wording.escape import shown

SUMMARY = "for people"


def write(result: DiffResult, out: TextIO, view: View) -> None:
    """The page."""
    for text in _page(result, view):
        out.write(text.encode("ascii", "backslashreplace").decode() if view.ascii_only else text)
        out.write("\n")


def _page(result: DiffResult, view: View) -> list[str]:
    page: list[str] = []
    for side, why in zip(result.names, result.undecided, strict=True):
        if why:
            page += textwrap.wrap(f"{shown(side)}: nothing can be compared: {why}.", view.width)
    if any(result.undecided):
        return page
    differ = result.of(Comparability.DIFFERS)
    if differ:
        page += _table(result, differ, view)
    else:
        page.append("No difference was seen.")
    same = result.of(Comparability.SAME)
    if same:
        page += ["", f"Same in both ({len(same)})"]
        page += _listed([f"{name(p.name)}: {value(p.after)}" for p in same], view)
    unknown = result.unknown_in_one
    if unknown:
        page += ["", f"Unknown in one ({len(unknown)})"]
        page += _listed([_unknown(result, pair) for pair in unknown], view)
    if result.unknown_in_both:
        names = "; ".join(name(pair.name) for pair in result.unknown_in_both)
        page += ["", *textwrap.wrap(f"Unknown in both: {names}", view.width)]
    return page


def _unknown(result: DiffResult, pair: FactPair) -> str:
    sides = [
        f"{shown(side)} {value(fact)}"
        for side, fact in zip(result.names, (pair.before, pair.after), strict=True)
        if fact.value is not None
    ]
    why = (pair.before if pair.before.value is None else pair.after).unknown
    known = ", ".join(sides)
    return f"{name(pair.name)}: {known}{'; ' if known else ''}{shown(why)}"


def _listed(texts: list[str], view: View) -> list[str]:
    return [
        line
        for text in texts
        for line in textwrap.wrap(text, view.width, initial_indent="  ", subsequent_indent="    ")
    ]


def _table(result: DiffResult, pairs: tuple[FactPair, ...], view: View) -> list[str]:
    """Three columns of equal width, wrapped."""
    width = max((view.width - 4) // 3, 12)
    count = len(pairs)
    head = f"{count} {noun(count, 'difference')}", shown(result.names[0]), shown(result.names[1])
    rows = [head, ("─" * width,) * 3]
    rows += [(name(p.name), _said(p.before), _said(p.after)) for p in pairs]
    page = []
    for row in rows:
        cells = [textwrap.wrap(cell, width) or [""] for cell in row]
        for line in zip_longest(*cells, fillvalue=""):
            page.append("  ".join(f"{cell:<{width}}" for cell in line).rstrip())
    return page


def _said(fact: Fact) -> str:
    """The value, with the first frame to look at on each side."""
    frames = [frame for evidence in fact.evidence for frame in evidence.frames]
    first = {frame.side: frame.number for frame in reversed(frames)}
    places = [f"{side.value} #{first[side]}" for side in Side if side in first]
    return value(fact) + (f" ({', '.join(places)})" if places else "")
