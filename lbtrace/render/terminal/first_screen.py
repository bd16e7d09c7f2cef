"""The first screen: what is wrong, why, since when; who talks to whom; what the balancer changes;
the exchanges, those that went wrong first. `LINES` at most, so that it fits a screen.

What does not fit is counted, never dropped in silence. One problem is shown whole, however long it
is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import StringIO

from lbtrace.language import N, tr
from lbtrace.listing import Listing
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render.terminal import overview, problems
from lbtrace.render.terminal.drawing import drawing
from lbtrace.render.terminal.exchanges import exchanges
from lbtrace.render.terminal.facts import facts
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording.escape import shown

LINES = 45
OPTIONS = N("-v: reasons, facts, times, captures · --all: nothing cut · -q: problems only")
ROWS = 12  # of exchanges
_LEAST_ROWS = (4, 2)  # of them; where there is much to say of problems


class Blocks:
    """Parts of a page, each written on its own, so that they can be counted before they are
    shown.
    """

    def __init__(self, page: Page) -> None:
        self._page = page

    def __call__(self, write: Callable[[Page], None]) -> list[str]:
        """What `write` puts on a page, as lines."""
        out = StringIO()
        write(Page(out, self._page.view))
        return out.getvalue().splitlines()


def first_screen(page: Page, report: Report, listed: Listing, labels: Labels) -> None:
    """All of it."""
    block = Blocks(page)
    head = block(lambda p: overview.summary(p, report))
    if report.problems:
        head.append("")
    foot = block(lambda p: _more(p, report, listed))

    def table(count: int) -> list[str]:
        return block(lambda p: exchanges(p, report, listed, labels, count))

    for brief in (False, True):
        least = len(table(_LEAST_ROWS[brief]))
        below = block(lambda p, brief=brief: _balancer(p, report, labels, brief))  # type: ignore[misc]
        room = LINES - len(head) - len(below) - len(foot)
        told, whole = problems_that_fit(block, report, labels, room - least)
        if whole:
            break
    rows = _rows_that_fit(table, _LEAST_ROWS[brief], room - len(told))
    for line in (*head, *told, *below, *rows, *foot):
        page.raw(line)


def _rows_that_fit(table: Callable[[int], list[str]], least: int, room: int) -> list[str]:
    """The lines of a table with as many rows as fit, `least` whatever the room is. A row may take
    several lines.
    """
    for count in range(ROWS, least, -1):
        lines = table(count)
        if len(lines) <= room:
            return lines
    return table(least)


def _balancer(page: Page, report: Report, labels: Labels, brief: bool) -> None:
    """What it is and does; `brief`: in few lines, where there is much to say of problems."""
    overview.verdict(page, report, reason=False, sentence=not brief)
    drawing(page, report, most=1 if brief else 2)
    facts(page, report, labels, brief)


def problems_that_fit(
    block: Blocks, report: Report | CaptureReport, labels: Labels, room: int
) -> tuple[list[str], bool]:
    """As many problems as fit, what to do about the first of them as far as that fits too, and how
    many more there are; whether all of that fits. What to do gives way to a problem; but where
    problems must give way, the first one is told with it.
    """
    short, full = (_blocks(block, report, labels, remedy) for remedy in (False, True))
    blocks = list(short)
    if full and fitting([*map(len, short)], room) < len(short) and len(full[0]) < room:
        blocks[0] = full[0]
    fits = max(fitting([*map(len, blocks)], room), 1)
    rest = _rest(block, report, fits)
    while fits > 1 and sum(map(len, blocks[:fits])) + len(rest) > room:
        fits -= 1
        rest = _rest(block, report, fits)
    room -= sum(map(len, blocks[:fits])) + len(rest)
    for place, advised in enumerate(full[:fits]):
        room -= len(advised) - len(blocks[place])
        if room < 0:
            break
        blocks[place] = advised
    return [line for lines in blocks[:fits] for line in lines] + rest, blocks == full


def _rest(block: Blocks, report: Report | CaptureReport, fits: int) -> list[str]:
    """The lines about the problems that are not told."""
    if not report.problems[fits:]:
        return []
    return block(lambda p: problems.more(p, report, report.problems[fits:]))


def _blocks(
    block: Blocks, report: Report | CaptureReport, labels: Labels, remedy: bool
) -> list[list[str]]:
    """The lines of each problem."""
    return [
        block(partial(problems.problem, report=report, found=found, labels=labels, remedy=remedy))
        for found in report.problems
    ]


def fitting(sizes: list[int], room: int) -> int:
    """How many of the first blocks fit; if not all do, with a line for the others."""
    if sum(sizes) <= room:
        return len(sizes)
    fits = 0
    for size in sizes:
        room -= size
        if room < 1:
            break
        fits += 1
    return fits


def _more(page: Page, report: Report, listed: Listing) -> None:
    """What to type next."""
    page.blank()
    name = (
        report.problems[0].id if report.problems else listed.rows[0].number if listed.rows else ""
    )
    if name:
        page.line((tr("In full: "), "note"), f"{shown(page.view.command)} --zoom {name}")
    page.line((tr(OPTIONS), "note"))
