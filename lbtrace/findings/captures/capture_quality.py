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
    empty: a file without a packet beside the only one of a backend that has some.
    window: exchanges at a time when the other capture shows nothing.
    tail-client, tail-backend: what the other capture shows last is not in that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, first_frames
from lbtrace.comparison.claims import size
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._side import capture_name
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR, REQUEST_TIMEOUT, Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, UnpairedDetail, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import LATER, ConnectionTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SEQUENCE,)
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
                yield from _of_trace(comparison, trace, connections)
                yield from _empty_files(comparison, side, trace)
    yield from _outside(comparison)


def _empty_files(comparison: Comparison, side: Side, trace: Trace) -> Iterator[Finding]:
    """Files without a packet that were given with the only file of a backend that has some: they
    may be the captures of other backends. Of several files one may be empty, as in a rotation.
    """
    empty = [PurePath(file.path).name for file in trace.files if not file.frames]
    if comparison.alone or side is Side.CLIENT or len(trace.files) - len(empty) != 1 or not empty:
        return
    yield KIND.finding(
        "empty",
        Severity.LOW,
        Confidence.CERTAIN,
        "Without any packet: {files}. Nothing reached the machine it was taken on, or the capture "
        "did not run.",
        first_frames(trace, np.arange(1)),
        files=few(empty),
        remedy="If it is of another backend, give it as an argument of its own: lbtrace compare "
        "client.pcap backend1.pcap backend2.pcap.",
    )


def _of_trace(
    comparison: Comparison, trace: Trace, connections: ConnectionTable
) -> Iterator[Finding]:
    dropped, capture = trace.dropped, capture_name(comparison, trace)
    ends = connections.ends
    if dropped:
        yield KIND.finding(
            "dropped",
            Severity.MEDIUM,
            Confidence.CERTAIN,
            "Dropped while capturing, as {capture} itself reports: {count} packets. Some of what "
            "is "
            "missing was on the wire.",
            first_frames(trace, np.arange(1)),
            capture=capture,
            count=dropped,
            remedy=BUFFER,
        )
    if trace.packets.truncated:
        cut = np.flatnonzero((ends.truncated[0::2] > 0) | (ends.truncated[1::2] > 0))
        yield KIND.finding(
            "truncated",
            Severity.LOW,
            Confidence.CERTAIN,
            "Cut by the snapshot length: {count} of {of} packets in {capture}; what was cut off "
            "counts as unknown.",
            first_frames(trace, cut if len(cut) else np.arange(len(connections))),
            capture=capture,
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
            "Missing from {capture}: {bytes} of {count} connections, which the other end "
            "acknowledged.",
            first_frames(trace, missing),
            capture=capture,
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
            "One direction only: {count} of {of} connections in {capture}; the other direction "
            "took another way, or was filtered out.",
            first_frames(trace, one_way),
            capture=capture,
            count=len(one_way),
            of=len(connections),
            remedy=(
                "Capture where both directions cross, without a filter on source or destination."
            ),
        )


def _outside(comparison: Comparison) -> Iterator[Finding]:
    """Per side what the other capture does not hold: what came after its end, then the rest."""
    outside = [
        u
        for u in comparison.correlation.unpaired
        if u.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE
        or u.detail is UnpairedDetail.CAPTURE_EDGE
    ]
    for side in comparison.captured:
        other = Side.BACKEND if side is Side.CLIENT else Side.CLIENT
        mine = [u for u in outside if u.side == side]
        rows = comparison.numbers(side, [u.ref for u in mine])
        after = _after_all_pairs(comparison, side, rows)
        # what was not sent to its end, or not answered, need not have been passed on
        table = comparison.table(side)
        after &= (
            table.responses.there[rows] & (table.requests.complete | ~table.requests.there)[rows]
        )
        after &= ~np.isin(table.responses.start[rows], _never_passed_on(comparison, side))
        after &= ~_unasked(table)[rows]
        after &= not _more_behind(comparison, other)
        yield from _tail(comparison, side, rows[after])
        elsewhere = np.array([u.reason is UnpairedReason.OUTSIDE_OTHER_CAPTURE for u in mine], bool)
        if (elsewhere & ~after).any():
            yield _window(comparison, side, rows[elsewhere & ~after])


def _unasked(table: SideTable) -> Column:
    """Which responses say 408 to no request: so a server ends an idle connection, and nobody passes
    that on.
    """
    unasked: Column = ~table.requests.there & (table.responses.start == REQUEST_TIMEOUT)
    return unasked


def _never_passed_on(comparison: Comparison, side: Side) -> Column:
    """The statuses of the errors that clients got without a partner while the backend capture ran:
    a later one of these need not have been passed on, either.
    """
    table = comparison.table(side)
    own = [
        u.ref
        for u in comparison.correlation.unpaired
        if u.side == side == Side.CLIENT
        and u.reason is not UnpairedReason.OUTSIDE_OTHER_CAPTURE
        and u.detail is not UnpairedDetail.CAPTURE_EDGE
    ]
    statuses = table.responses.start[comparison.numbers(side, own)]
    return distinct(statuses[statuses >= MIN_ERROR])


def _more_behind(comparison: Comparison, side: Side) -> bool:
    """Whether a side has exchanges after its last pair that nothing explains: they may be those
    that seem to be missing there.
    """
    rows = comparison.numbers(
        side,
        [
            u.ref
            for u in comparison.correlation.unpaired
            if u.side == side
            and u.reason in (UnpairedReason.UNKNOWN, UnpairedReason.OUTSIDE_OTHER_CAPTURE)
        ],
    )
    return bool(_after_all_pairs(comparison, side, rows).any())


def _after_all_pairs(comparison: Comparison, side: Side, rows: Column) -> Column:
    """Which exchanges begin after every one of their side that has a partner."""
    table, pairs = comparison.table(side), comparison.pairs
    if not len(pairs):
        return np.zeros(len(rows), bool)
    begins = np.minimum(
        np.where(table.requests.there, table.requests.first_ns, LATER),
        np.where(table.responses.there, table.responses.first_ns, LATER),
    )
    paired = pairs.client if side is Side.CLIENT else pairs.backend
    later: Column = begins[rows] > begins[paired].max()
    return later


def _tail(comparison: Comparison, side: Side, after: Column) -> Iterator[Finding]:
    """A side shows what its partner should show too: the rest of exchanges that are cut off there
    by the end of the capture, and exchanges after it.
    """
    other = Side.BACKEND if side is Side.CLIENT else Side.CLIENT
    pairs, there = comparison.pairs, comparison.table(other)
    mine, theirs = (
        (pairs.client, pairs.backend) if side is Side.CLIENT else (pairs.backend, pairs.client)
    )
    ended = (there.marks | there.requests.marks) & MARKS[Mark.CAPTURE_ENDED] > 0
    cut = pairs.where(
        comparison.table(side).responses.there[mine]
        & ~there.responses.there[theirs]
        & ended[theirs]
        # the capture ran on; the balancer waited no longer, so that no answer came
        & ~pairs.ended(AttemptOutcome.NOT_ARRIVED, AttemptOutcome.TIMEOUT)
    )
    if not len(cut) and not len(after):
        return
    shown = comparison.response_frames(cut) or [
        comparison.request_frame(side, comparison.table(side).ref(row))
        for row in after[:FRAMES_PER_SIDE].tolist()
    ]
    yield KIND.finding(
        f"tail-{other}",
        Severity.LOW,
        Confidence.MEDIUM,
        "The {side} capture does not hold "
        + (
            "the responses to {cut} requests and {after} later exchanges"
            if len(cut) and len(after)
            else "the responses to {cut} requests"
            if len(cut)
            else "{after} later exchanges"
        )
        + ", which the {other} capture holds. Either they never came there, or the capture was "
        "stopped too early: tcpdump may keep its last packets back, and does not report them as "
        "dropped.",
        shown,
        side=other.value,
        other=side.value,
        cut=len(cut) or None,
        after=len(after) or None,
        remedy="Record with tcpdump --immediate-mode -U, and stop it some seconds after the last "
        "packet.",
    )


def _window(comparison: Comparison, side: Side, rows: Column) -> Finding:
    return KIND.finding(
        "window",
        Severity.INFO,
        Confidence.HIGH,
        "Exchanges of the {side} capture before the first or after the last packet of the other "
        "capture: {count}. Whether that capture was running then is not known.",
        (
            comparison.request_frame(side, comparison.table(side).ref(row))
            for row in rows[:FRAMES_PER_SIDE].tolist()
        ),
        count=len(rows),
        side=side.value,
        remedy="Start both captures before the traffic and stop them after it.",
    )
