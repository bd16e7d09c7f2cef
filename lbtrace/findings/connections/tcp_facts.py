"""TCP facts.

Meaning:
    What the SYNs of paired connections show on both sides: initial sequence number, MSS, window
    scale, options, TTL. Equal values mean that packets were passed on. Different values mean that
    the balancer opened a connection of its own. Retransmitted segments mean loss on the path.
Decided by:
    The SYNs of paired connections are compared. If requests share backend connections, those of an
    example pair are compared. Retransmitted segments are counted in each capture. A server accepts
    only with data if it repeated the acknowledged SYN-ACK of every client that spoke a second later
    or more, and of two at least: one acknowledgement may have been lost behind the capture.
Evidence:
    The SYNs on both sides.
Remedy:
    An MSS that shrinks between the sides points to a tunnel, or to a router that clamps it. If many
    segments were retransmitted, look for loss between this capture and the other end.
Variants:
    syn: the SYNs of both sides.
    loss, loss-client, loss-backend: segments sent again before an acknowledgement.
    deferred-accept: a server that accepts only with data.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, ConnectionPairs
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, told, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side, SynFingerprint
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import among
from lbtrace.tables.connections import NEVER, NO_FRAME, NONE

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SYN, FramePart.OPTIONS)
ONE_CAPTURE = True
MIN_SEGMENTS = 3  # one or two tell nothing
MIN_LOSS_PERCENT = 1  # of all segments; below that, loss is part of any network
SEVERAL = 2
# after a second a host sends its SYN-ACK again (RFC 6298 §2.1); captures stamp late by a little
SYN_ACK_AGAIN_NS = 1_100_000_000

DEFERRED = (
    "It does no harm to clients that speak at once. For those that speak late, or wait for the "
    "server to speak first, switch it off (nginx: listen without deferred; Apache httpd: "
    "AcceptFilter http none; HAProxy: no defer-accept)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """The two SYNs of an example, then loss on each side."""
    if not comparison.alone:
        yield from _syns_of_pairs(comparison)
    for side in comparison.captured:
        yield from _loss(comparison, side)
    yield from _deferred(comparison)


def _syns_of_pairs(comparison: Comparison) -> Iterator[Finding]:
    (client, backend), joined = comparison.sides, comparison.joined_connections
    syns = [
        t.of_ends("syn_row", server=False)[c] != NONE
        for t, c in ((client, joined.client), (backend, joined.backend))
    ]
    both = joined.where(syns[0] & syns[1])
    if len(both):
        yield _syns(comparison, both)


def _syns(comparison: Comparison, both: ConnectionPairs) -> Finding:
    isn, isn_behind = (
        t.of_ends("isn", server=False)[c]
        for t, c in zip(comparison.sides, (both.client, both.backend), strict=True)
    )
    first, second = both[0].client.from_client.syn, both[0].backend.from_client.syn
    assert first is not None
    assert second is not None
    return KIND.finding(
        "syn",
        Severity.INFO,
        Confidence.HIGH,
        "The initial sequence number is the same in {equal} of {of} pairs of connections that "
        "belong together. "
        "SYN in front of the balancer: {front}; behind it: {back}.",
        comparison.connection_frames(both),
        equal=int((isn == isn_behind).sum()),
        of=len(both),
        front=described(first),
        back=described(second),
    )


def described(syn: SynFingerprint) -> str:
    """A SYN's offer in words."""
    parts = [
        f"TTL {syn.ttl}",
        f"window {syn.window}",
        f"MSS {syn.mss}" if syn.mss is not None else "no MSS",
    ]
    parts.append(
        f"window scale {syn.window_scale}" if syn.window_scale is not None else "no window scale"
    )
    parts.append("SACK" if syn.sack_permitted else "no SACK")
    parts.append("timestamps" if syn.timestamp is not None else "no timestamps")
    return ", ".join(parts)


def _loss(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Segments sent again before the capture shows an acknowledgement of them."""
    table = comparison.table(side)
    repeats, sent = (
        table.of_ends(name, server=False).astype(np.int64) + table.of_ends(name, server=True)
        for name in ("repeats", "packets")
    )
    # a SYN that nobody answered came to nobody, or was refused in silence: see connection-failures
    attempts = (table.of_connections("syns") > 0) & ~table.of_connections("opened")
    repeats[attempts & (table.of_connections("synacks") == 0)] = 0
    # of one direction alone no acknowledgement can be seen
    heard = (table.of_ends("packets", end) > 0 for end in (False, True))
    repeats[~np.logical_and(*heard)] = 0
    # nor is a SYN that was sent again until the connection opened: see lost-syn
    opened = table.of_connections("opened")
    repeats[opened] -= np.minimum(repeats, table.of_connections("syn_retransmissions"))[opened]
    # what was answered from another address was sent again for that reason: see return-path
    repeats[np.concatenate(comparison.strays(side))] = 0
    # into a flow that was forgotten, or too large for the way: see idle-limits, large-segments
    for vain in (comparison.forgotten(side), comparison.oversized(side)):
        repeats[vain.connection] = 0
    again, packets = int(repeats.sum()), int(sent.sum())
    if again >= MIN_SEGMENTS and again * 100 >= packets * MIN_LOSS_PERCENT:
        yield KIND.finding(
            variant(comparison, "loss", side),
            Severity.LOW,
            Confidence.HIGH,
            told(
                comparison,
                "{again} of {packets} segments on the {side} side were sent again, before the "
                "capture shows an acknowledgement: packets were lost or late.",
            ),
            comparison.end_frames(
                side, np.flatnonzero(repeats), "repeat_frame", "repeat_ns", (False, True)
            ),
            side=named(comparison, side),
            again=again,
            packets=packets,
            note="the first segment sent again of the first connections concerned",
            remedy="Look for loss between this capture and the other end.",
        )


def _deferred(comparison: Comparison) -> Iterator[Finding]:
    """SYN-ACKs that servers repeat though they were acknowledged: they accept only with data."""
    side = comparison.captured[-1]
    backend = comparison.table(side)
    deferred = np.flatnonzero(backend.of_ends("deferred_frame", server=True) != NO_FRAME)
    if not len(deferred):
        return
    of = int((backend.of_connections("synacks") > 0).sum())
    spoke_ns = backend.of_ends("first_payload_ns", server=False)
    waited_ns = spoke_ns - backend.of_connections("synack_ns")
    late = np.flatnonzero((spoke_ns != NEVER) & (waited_ns >= SYN_ACK_AGAIN_NS))
    always = len(deferred) >= SEVERAL and bool(among(late, deferred).all())
    yield KIND.finding(
        "deferred-accept",
        Severity.LOW if always else Severity.INFO,
        Confidence.HIGH if always else Confidence.MEDIUM,
        ("The server" if comparison.alone else "The backend")
        + " repeated a SYN-ACK that was already acknowledged on {count} of {of} connections"
        + (
            ": nothing was lost. A server that accepts only with data (TCP_DEFER_ACCEPT) does this."
            if always
            else ". A server that accepts only with data (TCP_DEFER_ACCEPT) does this, and any "
            "that the acknowledgement did not reach."
        ),
        comparison.end_frames(side, deferred, "deferred_frame", "deferred_ns", (True,)),
        remedy=DEFERRED if always else "",
        count=len(deferred),
        of=of,
    )
