"""One backend is slower.

Meaning:
    One of several backends takes much longer to answer than all the others. Clients see that some
    of their requests are slow, and the balancer goes on sending it its share.
Decided by:
    The time from the last byte of a request to the first byte of its response, per server, without
    health checks, and without the balancer itself where it is in the capture. The median of one
    server is a tenth of a second or more and five times that of every other, and most of its
    answers took longer than nearly all of theirs. Each answered three requests or more.
Evidence:
    Requests to the slow server with their responses, and one to another server.
Remedy:
    Compare that machine with the others: load, swap, disk, what it asks in turn. A balancer that
    counts open requests (`least_conn` in nginx, `balance leastconn` in HAProxy) sends it less.
Variants:
    seen: in one capture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, once
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind, compared_with
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct, median_low
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.START_LINE, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
FEW = 3  # requests of each server
MOST = 50  # servers: the backends of one balancer are fewer
SLOW_NS = 100_000_000
TIMES = 5
EXAMPLES = 2
REMEDY = (
    "Compare {server} with the others: load, disk, what it asks in turn. A balancer that counts "
    "open requests (least_conn in nginx, leastconn in HAProxy) sends a slow one less."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    found = _slowest(comparison)
    if found is not None:
        yield _finding(comparison, comparison.captured[-1], *found)


def slow_exchanges(comparison: Comparison) -> Column:
    """The exchanges of the server that is slower than all others; none without one."""
    found = _slowest(comparison)
    if found is None:
        return np.zeros(0, np.int64)
    rows, slow, _, _ = found
    return rows[slow]


@once
def _slowest(comparison: Comparison) -> tuple[Column, Column, int, int] | None:
    """(the exchanges whose time is known, which of them the slow server answered, its median, the
    highest median of the others).
    """
    side = comparison.captured[-1]
    table = comparison.table(side)
    rows = _timed(comparison, side)
    took = (table.responses.first_ns - table.requests.last_ns)[rows]
    server = table.servers[table.connection[rows]]
    names, counts = np.unique(server, return_counts=True)
    if not 2 <= len(names) <= MOST or counts.min() < FEW:
        return None
    medians = {name: median_low(took[server == name]) for name in names.tolist()}
    slowest = max(medians, key=medians.__getitem__)
    others = took[server != slowest]
    highest = max(median for name, median in medians.items() if name != slowest)
    if medians[slowest] < max(SLOW_NS, TIMES * highest) or medians[slowest] <= _nearly_all(others):
        return None
    return rows, server == slowest, medians[slowest], highest


def _timed(comparison: Comparison, side: Side) -> Column:
    """The exchanges whose time is known, without health checks."""
    table = comparison.table(side)
    known = table.requests.there & table.responses.there
    known &= table.responses.first_ns >= table.requests.last_ns
    if side is Side.BACKEND and not comparison.alone:
        known &= ~comparison.check_exchanges
    if comparison.alone and comparison.passed_on is not None:  # a balancer is no backend
        known &= table.servers[table.connection] != comparison.passed_on.front
    return np.flatnonzero(known)


def _nearly_all(took: Column) -> int:
    """What nine of ten are not longer than."""
    return int(np.sort(took)[(9 * len(took) - 1) // 10])


def _finding(
    comparison: Comparison, side: Side, rows: Column, slow: Column, median: int, other: int
) -> Finding:
    table = comparison.table(side)
    theirs = rows[slow]
    server = str(table.endpoint(int(table.servers[table.connection[theirs[0]]])))
    places = len(distinct(table.servers[table.connection[rows]]))
    return compared_with(
        KIND.finding(
            "seen" if comparison.alone else "",
            Severity.MEDIUM,
            Confidence.MEDIUM,
            "{server} takes {median} to answer in the median ({count} requests), "
            + ("the other server {other}" if places == 2 else "each of the others {other} or less")
            + " ({rest} requests).",
            _frames(comparison, side, theirs[:EXAMPLES]),
            note="the requests and their responses",
            remedy=REMEDY.format(server=server),
            server=server,
            median=ns(median),
            count=len(theirs),
            places=places,
            other=ns(other),
            rest=len(rows) - len(theirs),
        ),
        _frames(comparison, side, rows[~slow][:1]),
    ).about(comparison.asked(side, theirs))


def _frames(comparison: Comparison, side: Side, rows: Column) -> list[FrameRef]:
    table: SideTable = comparison.table(side)
    return [
        look(side, table.ref(row))
        for row in rows.tolist()
        for look in (comparison.request_frame, comparison.response_frame)
    ]
