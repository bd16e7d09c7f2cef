"""What belongs together, and what stands alone → lines of JSON, one each (docs/json-format.md
specifies the keys), written from columns.

There are as many as exchanges, and all that recurs in them is few: `_ROWS` are written at a time,
numbers become text column by column, and no pair or exchange is made. With each exchange stands the
frame it begins in, so that a script need not join.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    CONFIDENCES,
    Clue,
    Confidence,
    ConnectionBasis,
    Reason,
    Tier,
    UnpairedReason,
)
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.lines import JsonLines, json_lines
from lbtrace.render.json.text import quoted
from lbtrace.render.wording import names
from lbtrace.tables.columns import Column, distinct, running, spans
from lbtrace.tables.connections import NO_FRAME
from lbtrace.tables.exchanges import first_frames
from lbtrace.tables.pairs import NONE, OUTCOMES, PairTable, Reasons

_ROWS = 4096  # written at a time
_BETWEEN = "\n,"
_CONFIDENCE = {confidence: f'"confidence":"{confidence.value}"' for confidence in Confidence}
_TIER = [""] + [
    f'"tier":"{names.TIER_SLUG[tier]}","tier_rank":{int(tier)}' for tier in sorted(Tier)
]
_OUTCOME = [f'"outcome":"{outcome.value}"' for outcome in OUTCOMES]
_REASON = {reason: f'"reason":"{reason.value}"' for reason in UnpairedReason}
_BASIS = {basis: f'"basis":"{basis.value}"' for basis in ConnectionBasis}


class References:
    """References to the exchanges of one side, as JSON."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self._first_of = running(np.array([len(trace.exchanges) for trace in traces], np.int64))
        places = [_places(trace) for trace in traces] or [(np.zeros(0, np.int64),) * 2]
        self._frame, self._file = map(np.concatenate, zip(*places, strict=True))

    def texts(self, points: Column, ids: Column) -> list[str]:
        """One for each."""
        if not len(points):
            return []
        lines = json_lines(len(points))
        self.write(lines, points, ids)
        return lines.joined(_BETWEEN).split(_BETWEEN)

    def write(self, lines: JsonLines, points: Column, ids: Column) -> None:
        """One in each of some lines."""
        at = self._first_of[points] + ids
        frame, file = self._frame[at], self._file[at]
        lines.common('{"point":')
        lines.numbers(points)
        lines.common(',"exchange":')
        lines.numbers(ids)
        lines.common(',"first_frame":')
        lines.numbers(frame, NO_FRAME)
        lines.common(',"first_file":')
        lines.numbers(np.where(frame == NO_FRAME, NONE, file), NONE)
        lines.common("}")


def _places(trace: Trace) -> tuple[Column, Column]:
    """(the frame each exchange begins in, as numbered in its file, NO_FRAME for none; that
    file).
    """
    writer, frames = FrameWriter(trace), first_frames(trace)
    files = writer.files(frames)
    return writer.numbers(frames, files), files


def pairs(report: Report) -> Iterator[str]:
    """Texts of some lines each, one object per client exchange with the backend exchanges it
    caused; a comma stands before each line but the first.
    """
    table = PairTable.of(report.correlation.pairs)
    writer = _PairLineWriter(table, References(report.clients), References(report.backends))
    for low in range(0, len(table), _ROWS):
        yield writer.text(np.arange(low, min(low + _ROWS, len(table))))


class _PairLineWriter:
    """Pairs, as JSON."""

    def __init__(self, table: PairTable, clients: References, backends: References) -> None:
        self._table = table
        self._clients, self._backends = clients, backends
        self._sure = [_CONFIDENCE[confidence] for confidence in CONFIDENCES]
        self._clues: dict[tuple[Clue, str], tuple[str, bool]] = {}

    def text(self, rows: Column) -> str:
        """The pairs of some rows, at least one."""
        table = self._table
        reasons = distinct(table.reason[rows])
        lines = json_lines(len(rows))
        lines.common('{"id":')
        lines.numbers(rows)
        lines.common(',"number":')
        lines.numbers(rows + 1)
        lines.common(',"client":')
        self._clients.write(lines, table.client_point[rows], table.client[rows])
        lines.common(',"attempts":[')
        self._write_attempts(lines, rows)
        lines.common("],")
        lines.named(_TIER, table.tier[rows])
        lines.common(",")
        lines.named(self._sure, table.confidence[rows])
        lines.common(',"group":')
        lines.numbers(table.group[rows], NONE)
        lines.common(',"reasons":[')
        texts = [self._evidence(table.reasons[i]) for i in reasons.tolist()]
        lines.named(texts, np.searchsorted(reasons, table.reason[rows]))
        lines.common("]}")
        return lines.joined(_BETWEEN)

    def _write_attempts(self, lines: JsonLines, rows: Column) -> None:
        table, sizes = self._table, self._table.attempts[rows]
        at = spans(table.first[rows], sizes)
        points, ids, outcome = table.backend_point[at], table.backend[at], table.outcome[at]
        if (sizes == 1).all():
            lines.common('{"backend":')
            self._backends.write(lines, points, ids)
            lines.common(",")
            lines.named(_OUTCOME, outcome)
            lines.common("}")
            return
        attempts = [
            f'{{"backend":{backend},{_OUTCOME[ended]}}}'
            for backend, ended in zip(
                self._backends.texts(points, ids), outcome.tolist(), strict=True
            )
        ]
        texts = [",".join(attempts[begin:end]) for begin, end in pairwise(running(sizes).tolist())]
        lines.named(texts, np.arange(len(texts)))

    def _evidence(self, reasons: Reasons) -> str:
        if len(reasons) == 1:
            return self._one(reasons[0])
        return ",".join(map(self._one, reasons))

    def _one(self, reason: Reason) -> str:
        known = self._clues.get(reason[::2])  # without its value
        if known is None:
            known = self._clues[reason[::2]] = (
                f'{{"kind":{quoted(names.reason_kind(reason))},"value":',
                names.shows_value(reason.clue),
            )
        begin, plain = known
        return f"{begin}{quoted(reason.value if plain else names.reason_value(reason))}}}"


def unpaired(report: Report) -> Iterator[str]:
    """Exchanges without a partner, and why; texts as of `pairs`."""
    every = report.correlation.unpaired
    sides = {
        Side.CLIENT.value: References(report.clients),
        Side.BACKEND.value: References(report.backends),
    }
    for low in range(0, len(every), _ROWS):
        some = every[low : low + _ROWS]
        written = {
            side: iter(
                references.texts(
                    *np.array([u.ref for u in some if u.side == side], np.int64).reshape(-1, 2).T
                )
            )
            for side, references in sides.items()
        }
        yield _BETWEEN.join(
            f'{{"number":"u{number}","side":"{u.side}","exchange":{next(written[u.side])},'
            f"{_REASON[u.reason]},{_CONFIDENCE[u.confidence]},"
            f'"detail":{quoted(names.unpaired_detail(u))}}}'
            for number, u in enumerate(some, low + 1)
        )


def connection_pairs(report: Report) -> Iterator[str]:
    """Connections that carried one conversation as a whole; texts as of `pairs`."""
    every = report.correlation.connection_pairs
    for low in range(0, len(every), _ROWS):
        yield _BETWEEN.join(
            f'{{"client":{{"point":{client.point},"connection":{client.id}}},'
            f'"backend":{{"point":{backend.point},"connection":{backend.id}}},{_BASIS[basis]},'
            f"{_CONFIDENCE[confidence]}}}"
            for client, backend, basis, confidence in every[low : low + _ROWS]
        )
