"""Waiting for HTTP/2 flow control.

Meaning:
    A sender had used up its flow-control window: it had sent as many bytes as the receiver allowed,
    and had to wait until the receiver gave more by WINDOW_UPDATE. The receiver reads slowly, or its
    window is too small for the path: with a window of 64 KiB and a round trip of 100 ms no stream
    is faster than 650 kB/s.
Decided by:
    The DATA frames of one end and the SETTINGS and WINDOW_UPDATE frames of the other, added up (RFC
    9113 §5.2), on connections that were captured whole from their preface. A wait is counted if the
    window was used up to the last byte, and the sender went on within a tenth of a second after it
    got more. The times are those at the capture: next to the sender they hold the round trip, next
    to the receiver they do not.
Evidence:
    The frames that used up the window and those that gave more, the longest waits first.
Remedy:
    If the receiver is slow, look at what it does with the data. Else give it a larger window
    (Envoy: `initial_stream_window_size`, `initial_connection_window_size`; HAProxy:
    `tune.h2.be.initial-window-size`, `tune.h2.fe.initial-window-size`; nginx:
    `http2_body_preread_size` for uploads).
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, distinct, union
from lbtrace.tables.control_frames import ControlFrames, WindowStalls

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True
OF_DURATIONS = True
WORTH_NS = 100_000_000  # shorter waits in all are what flow control is for
NOTICED_NS = 1_000_000_000
REMEDY = (
    "If the receiver is slow, look at what it does with the data. Else give it a larger window "
    "(Envoy: initial_stream_window_size; HAProxy: tune.h2.be.initial-window-size and "
    "tune.h2.fe.initial-window-size; nginx: http2_body_preread_size for uploads)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side and sender."""
    for side in comparison.captured:
        traces = comparison.traces(side)
        held = [WindowStalls.of(trace.stalls) for trace in traces]
        for from_client in (True, False):
            those = [stalls.where(stalls.from_client == from_client) for stalls in held]
            waits = [_spent_ns(stalls) for stalls in those]
            if sum(waits) >= WORTH_NS:
                yield _told(comparison, side, from_client, those, sum(waits))


def _spent_ns(stalls: WindowStalls) -> int:
    """For how long connections waited: streams of one that wait at the same time wait once."""
    spent = 0
    for number in distinct(stalls.connection).tolist():
        own = stalls.connection == number
        begin, end = union(stalls.begin_ns[own], stalls.end_ns[own])
        spent += int((end - begin).sum())
    return spent


def _told(
    comparison: Comparison, side: Side, from_client: bool, those: list[WindowStalls], spent: int
) -> Finding:
    client, server = ends(comparison, side)
    longest = max(int(stalls.for_ns.max(initial=0)) for stalls in those)
    of_connection = sum(int((stalls.stream == 0).sum()) for stalls in those)
    times = sum(map(len, those))
    return KIND.finding(
        variant(comparison, "", side),
        Severity.LOW if max(longest, spent) >= NOTICED_NS else Severity.INFO,
        Confidence.HIGH,
        told(
            comparison,
            "The {sender} waited {times} times for flow-control window on the {side} side, on "
            "{count} of {of} HTTP/2 connections: {spent} in all, up to {longest} at a time. "
            "It had sent all that the {receiver} allowed",
        )
        + (" on the whole connection." if of_connection == times else ".")
        + (
            " {of_connection} of these times it was the window of the whole connection."
            if 0 < of_connection < times
            else ""
        ),
        _frames(comparison, side, those),
        note="what used up the window, and what gave more",
        remedy=REMEDY,
        sender=client if from_client else server,
        receiver=server if from_client else client,
        times=times,
        count=sum(len(distinct(stalls.connection)) for stalls in those),
        of=sum(len(distinct(_steered(trace))) for trace in comparison.traces(side)),
        side=named(comparison, side),
        spent=ns(spent),
        longest=ns(longest),
        of_connection=of_connection if 0 < of_connection < times else None,
    )


def _steered(trace: Trace) -> Column:
    """The connections that have control frames."""
    return ControlFrames.of(trace.control).connection


def _frames(comparison: Comparison, side: Side, those: list[WindowStalls]) -> Iterator[FrameRef]:
    """The longest waits of the first capture that has any."""
    for trace, stalls in zip(comparison.traces(side), those, strict=True):
        order = np.argsort(-stalls.for_ns, kind="stable")[: FRAMES_PER_SIDE // 2]
        for stall in stalls.make(order):
            yield trace.ref(stall.frame, stall.begin_ns)
            yield trace.ref(stall.end_frame, stall.end_ns)
        if len(order):
            return
