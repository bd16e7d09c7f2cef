"""Facts + the Comparison → the heads of the messages that the facts name as evidence.

A failed expectation shows both heads side by side, also from a stored report. So the first frames
of each fact, one on each side, are kept with the name of their exchange, as `--zoom` takes it; for
facts about header fields with the lines of the head, without credentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.http_fields.masking import Mask
from lbtrace.model.behaviour import Fact, ShownHead
from lbtrace.model.http import Request, Response
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Evidence
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import Messages
from lbtrace.tables.pairs import PairTable

ABOUT_HEADS = ("request.headers", "response.headers", "trust")
_NONE = -1


def heads(comparison: Comparison, facts: Iterable[Fact]) -> tuple[ShownHead, ...]:
    """The heads that complete at the frames of these facts, each once."""
    wanted: dict[FrameRef, bool] = {}
    for fact in facts:
        for shown in (fact.evidence, *(share.evidence for share in fact.shares)):
            for frame in first_of_each_side(shown):
                wanted[frame] = wanted.get(frame, False) or fact.name.startswith(ABOUT_HEADS)
    names = _ExchangeNames(comparison)
    mask = Mask(None)
    return tuple(
        ShownHead(
            frame, names.of(frame.side, row), is_request, _lines(mask, message) if whole else ()
        )
        for frame, whole in wanted.items()
        for row, is_request, message in _messages(comparison, frame)
    )


def first_of_each_side(evidence: Iterable[Evidence]) -> Iterator[FrameRef]:
    """The first frame of each side."""
    found: dict[Side, FrameRef] = {}
    for each in evidence:
        for frame in each.frames:
            found.setdefault(frame.side, frame)
    yield from found.values()


def _messages(
    comparison: Comparison, frame: FrameRef
) -> Iterator[tuple[int, bool, Request | Response]]:
    """(row, whether a request, the message) of what has the end of its head in a frame."""
    table = comparison.table(frame.side)
    halves: tuple[tuple[bool, Messages], ...] = ((True, table.requests), (False, table.responses))
    for is_request, messages in halves:
        around = messages.there & (messages.first_frame <= frame.number)
        around &= (frame.number <= messages.last_frame) & (table.point == frame.point)
        for row in np.flatnonzero(around).tolist():
            exchange = table.exchange(row)
            message = exchange.request if is_request else exchange.response
            if message is not None and message.head_frame == frame.number:
                yield row, is_request, message
                return


def _lines(mask: Mask, message: Request | Response) -> tuple[str, ...]:
    """The start line as HTTP/1 writes it, then the field lines."""
    if isinstance(message, Request):
        start = f"{message.method} {mask.target(message.target)} {message.version}".rstrip()
    else:
        start = f"{message.version} {message.status or ''} {message.reason}".strip()
    return (start, *(mask.line(line.raw) for line in message.lines))


class _ExchangeNames:
    """The name of an exchange in the list of a report: 1, 2, … for pairs, u1, u2, … for others."""

    def __init__(self, comparison: Comparison) -> None:
        self._pair: dict[Side, Column] = {}
        self._alone: dict[tuple[Side, int], int] = {}
        if comparison.alone:
            return
        pairs = PairTable.of(comparison.correlation.pairs)
        client, backend = comparison.sides
        tries = np.diff(pairs.first)
        for side, table, rows, place in (
            (Side.CLIENT, client, client.numbers(pairs.client_point, pairs.client),
             np.arange(len(pairs))),
            (Side.BACKEND, backend, backend.numbers(pairs.backend_point, pairs.backend),
             np.repeat(np.arange(len(pairs)), tries)),
        ):  # fmt: skip
            self._pair[side] = np.full(len(table), _NONE)
            self._pair[side][rows] = place
        for number, each in enumerate(comparison.correlation.unpaired):
            side = Side(each.side)
            row = comparison.table(side).first_of[each.ref.point] + each.ref.id
            self._alone[side, int(row)] = number

    def of(self, side: Side, row: int) -> str:
        """The name, "" where one side alone was captured."""
        if side in self._pair and self._pair[side][row] != _NONE:
            return f"{self._pair[side][row] + 1}"
        number = self._alone.get((side, row))
        return "" if number is None else f"u{number + 1}"
