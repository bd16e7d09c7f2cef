"""Lost SYN.

Meaning:
    Requests waited because a connection was slow to open: a SYN, or its answer, was lost. The host
    that connects sends it again after 1 s, then after 3 s and 7 s in all (RFC 6298 §2; older
    systems begin with 3 s).
Decided by:
    Where a capture shows a SYN sent again before the connection opened, the loss lies between that
    capture and the other end. Where the backend capture shows one SYN only, but comes 1 s, 3 s or
    7 s after the client had asked, and other new backend connections came at once, the first SYN
    was lost between the balancer and the backend capture; this needs a common clock.
Evidence:
    The SYNs, and the requests that waited.
Remedy:
    Look for drops on the way of the SYN: a full accept queue or SYN backlog (`nstat -az
    TcpExtListenOverflows`), a full connection tracking table, colliding source ports of a NAT
    (`conntrack -S`: insert_failed), a firewall that limits connections. Connections that are kept
    open need fewer SYNs.
Variants:
    client, backend: sent again in the capture of that side.
    before-backend-capture: late behind the balancer by what a lost SYN costs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, Pairs, once
from lbtrace.comparison.claims import differ, ns
from lbtrace.comparison.counts import counted_once
from lbtrace.comparison.latency import NO_CLOCK, on_client_clock
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, told, variant
from lbtrace.findings._waited_meanwhile import waits_explained
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.connections import NEVER
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SYN, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
SECOND_NS = 1_000_000_000
AFTER_NS = tuple(seconds * SECOND_NS for seconds in (1, 3, 7))  # since the first SYN
LATE_NS = 60_000_000  # by which a timer of a host and the way may be late
AT_ONCE_NS = SECOND_NS // 2
REMEDY = (
    "Look for SYNs dropped there: a full accept queue or SYN backlog, a full connection tracking "
    "table, source ports of a NAT that collide (insert_failed), a limit of a firewall."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Per side the SYNs that were sent again, then those that were lost before the backend
    capture.
    """
    for side in comparison.captured:
        yield from _sent_again(comparison, side)
    if not comparison.alone:
        yield from _before_the_capture(comparison)


def _sent_again(comparison: Comparison, side: Side) -> Iterator[Finding]:
    table = comparison.table(side)
    late, waited = _opened_late(table)
    if not len(late):
        return
    delayed = int(comparison.used(side)[late].sum())
    yield KIND.finding(
        variant(comparison, "", side),
        Severity.MEDIUM,
        Confidence.HIGH,
        told(comparison, "{count} of {of} connections on the {side} side opened ")
        + _waited(waited)
        + " after the first SYN, which was sent again: it or its answer was lost."
        + (" The first request on {delayed} of them waited for that." if delayed else ""),
        comparison.opening_frames(side, late),
        note="the first SYN",
        remedy=REMEDY,
        side=named(comparison, side),
        count=len(late),
        of=int(table.of_connections("opened").sum()),
        shortest=ns(int(waited.min())) if _differ(waited) else None,
        longest=ns(int(waited.max())),
        delayed=delayed or None,
    )


def _opened_late(table: SideTable) -> tuple[Column, Column]:
    """The connections that opened after their SYN was sent again, and how long that took."""
    again, opened = table.of_connections("syn_retransmissions"), table.of_connections("opened")
    late = np.flatnonzero((again > 0) & opened & counted_once(table))
    waited = (table.of_connections("established_ns") - table.of_connections("syn_ns"))[late]
    return late[waited >= AT_ONCE_NS], waited[waited >= AT_ONCE_NS]


def delayed_exchanges(comparison: Comparison) -> Column:
    """The backend exchanges that waited for a SYN that was lost."""
    backend = comparison.sides[1]
    late, _ = _opened_late(backend)
    seen = np.flatnonzero(_firsts(backend) & among(backend.connection, late))
    pairs, those, _ = _lost_before(comparison)
    return np.concatenate((seen, pairs.where(those).backend))


def _before_the_capture(comparison: Comparison) -> Iterator[Finding]:
    """Requests for which the backend connection came late by what a host waits before it sends a
    SYN again.
    """
    pairs, late, waited = _lost_before(comparison)
    if not late.any():
        return
    others = waited[~late]
    delayed = pairs.where(late)
    yield KIND.finding(
        "before-backend-capture",
        Severity.MEDIUM,
        Confidence.MEDIUM,
        "{count} of {of} requests waited "
        + _waited(waited[late])
        + " for a new backend connection"
        + (", the others {others} at most" if len(others) else "")
        + ", as when the first SYN is lost before the backend capture: a host sends it again "
        "after 1 s, then after 3 s. A first try at a backend that was not captured would look the "
        "same.",
        _frames(comparison, delayed),
        note="the requests that waited, and the SYN that came",
        remedy=REMEDY,
        count=len(delayed),
        of=len(pairs),
        shortest=ns(int(waited[late].min())) if _differ(waited[late]) else None,
        longest=ns(int(waited[late].max())),
        others=ns(int(others.max())) if len(others) else None,
    )


@once
def _lost_before(comparison: Comparison) -> tuple[Pairs, Column, Column]:
    """(the pairs for which a backend connection was opened, which of them waited as long as a lost
    SYN costs, how long each waited); none of them if others waited for something else.
    """
    pairs, waited = _waits(comparison)
    late = np.zeros(len(waited), bool)
    for after in AFTER_NS:
        late |= (waited >= after) & (waited <= after + LATE_NS)
    return pairs, late & ~(waited[~late] > AT_ONCE_NS).any(), waited


def _waits(comparison: Comparison) -> tuple[Pairs, Column]:
    """The pairs for which a backend connection was opened, and how long each waited before its SYN
    came: since the last thing that the balancer had to wait for in front of it.
    """
    client, backend = comparison.sides
    pairs = comparison.distinct_pairs
    connection, first = pairs.backend_connection, _firsts(backend)
    syn_ns = backend.of_connections("syn_ns")[connection]
    pairs = pairs.where((pairs.attempts == 1) & first[pairs.backend] & (syn_ns != NEVER))
    opened, width = on_client_clock(
        comparison, pairs, backend.of_connections("syn_ns")[pairs.backend_connection]
    )
    known = (width != NO_CLOCK) & (width < LATE_NS)
    # who waited for a server that did not answer: see connection-failures
    known &= ~among(pairs.client, waits_explained(comparison))
    pairs, opened, width = pairs.where(known), opened[known], width[known]
    established = client.of_connections("established_ns")[pairs.client_connection]
    asked, after = client.requests.last_ns[pairs.client], client.requests.there[pairs.client]
    # a balancer that does not read requests opens its connection before one comes
    early = asked > opened + width
    after &= ~early | (_firsts(client)[pairs.client] & (established != NEVER))
    waited = opened - np.where(early, established, asked)
    return pairs.where(after), waited[after]


def _firsts(table: SideTable) -> Column:
    """Per exchange, whether it is the first on its connection."""
    order, again = table.next_on_connection
    out = np.empty(len(order), bool)
    out[order] = ~again
    return out


def _frames(comparison: Comparison, delayed: Pairs) -> list[FrameRef]:
    asked = [comparison.request_frame(Side.CLIENT, pair.client_ref) for pair in delayed[:3]]
    return asked + comparison.opening_frames(Side.BACKEND, delayed.backend_connection[:3])


def _waited(waited: Column) -> str:
    """The shortest and the longest wait as places of a sentence."""
    return "{shortest} to {longest}" if _differ(waited) else "{longest}"


def _differ(waited: Column) -> bool:
    return differ(int(waited.min()), int(waited.max()))
