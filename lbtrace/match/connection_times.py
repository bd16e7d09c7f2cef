"""Connections that were passed on as a whole, and show no exchanges → bounds on the clocks.

TLS that a balancer does not end hides the exchanges. Yet the client's bytes passed the front before
the back, and the server's the back before the front. So a pair of connections with the same packets
or the same ClientHello bounds δ as a pair of exchanges does (`clock`):

    a_c ≤ a_b + δ   the client's first payload, and its last
    p_b + δ ≤ p_c   the server's first payload, and its last

The last ones are compared only if as many bytes passed both points: else what was last on one side
never reached the other. Where an end sent bytes again, or bytes are missing, nothing is compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtrace.match.clock import Bounds
from lbtrace.model.pairing import Confidence, ConnectionPair
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import NEVER
from lbtrace.tables.side_table import SideTable

Points = tuple[int, int]


def bounds(
    front: SideTable, back: SideTable, pairs: Sequence[ConnectionPair]
) -> dict[Points, Bounds]:
    """Per pair of points, what certain pairs of connections without exchanges say of its clock, in
    the order of the client capture.
    """
    sure = [p for p in pairs if p.confidence is Confidence.CERTAIN]
    c = front.numbers_of_connections([p.client for p in sure])
    b = back.numbers_of_connections([p.backend for p in sure])
    plain = _silent(front)[c] & _silent(back)[b] & _undamaged(front)[c] & _undamaged(back)[b]
    points = np.array([(p.client.point, p.backend.point) for p in sure], np.int64).reshape(-1, 2)
    order = np.argsort(front.of_ends("first_payload_frame", server=False)[c], kind="stable")
    order = order[plain[order]]
    c, b, points = c[order], b[order], points[order]
    low = _latest(front, c, back, b, server=False)
    high = -_latest(back, b, front, c, server=True)
    at = back.of_ends("first_payload_ns", server=False)[b]
    frame = back.of_ends("first_payload_frame", server=False)[b]
    code = points[:, 0] * len(back.traces) + points[:, 1]
    return {
        divmod(n, len(back.traces)): Bounds(
            *(column[code == n] for column in (at, low, high, frame.astype(np.int64)))
        )
        for n in distinct(code).tolist()
    }


def _silent(table: SideTable) -> Column:
    """Which connections show no exchange."""
    out: Column = np.bincount(table.connection, minlength=len(table.client_address)) == 0
    return out


def _undamaged(table: SideTable) -> Column:
    """Which connections carried payload both ways, each byte of it once."""
    fine = np.ones(len(table.client_address), bool)
    for server in (False, True):
        fine &= table.of_ends("first_payload_ns", server) != NEVER
        for name in ("missing", "retransmissions", "out_of_order"):
            fine &= table.of_ends(name, server) == 0
    return fine


def _latest(earlier: SideTable, i: Column, later: SideTable, j: Column, server: bool) -> Column:
    """How much at least the clock of the point that an end's bytes pass first is ahead of the
    other's, by its first payload and its last.
    """
    first = _times(earlier, i, "first", server) - _times(later, j, "first", server)
    last = _times(earlier, i, "last", server) - _times(later, j, "last", server)
    sent = [
        table.of_ends("bytes", server)[at] - (0 if server else table.proxied[at])
        for table, at in ((earlier, i), (later, j))
    ]
    out: Column = np.where(sent[0] == sent[1], np.maximum(first, last), first)
    return out


def _times(table: SideTable, at: Column, which: str, server: bool) -> Column:
    return table.of_ends(f"{which}_payload_ns", server)[at]
