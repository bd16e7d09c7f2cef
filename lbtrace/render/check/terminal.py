"""A check for people: what failed first, then what is open, then what holds, one line each."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TextIO

import click

from lbtrace.model.behaviour import ShownHead
from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import beside, lines, summary, titles, where, word
from lbtrace.render.wording.escape import shown

SUMMARY = "for people"
_COLOURS = {
    "failed": "red",
    "inconclusive": "yellow",
    "warning": "yellow",
    "allowed": "cyan",
    "holds": "green",
}
_LABEL = 11  # columns of a label


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """Failures and open expectations in full, then the rest in one line each."""
    for text in _page(result, view):
        out.write(_plain(text) if view.ascii_only else text)
        out.write("\n")


def _plain(text: str) -> str:
    return text.replace("↔", "<->").encode("ascii", "backslashreplace").decode("ascii")


def _page(result: CheckResult, view: View) -> list[str]:
    page = [*textwrap.wrap(summary(result), view.width)]
    if result.undecided:
        page += textwrap.wrap(f"Nothing can be judged: {result.undecided}.", view.width)
    page += [
        line for warning in result.warnings for line in textwrap.wrap(shown(warning), view.width)
    ]
    full = [o for o in result.outcomes if _in_full(o, result)]
    full.sort(key=lambda o: (o.answer is not Fulfilment.FAILED, not o.fails))
    told: dict[tuple[ShownHead, ...], str] = {}
    for outcome in full:
        page += ["", *_full(outcome, result, view)]
        if outcome.heads:
            other = told.setdefault(outcome.heads, outcome.key)
            page += (
                _beside(outcome, view)
                if other == outcome.key
                else _labelled("heads", f"as under {shown(other)}", view)
            )
    rest = [o for o in result.outcomes if not _in_full(o, result)]
    if rest:
        page.append("")
        page += [line for outcome in rest for line in _short(outcome, view)]
    if result.failed and result.command:
        text = f"For the whole story: {shown(result.command)}"
        page += ["", *textwrap.wrap(text, view.width, break_on_hyphens=False)]
    return page


def _in_full(outcome: Outcome, result: CheckResult) -> bool:
    """What did not hold; without any judgement one reason stands on top for all."""
    if outcome.without_occasion or outcome.answer is Fulfilment.HOLDS:
        return False
    return not result.undecided


def _head(outcome: Outcome, view: View) -> list[str]:
    """The word and the key, with file and line at the end of the first line, or below."""
    texts = textwrap.wrap(f"{word(outcome).upper()}  {shown(outcome.key)}", view.width)
    place = where(outcome)
    if place and len(texts) == 1 and len(texts[0]) + 2 + len(place) <= view.width:
        texts = [f"{texts[0]}{place:>{view.width - len(texts[0])}}"]
    elif place:
        texts += textwrap.wrap(place, view.width, initial_indent="  ")
    if view.colour:
        return [click.style(text, fg=_COLOURS.get(word(outcome)), bold=True) for text in texts]
    return texts


def _full(outcome: Outcome, result: CheckResult, view: View) -> list[str]:
    page = _head(outcome, view)
    for label, text in lines(outcome, result):
        page += _labelled(label, text, view)
    return page


def _labelled(label: str, text: str, view: View) -> list[str]:
    return textwrap.wrap(
        text,
        view.width,
        initial_indent=f"  {label:<{_LABEL}}",
        subsequent_indent=" " * (_LABEL + 2),
        break_on_hyphens=False,  # commands are copied
    )


def _beside(outcome: Outcome, view: View) -> list[str]:
    """The two heads, in two columns of equal width."""
    width = (view.width - 6) // 2
    page = []
    for sign, *texts in ((" ", *titles(outcome)), *beside(outcome)):
        cells = [textwrap.wrap(text, width) or [""] for text in texts]
        for number, row in enumerate(zip_longest(*cells, fillvalue="")):
            mark = sign if number == 0 else " "
            page.append(f"  {mark} {row[0]:<{width}}  {row[1]}".rstrip())
    return page


def _short(outcome: Outcome, view: View) -> list[str]:
    text = f"{word(outcome):<13} {shown(outcome.expected)}: {shown(outcome.seen)}"
    wrapped = textwrap.wrap(text, view.width, subsequent_indent=" " * 14)
    if view.colour and wrapped:
        end = len(word(outcome))
        wrapped[0] = (
            click.style(wrapped[0][:end], fg=_COLOURS.get(word(outcome))) + wrapped[0][end:]
        )
    return wrapped
