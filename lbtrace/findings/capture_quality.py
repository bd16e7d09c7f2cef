"""Capture quality.

Meaning:
    What the captures cannot show: packets that the capture dropped, packets cut by the snapshot
    length, missing bytes, connections seen in one direction only, times at which only one capture
    was running. Every other statement of lbtrace is about what is in the captures.
Decided by:
    The statistics in the capture files, bytes that were acknowledged but not captured, packet
    counts for each direction, and the times of the first and last packet under the clock interval.
Evidence:
    The first frames concerned.
Remedy:
    Record with a larger buffer (`tcpdump -B 65536`) and whole packets (`-s 0`), on an interface
    that both directions cross. Start both captures before the traffic.
Variants:
    dropped: the capture itself reports dropped packets.
    truncated: packets cut by the snapshot length.
    missing: acknowledged bytes that no packet holds.
    one-direction: only one direction of most connections.
    window: exchanges at a time when the other capture shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, first_frames
from lbtrace.comparison.claims import size
from lbtrace.findings._kind import FindingKind
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Confidence, Ref, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.model.trace import Trace
from lbtrace.tables.connections import ConnectionTable

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True
WHOLE = "Record whole packets: tcpdump -s 0."
BUFFER = "Record with a larger buffer (tcpdump -B 65536), or write to a faster disk."


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per capture and kind of lack, then the exchanges outside the other capture."""
    for side in comparison.captured:
        for trace, connections in zip(
            comparison.traces(side), comparison.table(side).connections, strict=True
        ):
            if len(connections):
                yield from _of_trace(trace, connections)
    yield from _outside(comparison)


def _of_trace(trace: Trace, connections: ConnectionTable) -> Iterator[Finding]:
    dropped = sum(f.dropped or 0 for f in trace.files)
    ends = connections.ends
    if dropped:
        yield KIND.finding(
            "dropped",
            Severity.MEDIUM,
            Confidence.CERTAIN,
            "{capture} reports {count} packets dropped while capturing: some of what is missing "
            "was on the wire.",
            first_frames(trace, np.arange(1)),
            capture=trace.name,
            count=dropped,
            remedy=BUFFER,
        )
    if trace.packets.truncated:
        cut = np.flatnonzero((ends.truncated[0::2] > 0) | (ends.truncated[1::2] > 0))
        yield KIND.finding(
            "truncated",
            Severity.LOW,
            Confidence.CERTAIN,
            "Cut by the snapshot length: {count} of {of} packets in {capture}; what was cut is "
            "unknown, never different.",
            first_frames(trace, cut if len(cut) else np.arange(len(connections))),
            capture=trace.name,
            count=trace.packets.truncated,
            of=trace.packets.decoded,
            remedy=WHOLE,
        )
    lost = ends.lost[0::2] + ends.lost[1::2]
    missing = np.flatnonzero(lost)
    if len(missing):
        yield KIND.finding(
            "missing",
            Severity.LOW,
            Confidence.HIGH,
            "{bytes} of {count} connections were acknowledged and are not in {capture}.",
            first_frames(trace, missing),
            capture=trace.name,
            bytes=size(sum(lost.tolist())),
            count=len(missing),
            remedy=BUFFER,
        )
    # one end is silent though the other sent more than an unanswered attempt to connect
    silent, spoke = ends.packets == 0, ends.bytes > 0
    one_way = np.flatnonzero((silent[0::2] & ~silent[1::2]) | (silent[1::2] & spoke[0::2]))
    if 2 * len(one_way) > len(connections):
        yield KIND.finding(
            "one-direction",
            Severity.MEDIUM,
            Confidence.HIGH,
            "One direction only: {count} of {of} connections in {capture}; the answers take "
            "another way, or were filtered out.",
            first_frames(trace, one_way),
            capture=trace.name,
            count=len(one_way),
            of=len(connections),
            remedy=(
                "Capture where both directions cross, without a filter on source or destination."
            ),
        )


def _outside(comparison: Comparison) -> Iterator[Finding]:
    for side, traces in (("client", comparison.clients), ("backend", comparison.backends)):
        refs: Sequence[Ref] = [
            u.ref
            for u in comparison.correlation.unpaired
            if u.side == side and u.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE
        ]
        if not refs:
            continue
        frames: list[FrameRef] = [
            comparison.request_frame(traces[0].side, ref) for ref in refs[:FRAMES_PER_SIDE]
        ]
        yield KIND.finding(
            "window",
            Severity.INFO,
            Confidence.HIGH,
            "Exchanges of the {side} capture before the first or after the last packet of the "
            "other capture: {count}. "
            "Whether that capture was running then is not known.",
            frames,
            count=len(refs),
            side=side,
            remedy="Start both captures before the traffic and stop them after it.",
        )
