"""A report → what the lesson shows of it: the exchange that tells most, the connections that belong
together. Only pairs that are known are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from lbtrace.listing import Row
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, ExchangePair, Ref
from lbtrace.model.report import Report
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace

_LOOKED_AT = 1000  # pairs from the beginning: a lesson is short


class Opened(NamedTuple):
    """A connection whose SYN was captured: its ends, its initial sequence number, where it is."""

    connection: Connection
    syn: FrameRef
    isn: int


def telling(report: Report) -> Row | None:
    """The first exchange for which the client opened a connection and the balancer did not; without
    one, the first of all. None when none is known.
    """
    known = list(_known(report))
    for number, pair in known:
        front, behind = _carrying(report, pair)
        if _opens(front) and not _opens(behind):
            return Row(True, number)
    return Row(True, known[0][0]) if known else None


def opened_together(report: Report) -> Iterator[tuple[Opened, Opened]]:
    """The client connections, each with the backend connection of its first request, as far as both
    SYNs were captured.
    """
    met = set()
    for _, pair in _known(report):
        (trace, exchange), (other, behind) = _carrying(report, pair)
        front = trace.exchanges[exchange].connection
        if (pair.client.point, front) in met:
            continue
        met.add((pair.client.point, front))
        ends = _syn(trace, front), _syn(other, other.exchanges[behind].connection)
        if ends[0] is not None and ends[1] is not None:
            yield ends[0], ends[1]


def _known(report: Report) -> Iterator[tuple[int, ExchangePair]]:
    for number, pair in enumerate(islice(report.correlation.pairs, _LOOKED_AT)):
        if (
            pair.group is None
            and pair.confidence is not Confidence.LOW
            and pair.attempts
            and pair.attempts[-1].outcome is AttemptOutcome.ANSWERED
        ):
            yield number, pair


def _carrying(report: Report, pair: ExchangePair) -> tuple[tuple[Trace, int], tuple[Trace, int]]:
    """(capture point, exchange) in front of the balancer and behind it."""
    client, backend = pair.client, pair.attempts[-1].backend
    return _of(report, Side.CLIENT, client), _of(report, Side.BACKEND, backend)


def _of(report: Report, side: Side, ref: Ref) -> tuple[Trace, int]:
    return report.trace(side, ref.point), ref.id


def _opens(carried: tuple[Trace, int]) -> bool:
    """Whether the connection was opened for this exchange, which its SYN shows."""
    trace, number = carried
    exchange = trace.exchanges[number]
    return exchange.ordinal == 1 and trace.connections[exchange.connection].syn_frame is not None


def _syn(trace: Trace, number: int) -> Opened | None:
    c = trace.connections[number]
    if c.syn_frame is None or c.syn_ns is None or c.from_client.isn is None:
        return None
    return Opened(c, trace.ref(c.syn_frame, c.syn_ns), c.from_client.isn)
