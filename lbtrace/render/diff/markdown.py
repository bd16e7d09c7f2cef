"""A diff as Markdown: the table for a pull request or a page of documentation."""

from __future__ import annotations

from typing import TextIO

from lbtrace.behaviour import Comparability
from lbtrace.render import View
from lbtrace.render.diff import DiffResult
from lbtrace.render.diff._words import name, value
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.markdown import cell, code

SUMMARY = "for pull requests and documentation"
HEADS = {
    Comparability.DIFFERS: "What differs",
    Comparability.SAME: "Same in both",
}


def write(result: DiffResult, out: TextIO, view: View) -> None:
    """A table for each of the three."""
    names = [code(shown(side)) for side in result.names]
    out.write(f"### lbtrace diff: {names[0]} and {names[1]}\n")
    for side, why in zip(names, result.undecided, strict=True):
        if why:
            out.write(f"\n{side}: nothing can be compared: {code(why)}.\n")
    if any(result.undecided):
        return
    tables = [(head, result.of(kind)) for kind, head in HEADS.items()]
    for head, pairs in (*tables, ("Unknown in one", result.unknown_in_one)):
        if pairs:
            out.write(
                f"\n**{head}** ({len(pairs)})\n\n| | {names[0]} | {names[1]} |\n|---|---|---|\n"
            )
            for pair in pairs:
                cells = (
                    cell(each) for each in (name(pair.name), value(pair.before), value(pair.after))
                )
                out.write(f"| {' | '.join(cells)} |\n")
    if result.unknown_in_both:
        named = ", ".join(code(name(pair.name)) for pair in result.unknown_in_both)
        out.write(f"\nUnknown in both: {named}.\n")
