"""Segments in the order of the file → in the order in which they crossed the wire.

A file is written in order of time, but for packets that wait a moment in different queues. Two
things make its times go back by more than that:

    put together   parts recorded at the same time stand one behind the other (mergecap -a, cat,
                   files given in the wrong order): the times tell the order
    set back       the clock was set back while capturing, or times are damaged: the file tells it

Which of the two: the sequence numbers of a direction go up, and nothing is acknowledged before it
is sent (RFC 9293 §3.4). The order that breaks this less often is right, in doubt that of the times.
A clock that was set forward puts nothing in another order: `set_forward` finds it.
Invariant: frames keep their numbers and their times; a file whose times never go back by more than
a second stays as it is.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lbtrace.model.trace import SET_BACK, SET_FORWARD, Diagnostic
from lbtrace.tables.columns import highest_so_far
from lbtrace.tables.packets import ACK, FIN, MOST_BACK_NS, SYN, Column, SegmentTable
from lbtrace.tcp.set_forward import set_forward

NOTHING: Final = -(1 << 33)  # below every distance of two sequence numbers


def in_time_order(table: SegmentTable, clock: bool = True) -> SegmentTable:
    """The segments in their order, and what is to be said of it and of their times. `clock`:
    whether they are all that a capture has, so that they show whether its clock was set forward.
    """
    steps = np.diff(table.time_ns)
    back = np.flatnonzero(steps < -MOST_BACK_NS)
    if not len(back):
        told = told_set_forward(table)[1] if clock else ()
        return table.with_columns(diagnostics=(*table.diagnostics, *told)) if told else table
    by_time = np.argsort(table.time_ns, kind="stable")
    together = _parts(table.time_ns) and (
        _faults(table, by_time) <= _faults(table, np.arange(len(table)))
    )
    by = f"{-int(steps[back].min()) / 1e9:.3f} s"
    slug, text = (
        (
            "time-order",
            f"Packets are up to {by} earlier than the packet before them: the file was put "
            "together, and is read in order of time",
        )
        if together
        else (
            SET_BACK,
            f"The clock of the capture goes back by up to {by}: nothing is said of how long "
            "anything took on one side",
        )
    )
    said = Diagnostic(slug, text, len(back), int(table.frame[back[0] + 1]))
    ordered = table.taken(by_time) if together else table
    return ordered.with_columns(diagnostics=(*table.diagnostics, said))


def told_set_forward(
    table: SegmentTable, frames_before: int = 0
) -> tuple[int, tuple[Diagnostic, ...]]:
    """How long the silence was in which the clock was set forward, in ns, and what is to be said of
    it; 0 and nothing where it was not. `frames_before`: those of the capture in front of these.
    """
    step = set_forward(table)
    if step is None:
        return 0, ()
    said = Diagnostic(
        SET_FORWARD,
        f"The clock of the capture was set forward by {step.by_ns / 1e9:.3f} s or more, as the "
        "time stamps of TCP show: nothing is said of how long anything took on one side",
        1,
        frames_before + int(table.frame[step.row]),
    )
    return int(table.time_ns[step.row] - table.time_ns[step.row - 1]), (said,)


def _parts(time_ns: Column) -> bool:
    """Whether times go back for more than one packet at a time: one alone has a damaged time."""
    before, after = np.append(time_ns[1], time_ns[:-1]), np.append(time_ns[1:], time_ns[-2])
    outside = (time_ns < before - MOST_BACK_NS) | (time_ns > after + MOST_BACK_NS)
    alone = outside & (before <= after)
    return bool((np.diff(time_ns[~alone]) < -MOST_BACK_NS).any())


def _faults(table: SegmentTable, order: Column) -> int:
    """How often the numbers of a direction go down in this order, and how often a segment
    acknowledges what the other end sends only later.
    """
    rows = order[np.argsort(table.flow[order], kind="stable")]
    flow, forward = table.flow[rows], table.forward[rows]
    acks = (table.flags[rows] & ACK) != 0
    control = ((table.flags[rows] & SYN) != 0).astype(np.int64) + ((table.flags[rows] & FIN) != 0)
    found = 0
    for way in (False, True):
        mine = forward == way
        # numbers relative to the first of the file, so that they do not wrap
        base = np.zeros(len(table.flow_network), np.uint32)
        first = np.flatnonzero(table.forward == way)[::-1]
        base[table.flow[first]] = table.seq[first]
        seq = _signed(table.seq[rows] - base[flow])
        sent = np.where(mine, seq + table.wire_length[rows] + control, NOTHING)
        sent = highest_so_far(flow, sent)
        found += int((acks & ~mine & (_signed(table.ack[rows] - base[flow]) > sent)).sum())
        found += _descents(flow[mine], seq[mine])
    return found


def _signed(distance: Column) -> Column:
    signed: Column = distance.astype(np.int32).astype(np.int64)
    return signed


def _descents(flow: Column, values: Column) -> int:
    """How often a value is lower than the one before it in its flow."""
    return int(((np.diff(values) < 0) & (np.diff(flow.astype(np.int64)) == 0)).sum())
