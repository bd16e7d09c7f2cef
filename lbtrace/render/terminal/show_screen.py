"""The first screen of `show`: what is wrong in the captures; what each of them holds, the exchanges
that went wrong first. `LINES` at most, so that it fits a screen, unless the captures are many.

What does not fit is counted, never dropped in silence.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from lbtrace.language import N, tr
from lbtrace.listing import ListingAlone
from lbtrace.model.report import CaptureCounts, CaptureReport
from lbtrace.model.trace import Trace
from lbtrace.render.terminal import limits, trace
from lbtrace.render.terminal.first_screen import LINES, Blocks, problems_that_fit
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording.escape import shown
from lbtrace.tables.captures import capture_counts

ALONE = N("-v: facts, limits, captures · --all: nothing cut · -q: problems only")
SEVERAL = N("-v: connections, facts, captures · --all: nothing cut · -q: problems only")
_MOST = 12  # rows of either table
_SOME = 6
_LEAST = (2, 3)  # of either, if it must be so


def show_screen(
    page: Page, report: CaptureReport, listed: list[ListingAlone], labels: Labels
) -> None:
    """All of it."""
    block = Blocks(page)
    head = block(lambda p: trace.summary(p, report))
    if report.problems:
        head.append("")
    foot = block(lambda p: _foot(p, report, listed))
    every = range(len(report.captures))
    held = [_held(report, listed[n], n) for n in every]
    least = [_fitting(block, report, each, 0) for each in held]
    room = LINES - len(head) - len(foot)
    told, _ = problems_that_fit(block, report, labels, room - sum(map(len, least)))
    room -= len(told)
    below: list[str] = []
    for number in every:
        share = (room - len(below)) // (len(least) - number)
        below += _fitting(block, report, held[number], share)
    for line in (*head, *told, *below, *foot):
        page.raw(line)


class _HeldCapture(NamedTuple):
    """What is told of a capture, however many rows of it fit: its number, trace, what is listed,
    its counts, what it cannot show.
    """

    number: int
    trace: Trace
    listed: ListingAlone
    counts: CaptureCounts
    blind_spots: list[str]


def _held(report: CaptureReport, listed: ListingAlone, number: int) -> _HeldCapture:
    held = report.captures[number].trace
    called, told = held.called(alone=True, several=False), limits.tls_is_a_problem(report)
    blind_spots = limits.blind_spots(held, called, told and len(report.captures) == 1)
    return _HeldCapture(number, held, listed, capture_counts(held), blind_spots)


def _fitting(block: Blocks, report: CaptureReport, held: _HeldCapture, room: int) -> list[str]:
    """A capture with as many rows as fit: the first of these (connections, exchanges)."""
    connections, exchanges = _LEAST
    rows = [(n, _MOST) for n in range(_MOST, _SOME, -1)]
    rows += [(_SOME, n) for n in range(_MOST, exchanges, -1)]
    rows += [(n, exchanges) for n in range(_SOME, connections - 1, -1)]
    if len(report.captures) > 1:
        rows = [(0, n) for n in range(_MOST, exchanges - 1, -1)]
    lines: list[str] = []
    for most in rows:
        lines = block(partial(_write, report=report, held=held, most=most))
        if len(lines) <= room:
            break
    return lines


def _write(page: Page, report: CaptureReport, held: _HeldCapture, most: tuple[int, int]) -> None:
    """One capture, with so many connections and exchanges. Of several the connections are left
    to -v.
    """
    several = len(report.captures) > 1
    if several:
        trace.title(page, report, held.number)
    elif report.problems or report.not_captured in trace.BOTH_SIDES:
        page.blank()
    trace.counted(page, held.trace, held.counts, held.listed)
    for sentence in held.blind_spots:
        page.prose(sentence)
    if not held.trace.connections:
        limits.captures(page, [held.trace], Labels([held.trace], ()))
    connections, exchanges = most
    if connections:
        trace.connections(page, held.trace, held.counts, connections)
    before = f"{held.number + 1}:" if several else ""
    trace.exchanges(page, held.trace, held.listed, before, exchanges)


def _foot(page: Page, report: CaptureReport, listed: list[ListingAlone]) -> None:
    """What to type next."""
    page.blank()
    name = report.problems[0].id if report.problems else _first(listed)
    if name:
        page.line((tr("In full: "), "note"), f"{shown(page.view.command)} --zoom {name}")
    page.line((tr(SEVERAL if len(listed) > 1 else ALONE), "note"))


def _first(listed: list[ListingAlone]) -> str:
    """The number of the first exchange that is listed, "" if none is."""
    for number, alone in enumerate(listed, 1):
        if alone.rows:
            return f"{number}:{alone.rows[0] + 1}" if len(listed) > 1 else f"{alone.rows[0] + 1}"
    return ""
