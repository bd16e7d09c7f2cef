"""Exchanges → the columns that the script of the page draws: the list, and of each exchange its
ladder, its attempts and its heads side by side.

Texts are written here and numbered: the script lays out, compares two lines for equality, and
formats nothing. Lines that recur stand in the page once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from lbtrace.ladder import Step
from lbtrace.model.http import Exchange, HeaderLine, Request, Response
from lbtrace.render.html.told import filters
from lbtrace.render.terminal.heads import beside, start_line
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.ladders import marks
from lbtrace.render.wording.escape import shown

_NONE = -1
_Head = Request | Response | None


class Cells(NamedTuple):
    """What the list says of an exchange, and in full: `why` is what there is to say of it as a
    pair, `tries` the table of its attempts. `kind` and `status` are what the list can be filtered
    by.
    """

    name: str
    time: str
    request: str
    answer: str
    behind: str
    frames: str
    took: str
    kind: str
    status: str
    why: str
    wrong: bool
    problems: str
    tries: Sequence[Sequence[str]] = ()


class Dot(NamedTuple):
    """Where an exchange stands on the plots: nanoseconds, None for what is not known."""

    begin_ns: int | None
    took_ns: int | None
    added_ns: int | None = None
    ways_ns: tuple[int, int] | None = None


class ShownHeads(NamedTuple):
    """The heads of one message: in front of the balancer and behind it, where there are both."""

    title: str
    front: _Head
    behind: _Head
    labels: tuple[str, str]


class ColumnWriter:
    """Rows → columns."""

    def __init__(self, labels: Labels, start_ns: int) -> None:
        """Times count from `start_ns`."""
        self._labels, self._start_ns = labels, start_ns
        self._numbers: dict[str, int] = {}
        self._shapes: dict[tuple[tuple[int, int], ...], int] = {}
        self._rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self._shape_of = cache(self._new_shape)
        self._number_of = cache(self._new_number)

    def add(
        self, cells: Cells, dot: Dot, steps: Sequence[Step], heads: Iterable[ShownHeads]
    ) -> None:
        """The next row."""
        n = self._number
        row: tuple[Any, ...] = (
            cells.name,
            cells.time,
            n(cells.request),
            n(cells.answer),
            n(cells.behind),
            cells.frames,
            cells.took,
            n(cells.kind),
            n(cells.status),
            n(cells.why),
            int(cells.wrong),
            n(cells.problems),
            [[n(cell) for cell in row] for row in cells.tries],
            None if dot.begin_ns is None else dot.begin_ns - self._start_ns,
            dot.took_ns,
            dot.added_ns,
            *(dot.ways_ns or (None, None)),
            self._steps(steps),
            [
                [n(where), filter_]
                for where, filter_ in filters([step.frame for step in steps], self._labels)
            ],
            [written for head in heads if (written := self._heads(head))],
        )
        for name, value in zip(_COLUMNS, row, strict=True):
            self._rows[name].append(value)

    def data(self) -> dict[str, Any]:
        """All rows, and the texts they name."""
        return {"strings": list(self._numbers), "shapes": list(self._shapes), "rows": self._rows}

    def _number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def _new_number(self, text: str) -> int:
        """Of a text of the capture."""
        return self._number(shown(text))

    def _steps(self, steps: Sequence[Step]) -> list[Any]:
        """Five values each: which way, text, time, frame, error."""
        found: list[Any] = []
        for step, (time, frame, error) in zip(steps, marks(steps, self._labels), strict=True):
            way = 3 * step.sender + step.receiver
            found += way, self._number_of(step.text), time, frame, self._number(error)
        return found

    def _heads(self, heads: ShownHeads) -> list[Any]:
        """Title, whether it is a request, labels, shape, lines of both; of one head alone its lines
        are those of the first side, and there is no shape.
        """
        front, behind = heads.front, heads.behind
        there = [head for head in (front, behind) if head is not None]
        if not there:
            return []
        request = isinstance(there[0], Request)
        lead = [self._number(heads.title), int(request), *map(self._number, heads.labels)]
        if front is None or behind is None:
            return [*lead, _NONE, self._lines(there[0]), []]
        came, went = (front, behind) if request else (behind, front)
        shape = self._shape_of(_names(came), _names(went))
        return [*lead, shape, self._lines(front), self._lines(behind)]

    def _lines(self, head: Request | Response) -> list[int]:
        number = self._number_of
        return [number(start_line(head)), *[number(line.raw) for line in head.lines]]

    def _new_shape(self, came: tuple[str, ...], went: tuple[str, ...]) -> int:
        """Which line stands beside which: (place in the head that came, in the one that went)."""
        rows = beside(_places(came), _places(went))
        shape = [(0, 0)]  # the start lines
        shape += [
            (
                _NONE if row.came is None else int(row.came),
                _NONE if row.went is None else int(row.went),
            )
            for row in rows
        ]
        return self._shapes.setdefault(tuple(shape), len(self._shapes))


_COLUMNS = (
    "name", "time", "request", "answer", "behind", "frames", "took", "kind", "status", "why",
    "wrong", "problems", "tries", "begin", "total", "added", "way_in", "way_back",
    "steps", "filters", "heads",
)  # fmt: skip


def _names(head: Request | Response) -> tuple[str, ...]:
    return tuple(line.name for line in head.lines)


def _places(names: Sequence[str]) -> list[HeaderLine]:
    """Lines that say where they stand, from 1."""
    return [HeaderLine(name, "", str(place)) for place, name in enumerate(names, 1)]


def begin_ns(exchange: Exchange) -> int | None:
    """When its first packet came."""
    first = exchange.request or exchange.response
    return None if first is None else first.first_ns
