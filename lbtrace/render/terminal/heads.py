"""Two heads side by side, with what the balancer did to each line marked: + added, - removed, ~
changed. Nothing is cut.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple

from lbtrace.model.http import HeaderLine, Request, Response
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording.escape import shown

_SIGNS = {"+": "added", "-": "removed", "~": "changed", " ": ""}


class Beside(NamedTuple):
    """A line as it came to the balancer and as it went on; None where it is missing."""

    came: str | None
    went: str | None

    @property
    def sign(self) -> str:
        """What the balancer did."""
        if self.came is None:
            return "+"
        if self.went is None:
            return "-"
        return " " if self.came == self.went else "~"


def requests(page: Page, titles: tuple[str, str], front: Request, behind: Request) -> None:
    """Start line and fields of a request in front of the balancer and behind it."""
    rows = [Beside(start_line(front), start_line(behind)), *beside(front.lines, behind.lines)]
    _table(page, titles, [(row.sign, row.came, row.went) for row in rows])


def responses(page: Page, titles: tuple[str, str], front: Response, behind: Response) -> None:
    """The same of a response, which goes the other way."""
    rows = [Beside(start_line(behind), start_line(front)), *beside(behind.lines, front.lines)]
    _table(page, titles, [(row.sign, row.went, row.came) for row in rows])


def _table(
    page: Page, titles: tuple[str, str], rows: Sequence[tuple[str, str | None, str | None]]
) -> None:
    cells: list[list[Cell]] = [
        [(sign, _SIGNS[sign]), *((shown(text or ""), _SIGNS[sign]) for text in texts)]
        for sign, *texts in rows
    ]
    columns = [Column(), Column(titles[0], flexible=True), Column(titles[1], flexible=True)]
    page.table(columns, cells)


def alone(page: Page, title: str, message: Request | Response) -> None:
    """A head that has none beside it."""
    texts = [start_line(message), *(line.raw for line in message.lines)]
    page.table([Column(title, flexible=True)], [[shown(text)] for text in texts])


def start_line(message: Request | Response) -> str:
    """The start line, as it is written in HTTP/1."""
    if isinstance(message, Request):
        return f"{message.method} {message.target} {message.version}".rstrip()
    return f"{message.version} {message.status or ''} {message.reason}".strip()


def beside(came: Sequence[HeaderLine], went: Sequence[HeaderLine]) -> list[Beside]:
    """The lines of two heads; the n-th of a name stands beside the n-th of the same name. The order
    is that of the head that came; what was added stands where it was added.
    """
    partner = _partners(came, went)
    taken = {at for at in partner if at is not None}
    added: dict[int, list[Beside]] = defaultdict(list)  # by the line that each stands behind
    after = -1
    for at, line in enumerate(went):
        if at in taken:
            after = at
        else:
            added[after].append(Beside(None, line.raw))
    rows = list(added[-1])
    for line, place in zip(came, partner, strict=True):
        rows.append(Beside(line.raw, None if place is None else went[place].raw))
        rows += [] if place is None else added[place]
    return rows


def _partners(came: Sequence[HeaderLine], went: Sequence[HeaderLine]) -> list[int | None]:
    """Per line that came the place of the same line that went."""
    places: dict[str, deque[int]] = defaultdict(deque)
    for at, line in enumerate(went):
        places[line.name.lower()].append(at)
    found: list[int | None] = []
    for line in came:
        left = places[line.name.lower()]
        found.append(left.popleft() if left else None)
    return found
