"""A trace → parts of it by time, each a trace; each exchange is in the part it is given to.

A connection whose exchanges go to several parts is cut between two of them. In each part it is what
a capture of that time would show: a part without its beginning holds a connection that was already
open, a part without its end one that goes on. What its ends did at a known time (packets sent
again, a closed window) is in the part of that time. What stands for the connection as a whole
(sequence numbers, PROXY headers, bytes, bytes that are missing) is in each part. Frames keep their
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from lbtrace.model.http import Application
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, group_starts, running
from lbtrace.tables.connections import NEVER, NO_FRAME, NONE, ConnectionTable, Ends
from lbtrace.tables.control_frames import ControlFrames, WindowStalls
from lbtrace.tables.exchanges import Exchanges, ExchangeTable
from lbtrace.tables.grpc_calls import GrpcCalls
from lbtrace.tables.sides import side_table
from lbtrace.tables.words import Words

IN_NONE: Final = -1  # the part of an exchange that goes to none
# fields of a Trace that list what belongs to exchanges, and to the ends of connections
OF_EXCHANGES: Final = ("event_streams", "parts")
AT_THE_END: Final = ("web_sockets", "tunnels")
# what an end did, by the column that says when: it is in the part of that time
_EVENTS: Final = {
    "repeat_ns": ("retransmissions", "out_of_order", "repeats", "repeat_frame"),
    "delayed_ns": ("delayed_for_ns", "delayed_frame"),
    "ack_wait_ns": ("ack_waits", "ack_wait_for_ns", "ack_wait_frame"),
    "unacked_ns": (
        "unacked",
        "unacked_frame",
        "unacked_last_ns",
        "unacked_idle_ns",
        "unacked_least",
    ),
    "window_closed_ns": ("zero_windows", "window_closed_frame", "window_closed_for_ns"),
}
# what a connection and its ends have at their beginning, and at their end
_BEGINNING: Final = (
    "syns",
    "syn_retransmissions",
    "synacks",
    "opened",
    "syn_frame",
    "syn_ns",
    "synack_ns",
    "established_ns",
)
_BEGINNING_OF_ENDS: Final = ("deferred_frame", "deferred_ns")
_END_OF_ENDS: Final = (
    "fins",
    "rsts",
    "fin_frame",
    "fin_ns",
    "rst_frame",
    "rst_ns",
    "answers_fin",
    "fin_unseen",
)


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeSpans:
    """Per exchange its connection, and where and when it begins and ends; `asked`: it has a
    request.
    """

    connection: Column
    first_ns: Column
    first_frame: Column
    last_ns: Column
    last_frame: Column
    asked: Column


def exchange_spans(trace: Trace) -> ExchangeSpans:
    """The spans of all exchanges of a trace, by id. One of which nothing but an interim response is
    there spans its connection.
    """
    table = side_table([trace], Words(), texts=False)
    asked, answered = table.requests, table.responses
    held = ConnectionTable.of(trace.connections)
    connection = table.connection

    def either(first: bool, name: str) -> Column:
        one, other = (asked, answered) if first else (answered, asked)
        column = f"{'first' if first else 'last'}_{name}"
        rest = getattr(held, column).astype(np.int64)[connection]
        rest = np.where(other.there, getattr(other, column), rest)
        found: Column = np.where(one.there, getattr(one, column), rest)
        return found

    return ExchangeSpans(
        connection,
        either(True, "ns"),
        either(True, "frame"),
        either(False, "ns"),
        either(False, "frame"),
        asked.there,
    )


class TracePart(NamedTuple):
    """A part of a trace. `exchanges` and `connections` are the ids that its exchanges and
    connections have in the whole trace; `cut` says which of the connections are in several parts.
    """

    trace: Trace
    exchanges: Column
    connections: Column
    cut: Column


def parts(
    trace: Trace, spans: ExchangeSpans, of: Column, bare: Column, count: int
) -> list[TracePart]:
    """A trace → `count` parts. `of`: the part of each exchange; `bare`: the part of each
    connection, which counts where it has no exchange. IN_NONE: it is in no part.
    """
    pieces = _pieces(trace, spans, of, bare)
    return [_part(trace, of, pieces, number) for number in range(count)]


@dataclass(frozen=True, slots=True, eq=False)
class _ConnectionPieces:
    """The pieces of connections, by connection, then by part. `first` says where those of each
    connection begin.
    """

    connection: Column
    part: Column
    first_ns: Column
    first_frame: Column
    last_ns: Column
    last_frame: Column
    first: Column

    @property
    def begins(self) -> Column:
        """Whether the connection begins in the piece."""
        found = np.zeros(len(self.connection), bool)
        found[self.first[:-1][np.diff(self.first) > 0]] = True
        return found

    @property
    def ends(self) -> Column:
        """Whether the connection ends in the piece."""
        found = np.zeros(len(self.connection), bool)
        found[self.first[1:][np.diff(self.first) > 0] - 1] = True
        return found

    def at(self, connection: Column, time_ns: Column) -> Column:
        """The part of what was on a connection at some time: the last one that begins until then,
        else the first one; IN_NONE without pieces.
        """
        first, count = self.first[connection], np.diff(self.first)[connection]
        held = first.copy()
        for k in range(1, int(count.max(initial=0))):
            more = np.flatnonzero(count > k)
            later = self.first_ns[first[more] + k] <= time_ns[more]
            held[more[later]] = first[more[later]] + k
        return np.where(count > 0, np.append(self.part, IN_NONE)[held], IN_NONE)


def _pieces(trace: Trace, spans: ExchangeSpans, of: Column, bare: Column) -> _ConnectionPieces:
    table = ConnectionTable.of(trace.connections)
    there = of != IN_NONE
    alone = np.bincount(spans.connection, minlength=len(table)) == 0
    alone = np.flatnonzero(alone & (bare != IN_NONE))
    connection = np.concatenate((spans.connection[there], alone))
    part = np.concatenate((of[there], bare[alone]))
    order = np.lexsort((part, connection))
    connection, part = connection[order], part[order]
    starts = group_starts(connection * (int(part.max(initial=0)) + 1) + part)

    def least(name: str, reduce: np.ufunc) -> Column:
        values = np.concatenate((getattr(spans, name)[there], getattr(table, name)[alone]))
        found: Column = reduce.reduceat(values[order], starts) if len(starts) else values[:0]
        return found

    connection, part = connection[starts], part[starts]
    return _ConnectionPieces(
        connection,
        part,
        least("first_ns", np.minimum),
        least("first_frame", np.minimum),
        least("last_ns", np.maximum),
        least("last_frame", np.maximum),
        running(np.bincount(connection, minlength=len(table))),
    )


def _part(trace: Trace, of: Column, pieces: _ConnectionPieces, number: int) -> TracePart:
    rows = np.flatnonzero(pieces.part == number)
    kept = pieces.connection[rows]
    exchanges = np.flatnonzero(of == number)
    whole = pieces.begins[rows] & pieces.ends[rows]
    new_connection = _numbered(kept, len(trace.connections))
    new_exchange = _numbered(exchanges, len(trace.exchanges))
    control = ControlFrames.of(trace.control)
    stalls = WindowStalls.of(trace.stalls)
    calls = GrpcCalls.of(trace.calls)
    lists: dict[str, Any] = {
        **{
            name: [
                each._replace(connection=int(new_connection[each.connection]))
                for each in getattr(trace, name)
                if new_connection[each.connection] >= 0
                and pieces.ends[rows[new_connection[each.connection]]]
            ]
            for name in AT_THE_END
        },
        **{
            name: [
                each._replace(exchange=int(new_exchange[each.exchange]))
                for each in getattr(trace, name)
                if of[each.exchange] == number
            ]
            for name in OF_EXCHANGES
        },
    }
    part = replace(
        trace,
        connections=_connections(trace, pieces, rows, number),
        applications=[
            _of_piece(trace.applications[c], last)
            for c, last in zip(kept.tolist(), pieces.ends[rows].tolist(), strict=True)
        ],
        exchanges=_exchanges(trace, exchanges, new_exchange, new_connection),
        control=moved_connections(
            control.where(pieces.at(control.connection, control.time_ns) == number), new_connection
        ),
        stalls=moved_connections(
            stalls.where(pieces.at(stalls.connection, stalls.begin_ns) == number), new_connection
        ),
        calls=_of_exchanges(calls, of[calls.exchange] == number, new_exchange),
        **lists,
    )
    return TracePart(part, exchanges, kept, ~whole)


def _numbered(kept: Column, count: int) -> Column:
    """Old number → new number; −1 for those that are not kept."""
    out = np.full(count, -1, np.int64)
    out[kept] = np.arange(len(kept))
    return out


def moved_connections(table: Any, new_connection: Column) -> Any:
    """Rows of connections, with the new numbers of these."""
    return table.with_columns(connection=new_connection[table.connection].astype(np.int32))


def _of_exchanges(calls: GrpcCalls, wanted: Column, new_exchange: Column) -> GrpcCalls:
    kept = calls.where(wanted)
    return kept.with_columns(exchange=new_exchange[kept.exchange])


def _of_piece(application: Application, last: bool) -> Application:
    """What a piece of a connection carried: alerts end connections, so they are in its last one."""
    return application if last or not application.alerts else application._replace(alerts=())


def _connections(
    trace: Trace, pieces: _ConnectionPieces, rows: Column, number: int
) -> ConnectionTable:
    """The connections of these pieces, as a capture of their time shows them."""
    table = ConnectionTable.of(trace.connections).taken(pieces.connection[rows])
    table = _only_syns(table)
    begins, ends = pieces.begins[rows], pieces.ends[rows]
    if begins.all() and ends.all():
        return table
    changed: dict[str, Column] = {
        name: np.where(begins, getattr(table, name), _nothing(name)).astype(
            getattr(table, name).dtype
        )
        for name in _BEGINNING
    }
    for place, whole in (("first", begins), ("last", ends)):
        for unit in ("ns", "frame"):
            name = f"{place}_{unit}"
            own = getattr(table, name)
            changed[name] = np.where(whole, own, getattr(pieces, name)[rows]).astype(own.dtype)
    return table.with_columns(**changed, ends=_ends(table, pieces, rows, number))


def _ends(table: ConnectionTable, pieces: _ConnectionPieces, rows: Column, number: int) -> Ends:
    ends = table.ends
    begins, last = (np.repeat(which[rows], 2) for which in (pieces.begins, pieces.ends))
    whole = begins & last
    connection = np.repeat(pieces.connection[rows], 2)
    here: dict[str, Column] = dict.fromkeys(_BEGINNING_OF_ENDS, begins)
    here |= dict.fromkeys(_END_OF_ENDS, last)
    for time, names in _EVENTS.items():
        at = pieces.at(connection, getattr(ends, time)) == number
        here |= dict.fromkeys((time, *names), whole | at)
    changed = {
        name: np.where(which, getattr(ends, name), _nothing(name)).astype(getattr(ends, name).dtype)
        for name, which in here.items()
    }
    first_ns, last_ns = (np.repeat(c[rows], 2) for c in (pieces.first_ns, pieces.last_ns))
    for name in ("last_payload_ns", "last_packet_ns"):
        own = getattr(ends, name)
        changed[name] = np.where(last | (own == NEVER), own, np.minimum(own, last_ns))
    own = ends.first_payload_ns
    early = ~begins & (own != NEVER) & (own < first_ns)
    changed["first_payload_ns"] = np.where(early, first_ns, own)
    changed["first_payload_frame"] = np.where(
        early, np.repeat(pieces.first_frame[rows], 2), ends.first_payload_frame
    ).astype(np.uint32)
    return ends.with_columns(**changed)


def _nothing(name: str) -> int:
    """What a column says of what is not there."""
    if name.endswith(("_for_ns", "_idle_ns")):
        return 0
    return NO_FRAME if name.endswith("_frame") else NEVER if name.endswith("_ns") else 0


def _only_syns(table: ConnectionTable) -> ConnectionTable:
    """The same, with the SYNs that its ends refer to and no others."""
    rows = table.ends.syn_row
    seen = np.flatnonzero(rows != NONE)
    used, place = np.unique(rows[seen], return_inverse=True)
    moved = np.full(len(rows), NONE, np.int32)
    moved[seen] = place
    return table.with_columns(
        ends=table.ends.with_columns(syn_row=moved), syn_options=table.syn_options.taken(used)
    )


def as_exchanges(trace: Trace) -> Exchanges:
    """The exchanges of a trace, in rows where they are, else as objects."""
    held = trace.exchanges
    return held if isinstance(held, Exchanges) else Exchanges(ExchangeTable.empty(), list(held))


def _exchanges(
    trace: Trace, kept: Column, new_exchange: Column, new_connection: Column
) -> Exchanges:
    held = as_exchanges(trace)
    rows = held.table.where(new_exchange[held.table.id] >= 0)
    heads, asked, answered = rows.heads.only(rows.request, rows.response)
    table = rows.with_columns(
        id=new_exchange[rows.id],
        connection=new_connection[rows.connection].astype(np.int32),
        request=asked,
        response=answered,
        heads=heads,
    )
    objects = [
        e._replace(id=int(new_exchange[e.id]), connection=int(new_connection[e.connection]))
        for e in held.objects
        if new_exchange[e.id] >= 0
    ]
    return Exchanges(table, objects)
