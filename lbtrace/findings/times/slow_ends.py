"""Slow sender, slow reader.

Meaning:
    Who was slow, where nothing was lost: an end that takes its time to send a request or a
    response, or an end that reads slowly and closes its window, so that the other one must wait. A
    balancer in front of a slow reader needs buffers, and a backend that waits for one keeps a
    connection and a worker busy.
Decided by:
    Slow reader: the time for which an end advertised a window of 0 on a connection, a tenth of a
    second or more in all. Slow sender: requests and responses whose first and last byte lie a
    second or more apart, without a closed window or a lost segment on their connection.
Evidence:
    The first segment with a closed window, or the messages.
Remedy:
    A slow reader: look at what it does with the data, and at the receive buffer
    (`net.ipv4.tcp_rmem`). A slow sender: buffering in the balancer keeps it away from the backend.
Variants:
    reader-client, reader-client-client, reader-client-backend: the end that asks closed its window.
    reader-server, reader-server-client, reader-server-backend: the end that answers closed its
        window.
    sender-request-client, sender-request-backend: a request that took a second or more.
    sender-response-client, sender-response-backend: a response that took a second or more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.arrival import parts, spread_ns
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings.connections.idle_limits import shown_ends
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.WINDOW, FramePart.TIME, FramePart.START_LINE)
ONE_CAPTURE = True
REMEDY = (
    "Look at why the {end} does not read: a slow disk, a slow client behind it, a small receive "
    "buffer."
)
OF_DURATIONS = True
CLOSED_NS = 100_000_000
LONG_NS = 1_000_000_000
ALIKE = 10  # times that differ by one part of so many


def find(comparison: Comparison) -> Iterator[Finding]:
    """Per side slow readers, then slow senders."""
    for side in comparison.captured:
        for server in (False, True):
            yield from _reader(comparison, side, server)
        for response in (False, True) if not comparison.alone else ():  # see slow-requests
            yield from _sender(comparison, side, response)


def _reader(comparison: Comparison, side: Side, server: bool) -> Iterator[Finding]:
    table = comparison.table(side)
    closed = table.of_ends("window_closed_for_ns", server)
    slow = np.flatnonzero(closed >= CLOSED_NS)
    if not len(slow):
        return
    slow = slow[np.argsort(-closed[slow], kind="stable")]
    reader, other = ends(comparison, side)[:: -1 if server else 1]
    waits_for = _waits_for(comparison, side, server, slow)
    yield KIND.finding(
        variant(comparison, "reader-server" if server else "reader-client", side),
        Severity.INFO if waits_for else Severity.LOW,
        Confidence.HIGH,
        told(
            comparison,
            "Slow reader: on {count} connections on the {side} side the {reader} closed its "
            "window, for {longest} at most; so long the {other} could not send.",
        )
        + (
            " It could not pass on what it had: the {waits_for} read as slowly."
            if waits_for
            else ""
        ),
        shown_ends(comparison, side, slow, np.full(len(slow), server), "window_closed"),
        note="the first segment with a window of 0",
        remedy=REMEDY.format(end=reader),
        side=named(comparison, side),
        count=len(slow),
        reader=reader,
        other=other,
        longest=ns(int(closed[slow].max())),
        waits_for=waits_for or None,
    )


def _waits_for(comparison: Comparison, side: Side, server: bool, slow: Column) -> str:
    """Whom a balancer waits for that reads slowly on one side: the end that reads slowly on the
    other side of all these connections; "" where there is none, or packets are passed on.
    """
    balancer = (side is Side.BACKEND) != server
    if comparison.alone or not balancer or comparison.passes_packets:
        return ""
    beyond = Side.CLIENT if side is Side.BACKEND else Side.BACKEND
    spent = comparison.table(beyond).of_ends("window_closed_for_ns", server)
    mine, theirs = _joined(comparison, side)
    waiting = np.isin(slow, mine[spent[theirs] >= CLOSED_NS])
    # who belongs to whom may be a guess; as long a wait on both sides is none
    own = comparison.table(side).of_ends("window_closed_for_ns", server)
    pairs = comparison.all_pairs
    here, there = pairs.client_connection, pairs.backend_connection
    if side is Side.BACKEND:
        here, there = there, here
    alike = np.abs(own[here] - spent[there]) * ALIKE <= own[here]
    waiting |= np.isin(slow, here[alike])
    return ends(comparison, beyond)[server] if waiting.all() else ""


def _joined(comparison: Comparison, side: Side) -> tuple[Column, Column]:
    """The connections of a side that belong to one of the other side, and those."""
    joined = comparison.joined_connections
    if side is Side.BACKEND:
        return joined.backend, joined.client
    return joined.client, joined.backend


def _sender(comparison: Comparison, side: Side, response: bool) -> Iterator[Finding]:
    table = comparison.table(side)
    messages = table.responses if response else table.requests
    rows = np.flatnonzero(messages.there & messages.complete & ~table.interim)
    spread = spread_ns(messages, rows)
    slow = (spread >= LONG_NS) & ~_held_up(table, rows, response)
    rows, spread = rows[slow], spread[slow]
    if not len(rows):
        return
    longest = int(spread.argmax())
    came = int(parts(table, messages, rows[longest : longest + 1])[0])
    frame_of = comparison.response_frame if response else comparison.request_frame
    yield KIND.finding(
        variant(comparison, "sender-response" if response else "sender-request", side),
        Severity.INFO,
        Confidence.HIGH,
        told(
            comparison,
            "The {sender} took {longest} to send a {what} on the {side} side"
            + (" (in {came} parts)" if came > 1 else "")
            + ", the longest of {count} that took a second or more.",
        ),
        (frame_of(side, table.ref(row)) for row in rows[:FRAMES_PER_SIDE].tolist()),
        note="where each of them begins",
        side=named(comparison, side),
        sender=ends(comparison, side)[response],
        what="response" if response else "request",
        longest=ns(int(spread[longest])),
        came=came if came > 1 else None,
        count=len(rows),
    )


def _held_up(table: SideTable, rows: Column, response: bool) -> Column:
    """Per exchange, whether the reader of its request (response) closed its window, or a lost
    segment held the sender's stream up.
    """
    held = table.connection[rows]
    closed = table.of_ends("window_closed_for_ns", not response)[held] >= CLOSED_NS
    late: Column = table.of_ends("delayed_for_ns", response)[held] >= CLOSED_NS
    return closed | late
