"""Latency the balancer adds.

Meaning:
    How much longer an exchange takes for the client than for the backend. The difference is the
    balancer's own work, plus the network between the client capture and the backend capture. What
    the client itself spends is not in it: sending its request (a large or slow upload), and reading
    the response slowly. If the
    client capture shows a SYN and its answer, they give the round-trip time from there to the end
    that answered.
Decided by:
    Client total minus backend total for each pair; this needs no common clock. Taken off is by how
    much longer the client sent its request than the balancer sent it on, and the time for which the
    client's window was closed while the response came, if it is 1 ms or more. The time spent
    before the backend and after it needs both clocks and is given only with its half-width. Pairs
    with a retransmission, a retry or a damaged message are left out, because loss is not latency;
    how many, and why, is said.
Evidence:
    The slowest pair on both sides.
Remedy:
    Much time before the backend points to queueing or connection set-up at the balancer; much time
    after it, to buffering.
Variants:
    total: what the balancer added, over all pairs.
    split: how much of it before the backend and after it, by a common clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison, Pairs, confidence_of
from lbtrace.comparison.claims import Quantity, ns
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref
from lbtrace.model.report import Excluded, Finding, Latency, Severity
from lbtrace.tables.columns import median_low
from lbtrace.tables.connections import NEVER

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.START_LINE)


def find(comparison: Comparison) -> Iterator[Finding]:
    """The difference of the totals, and its split when the clocks allow one."""
    timed, measured = comparison.timed, comparison.latency
    if measured is None:
        return
    pair = comparison.correlation.pairs[measured.slowest_pair]
    slowest = Ref(*pair.attempts[-1].backend)
    frames = [
        comparison.request_frame(Side.CLIENT, pair.client),
        comparison.response_frame(Side.CLIENT, pair.client),
        comparison.request_frame(Side.BACKEND, slowest),
        comparison.response_frame(Side.BACKEND, slowest),
    ]
    round_trip = front_round_trip_ns(comparison)
    yield KIND.finding(
        "total",
        Severity.INFO,
        confidence_of(timed),
        "Balancer and network added {median} "
        + (
            "on average over {count} exchanges, of which it is not known who is whose; "
            if measured.average
            else "in the median of {count} exchanges, "
            + ("{p95} at the 95th percentile, " if measured.has_percentile else "")
            + "{max} at most; "
        )
        + "an exchange took {client} for the client and {backend} at the backend."
        + _not_in_it(measured)
        + (
            ""
            if round_trip is None
            else " In the client capture a SYN was answered after {round_trip}."
        ),
        frames,
        median=ns(measured.added_median_ns),
        p95=None if measured.average else ns(measured.added_p95_ns),
        max=None if measured.average else ns(measured.added_max_ns),
        client=ns(measured.client_median_ns),
        backend=ns(measured.backend_median_ns),
        count=measured.count,
        round_trip=None if round_trip is None else ns(round_trip),
        sending=_taken_off(measured.sending),
        reading=_taken_off(measured.reading),
        left_out="; ".join(f"{count} ({why})" for why, count in measured.left_out) or None,
        note="the slowest pair",
    )
    yield from _split(measured, comparison, timed)


def _not_in_it(measured: Latency) -> str:
    """What was taken off because it is not the balancer's, and which pairs are left out."""
    if measured.average:
        sending = " Not counted: {sending} that clients took to send their requests."
        reading = " Not counted: {reading} for which a slow reader closed its window."
    else:
        sending = " Not counted: up to {sending} that clients took to send their requests."
        reading = " Not counted: up to {reading} for which a slow reader closed its window."
    return (
        (sending if measured.sending.pairs else "")
        + (reading if measured.reading.pairs else "")
        + (" Pairs left out: {left_out}." if measured.left_out else "")
    )


def _taken_off(off: Excluded) -> Quantity | None:
    return ns(off.longest_ns) if off.pairs else None


def _split(measured: Latency, comparison: Comparison, timed: Pairs) -> Iterator[Finding]:
    if measured.ways_ns is None:
        return
    forward_ns, back_ns, half_width_ns = measured.ways_ns
    yield KIND.finding(
        "split",
        Severity.INFO,
        confidence_of(timed),
        "On the way to the backend {forward} passed and on the way back {back}, each ± "
        "{half_width}."
        if measured.tells_ways_apart
        else "The clocks are known to ± {half_width}, too wide to tell the way to the backend "
        "({forward}) from the way back ({back}).",
        comparison.request_frames(timed),
        forward=ns(forward_ns),
        back=ns(back_ns),
        half_width=ns(half_width_ns),
    )


def front_round_trip_ns(comparison: Comparison) -> int | None:
    """The median time from SYN to SYN-ACK on the client side, None when no handshake was captured;
    a repeated SYN measures loss and is left out.
    """
    client = comparison.sides[0]
    asked, answered, again = (
        client.of_connections(name) for name in ("syn_ns", "synack_ns", "syn_retransmissions")
    )
    known = (asked != NEVER) & (answered != NEVER) & (again == 0)
    return median_low((answered - asked)[known]) if known.any() else None
