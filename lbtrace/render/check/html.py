"""A check as a page for a browser: what failed first, then what is open, then what holds."""

from __future__ import annotations

from typing import Any, NamedTuple, TextIO

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import beside, lines, summary, titles, where, word
from lbtrace.render.wording.escape import shown

SUMMARY = "for a browser: one file, to send on"
_STYLES = {"failed": "failed", "warning": "warns", "allowed": "", "holds": "holds"}
_DONE = {"+": "added", "-": "removed", "~": "changed"}


class OutcomeCard(NamedTuple):
    """An expectation. `heads` are (style, sign, line in front, line behind)."""

    style: str
    word: str
    key: str
    place: str
    lines: tuple[tuple[str, str], ...]
    titles: tuple[str, str]
    heads: tuple[tuple[str, str, str, str], ...]
    in_full: bool


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """The summary, a card for each expectation that does not hold, a table of the others."""
    from lbtrace.render.html import document

    every = [_card(outcome, result) for outcome in _worst_first(result)]
    values: dict[str, Any] = {
        "summary": summary(result),
        "undecided": shown(result.undecided),
        "warnings": tuple(map(shown, result.warnings)),
        "full": [card for card in every if card.in_full],
        "short": [card for card in every if not card.in_full],
    }
    if result.command:
        values["command"] = shown(result.command)
    document.write(out, "check.html", values)


def _worst_first(result: CheckResult) -> list[Outcome]:
    return sorted(result.outcomes, key=lambda o: (o.answer is not Fulfilment.FAILED, not o.fails))


def _card(outcome: Outcome, result: CheckResult) -> OutcomeCard:
    told = word(outcome)
    full = not outcome.without_occasion and outcome.answer is not Fulfilment.HOLDS
    return OutcomeCard(
        _STYLES.get(told, told.partition(" ")[0]),
        told,
        shown(outcome.key),
        where(outcome),
        tuple(lines(outcome, result)),
        titles(outcome),
        tuple((_DONE.get(sign, ""), sign, front, behind) for sign, front, behind in beside(outcome))
        if full
        else (),
        full,
    )
