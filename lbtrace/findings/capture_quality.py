"""Capture quality.

Meaning:
    What the captures cannot show: packets the capture dropped, packets cut by the snapshot length, bytes that are missing,
    connections seen in one direction only, a time the two captures do not share. Everything else lbtrace says is about what is
    in the captures.
Decided by:
    The capture files' own statistics, sequence space that was acknowledged but not captured, packet counts per direction, and the times of
    the first and last packet under the clock interval.
Evidence:
    The first frames concerned.
Remedy:
    Record with a larger buffer (`tcpdump -B 65536`) and whole packets (`-s 0`), on the interface both directions cross; start
    both captures before the traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.case import FRAMES_PER_SIDE, Case, evidence
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Confidence, Ref, UnpairedReason
from lbtrace.model.report import Finding, Severity, Value
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace

TITLE = "Capture quality"
WHOLE = "Record whole packets: tcpdump -s 0."
BUFFER = "Record with a larger buffer (tcpdump -B 65536), or write to a faster disk."


def find(case: Case) -> Iterator[Finding]:
    """One finding per capture and kind of lack, then the exchanges outside the other capture."""
    for trace in (*case.clients, *case.backends):
        if trace.connections:
            yield from _of_trace(case, trace)
    yield from _outside(case)


def _of_trace(case: Case, trace: Trace) -> Iterator[Finding]:
    name = Value("capture", trace.name)
    dropped = sum(f.dropped or 0 for f in trace.files)
    first = case.first_frames(trace, trace.connections)
    if dropped:
        yield Finding(
            "capture-quality.dropped",
            TITLE,
            Severity.MEDIUM,
            Confidence.CERTAIN,
            "{capture} reports {count} packets dropped while capturing: some of what is missing was on the wire.",
            (name, Value("count", dropped, "count")),
            evidence(first[:1]),
            BUFFER,
        )
    if trace.packets.truncated:
        cut = [c for c in trace.connections if c.from_client.truncated or c.from_server.truncated]
        yield Finding(
            "capture-quality.truncated",
            TITLE,
            Severity.LOW,
            Confidence.CERTAIN,
            "Cut by the snapshot length: {count} of {of} packets in {capture}; what was cut is unknown, never different.",
            (name, Value("count", trace.packets.truncated, "count"), Value("of", trace.packets.decoded, "count")),
            evidence(case.first_frames(trace, cut or trace.connections)),
            WHOLE,
        )
    missing = [c for c in trace.connections if _missing(c)]
    if missing:
        yield Finding(
            "capture-quality.missing",
            TITLE,
            Severity.LOW,
            Confidence.HIGH,
            "{bytes} of {count} connections in {capture} were sent and are not in the capture.",
            (name, Value("bytes", sum(map(_missing, missing)), "bytes"), Value("count", len(missing), "count")),
            evidence(case.first_frames(trace, missing)),
            BUFFER,
        )
    one_way = [c for c in trace.connections if _one_way(c)]
    if one_way and 2 * len(one_way) > len(trace.connections):
        yield Finding(
            "capture-quality.one-direction",
            TITLE,
            Severity.MEDIUM,
            Confidence.HIGH,
            "One direction only: {count} of {of} connections in {capture}; the answers take another way, or were filtered out.",
            (name, Value("count", len(one_way), "count"), Value("of", len(trace.connections), "count")),
            evidence(case.first_frames(trace, one_way)),
            "Capture where both directions cross, without a filter on source or destination.",
        )


def _missing(connection: Connection) -> int:
    front, back = connection.from_client, connection.from_server
    return front.missing - front.truncated + back.missing - back.truncated


def _one_way(connection: Connection) -> bool:
    """One end is silent though the other sent more than an unanswered attempt to connect."""
    front, back = connection.from_client, connection.from_server
    return (not front.packets and bool(back.packets)) or (not back.packets and bool(front.bytes))


def _outside(case: Case) -> Iterator[Finding]:
    for side, traces in (("client", case.clients), ("backend", case.backends)):
        refs: Sequence[Ref] = [
            u.ref for u in case.correlation.unpaired if u.side == side and u.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE
        ]
        if not refs:
            continue
        frames: list[FrameRef] = [case.request_frame(traces[0].side, ref) for ref in refs[:FRAMES_PER_SIDE]]
        yield Finding(
            "capture-quality.window",
            TITLE,
            Severity.INFO,
            Confidence.HIGH,
            "Exchanges of the {side} capture before the first or after the last packet of the other capture: {count}. "
            "Whether that capture was running then is not known.",
            (Value("count", len(refs), "count"), Value("side", side)),
            evidence(frames),
            "Start both captures before the traffic and stop them after it.",
        )
