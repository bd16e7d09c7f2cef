"""Reports → a lesson: one act for each balancer, then all of them side by side.

An act asks a question, waits until its reader has guessed, and answers it from the report: in a
sentence, as the ladder of one exchange, and in the one table that proves it. Nothing in it is known
beforehand; the same lesson is told about any two captures. What the captures do not tell is said to
be unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from lbtrace.ladder import ladder
from lbtrace.language import tr
from lbtrace.lesson import questions
from lbtrace.lesson.exchanges import telling
from lbtrace.lesson.side_by_side import side_by_side
from lbtrace.model.report import Report
from lbtrace.render.terminal import ladders, overview
from lbtrace.render.terminal.cells import request
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

Wait = Callable[[str], None]  # asks for a key press, with these words
_TARGETS = 4  # of the requests, named at the beginning of an act


class Act(NamedTuple):
    """A balancer of the lesson: what to call it, and what became of it."""

    name: str
    report: Report


def lesson(page: Page, acts: Sequence[Act], wait: Wait, preface: str = "", own: str = "") -> None:
    """All acts, each with a question of its own, then the table. `own` is the command that tells
    the same of the reader's own packets.
    """
    page.line((tr("What does a load balancer do to a request?"), "verdict"))
    if preface:
        page.prose(tr(preface))
    for number, act in enumerate(acts):
        _act(page, act, number, len(acts), wait)
    wait(tr("Enter: the table"))
    side_by_side(page, acts)
    if own:
        page.blank()
        page.line((tr("The same from your own packets (Linux, root): "), "note"), own)


def _act(page: Page, act: Act, number: int, of: int, wait: Wait) -> None:
    report, labels = act.report, Labels(act.report.clients, act.report.backends)
    page.heading(
        tr("Act {n} of {of}").format(n=number + 1, of=of) if of > 1 else tr("The experiment"),
        shown(act.name),
    )
    page.prose(_what_was_sent(report))
    question = questions.QUESTIONS[number % len(questions.QUESTIONS)]
    page.blank()
    page.hanging([(tr("Question: "), "verdict")], question.ask(report))
    wait(tr("Guess, then press Enter"))
    page.hanging([(tr("Answer: "), "verdict")], question.answer(report))
    shown_row = telling(report)
    if shown_row is not None:
        page.heading(tr("One exchange"), tr("C: client capture, B: backend capture"))
        ladders.text(page, ladder(report, shown_row), labels)
    question.table(page, report, labels)
    overview.verdict(page, report, reason=False)


def _what_was_sent(report: Report) -> str:
    """ "4 requests: GET /divide/25, …"."""
    heads = [
        request(exchange, trace.connections[exchange.connection])
        for trace in report.clients
        for exchange in islice(trace.exchanges, _TARGETS)
        if exchange.request is not None
    ][:_TARGETS]
    sent = report.client_counts.requests
    more = [f"+{units.count(sent - len(heads))}"] if sent > len(heads) else []
    return units.counted(
        "The client sent {n} request: {heads}.",
        "The client sent {n} requests: {heads}.",
        sent,
        heads=", ".join([*heads, *more]),
    )
