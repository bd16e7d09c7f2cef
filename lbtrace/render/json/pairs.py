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
from lbtrace.model.pairing import CONFIDENCES, Confidence, ConnectionBasis, Tier, UnpairedReason
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.text import NULL, numbers, quoted
from lbtrace.render.wording import names
from lbtrace.tables.columns import Column, running, spans
from lbtrace.tables.connections import NO_FRAME
from lbtrace.tables.exchanges import first_frames
from lbtrace.tables.pairs import NONE, OUTCOMES, PairTable, Reasons

_ROWS = 4096  # written at a time
_CONFIDENCE = {confidence: f'"confidence":"{confidence.value}"' for confidence in Confidence}
_TIER = {int(tier): f'"tier":"{names.TIER_SLUG[tier]}","tier_rank":{int(tier)}' for tier in Tier}
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
        at = self._first_of[points] + ids
        frame, file = self._frame[at], self._file[at]
        columns = (
            *(column.tolist() for column in (points, ids)),
            numbers(frame, missing=NO_FRAME),
            numbers(np.where(frame == NO_FRAME, NONE, file), missing=NONE),
        )
        return [
            f'{{"point":{point},"exchange":{number},"first_frame":{frame},"first_file":{file}}}'
            for point, number, frame, file in zip(*columns, strict=True)
        ]


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
    clients, backends = References(report.clients), References(report.backends)
    for low in range(0, len(table), _ROWS):
        rows = np.arange(low, min(low + _ROWS, len(table)))
        yield "\n,".join(_pairs(table, rows, clients, backends))


def _pairs(table: PairTable, rows: Column, clients: References, backends: References) -> list[str]:
    sizes = table.attempts[rows]
    at = spans(table.first[rows], sizes)
    caused = backends.texts(table.backend_point[at], table.backend[at])
    attempts = [
        f'{{"backend":{backend},{_OUTCOME[outcome]}}}'
        for backend, outcome in zip(caused, table.outcome[at].tolist(), strict=True)
    ]
    if not (sizes == 1).all():
        attempts = [
            ",".join(attempts[begin:end]) for begin, end in pairwise(running(sizes).tolist())
        ]
    known = {reason: _reasons(table.reasons[reason]) for reason in set(table.reason[rows].tolist())}
    sure = [_CONFIDENCE[confidence] for confidence in CONFIDENCES]
    columns = (
        column[rows].tolist()
        for column in (table.tier, table.confidence, table.group, table.reason)
    )
    return [
        f'{{"id":{number},"number":{number + 1},"client":{client},"attempts":[{tried}],'
        f"{_TIER[tier]},{sure[confidence]},"
        f'"group":{NULL if group == NONE else group},"reasons":[{known[reason]}]}}'
        for number, client, tried, tier, confidence, group, reason in zip(
            rows.tolist(),
            clients.texts(table.client_point[rows], table.client[rows]),
            attempts,
            *columns,
            strict=True,
        )
    ]


def _reasons(reasons: Reasons) -> str:
    return ",".join(
        f'{{"kind":{quoted(kind)},"value":{quoted(value)}}}'
        for kind, value in map(names.reason, reasons)
    )


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
        yield "\n,".join(
            f'{{"number":"u{number}","side":"{u.side}","exchange":{next(written[u.side])},'
            f"{_REASON[u.reason]},{_CONFIDENCE[u.confidence]},"
            f'"detail":{quoted(names.unpaired_detail(u))}}}'
            for number, u in enumerate(some, low + 1)
        )


def connection_pairs(report: Report) -> Iterator[str]:
    """Connections that carried one conversation as a whole; texts as of `pairs`."""
    every = report.correlation.connection_pairs
    for low in range(0, len(every), _ROWS):
        yield "\n,".join(
            f'{{"client":{{"point":{client.point},"connection":{client.id}}},'
            f'"backend":{{"point":{backend.point},"connection":{backend.id}}},{_BASIS[basis]},'
            f"{_CONFIDENCE[confidence]}}}"
            for client, backend, basis, confidence in every[low : low + _ROWS]
        )
