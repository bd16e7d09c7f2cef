"""A trace → parts of it, each a trace; traces of one capture point → one trace.

    Trace ─▶ parts ─▶ Trace, Trace, …      by time: each exchange is in the part it is given to
    Trace, Trace, … ─▶ joined ─▶ Trace      the connections of one capture point, read apart

A connection whose exchanges go to several parts is cut between two of them. In each part it is what
a capture of that time would show: a part without its beginning holds a connection that was already
open, a part without its end one that goes on. What its ends did at a known time (packets sent
again, a closed window) is in the part of that time. What stands for the connection as a whole
(sequence numbers, PROXY headers, bytes, bytes that are missing) is in each part.

Invariant: `joined` of the traces of disjoint sets of connections is the trace of all of them, and
frames keep their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from lbtrace.model.http import Application, Exchange
from lbtrace.model.trace import Diagnostic, PacketCounts, Trace
from lbtrace.tables.columns import Column, group_starts, running
from lbtrace.tables.connections import NEVER, NO_FRAME, NONE, ConnectionTable, Ends, SynOptions
from lbtrace.tables.control_frames import ControlFrames, WindowStalls
from lbtrace.tables.exchanges import Exchanges, ExchangeTable
from lbtrace.tables.grpc_calls import GrpcCalls
from lbtrace.tables.merging import with_heads_of_all
from lbtrace.tables.sides import side_table
from lbtrace.tables.words import Words, numbering, numbers

_T = TypeVar("_T")
IN_NONE: Final = -1  # the part of an exchange that goes to none
# fields of a Trace that list what belongs to exchanges, and to the ends of connections
_OF_EXCHANGES: Final = ("event_streams", "parts")
_AT_THE_END: Final = ("web_sockets", "tunnels")
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
_END_OF_ENDS: Final = ("fins", "rsts", "fin_frame", "fin_ns", "rst_frame", "rst_ns")


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
            for name in _AT_THE_END
        },
        **{
            name: [
                each._replace(exchange=int(new_exchange[each.exchange]))
                for each in getattr(trace, name)
                if of[each.exchange] == number
            ]
            for name in _OF_EXCHANGES
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
        control=_moved(
            control.where(pieces.at(control.connection, control.time_ns) == number), new_connection
        ),
        stalls=_moved(
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


def _moved(table: Any, new_connection: Column) -> Any:
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


def _as_exchanges(trace: Trace) -> Exchanges:
    held = trace.exchanges
    return held if isinstance(held, Exchanges) else Exchanges(ExchangeTable.empty(), list(held))


def _exchanges(
    trace: Trace, kept: Column, new_exchange: Column, new_connection: Column
) -> Exchanges:
    held = _as_exchanges(trace)
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


class Joined(NamedTuple):
    """Several traces as one. `part` and `id` say of each of its exchanges which trace it is from,
    and its id there; `connection_part` and `connection_id` the same of its connections.
    """

    trace: Trace
    part: Column
    id: Column
    connection_part: Column
    connection_id: Column


def joined(traces: Sequence[Trace]) -> Joined:
    """Traces of one capture point, of disjoint sets of its connections → one trace. Side, point,
    files and window are those of the first.
    """
    connections, order = _joined_connections([ConnectionTable.of(t.connections) for t in traces])
    sizes = [len(t.connections) for t in traces]
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    moved = np.split(number, np.cumsum(sizes)[:-1])
    exchanges, exchange_order = _joined_exchanges([_as_exchanges(t) for t in traces], moved)
    counts = [len(t.exchanges) for t in traces]
    new = np.empty(len(exchange_order), np.int64)
    new[exchange_order] = np.arange(len(exchange_order))
    ids = np.split(new, np.cumsum(counts)[:-1])
    applications = [a for t in traces for a in t.applications]
    lists: dict[str, Any] = {
        **{
            name: sorted(
                (
                    each._replace(connection=int(own[each.connection]))
                    for t, own in zip(traces, moved, strict=True)
                    for each in getattr(t, name)
                ),
                key=attrgetter("connection"),
            )
            for name in _AT_THE_END
        },
        **{
            name: sorted(
                (
                    each._replace(exchange=int(own[each.exchange]))
                    for t, own in zip(traces, ids, strict=True)
                    for each in getattr(t, name)
                ),
                key=attrgetter("exchange"),
            )
            for name in _OF_EXCHANGES
        },
    }
    trace = replace(
        traces[0],
        connections=connections,
        applications=[applications[i] for i in order.tolist()],
        exchanges=exchanges,
        packets=_joined_counts([t.packets for t in traces]),
        diagnostics=joined_diagnostics(d for t in traces for d in t.diagnostics),
        pauses=_joined_pauses([t.pauses for t in traces]),
        reasons={key: text for t in traces for key, text in t.reasons.items()},
        control=_by_connection([ControlFrames.of(t.control) for t in traces], moved, "texts"),
        stalls=_by_connection([WindowStalls.of(t.stalls) for t in traces], moved, ""),
        icmp=tuple(sorted((e for t in traces for e in t.icmp), key=lambda e: e.frame)),
        calls=_joined_calls([GrpcCalls.of(t.calls) for t in traces], ids),
        **lists,
    )
    return Joined(
        trace,
        np.repeat(np.arange(len(traces)), counts)[exchange_order],
        _within(counts)[exchange_order],
        np.repeat(np.arange(len(traces)), sizes)[order],
        _within(sizes)[order],
    )


def _begins(sizes: Sequence[int]) -> list[int]:
    """Where each begins, one after the other."""
    begins: list[int] = running(np.array(sizes, np.int64))[:-1].tolist()
    return begins


def _within(sizes: Sequence[int]) -> Column:
    return np.concatenate([np.zeros(0, np.int64), *map(np.arange, sizes)])


def _renumbered(texts: Sequence[Sequence[_T]]) -> tuple[list[_T], list[Column]]:
    """Lists of what may be equal → one list, and per list the new numbers of its items."""
    known = numbering()
    found = [numbers(known, held, len(held)) for held in texts]
    return list(known), found


def _joined_connections(tables: Sequence[ConnectionTable]) -> tuple[ConnectionTable, Column]:
    """The connections in order of their first frames, and which those are, one table after the
    other.
    """
    addresses, by_address = _renumbered([t.addresses for t in tables])
    networks, by_network = _renumbered([t.networks for t in tables])
    layouts, by_layout = _renumbered([t.syn_options.layouts for t in tables])
    options = [
        t.syn_options.with_columns(
            options=own[t.syn_options.options].astype(np.uint32), layouts=layouts
        )
        for t, own in zip(tables, by_layout, strict=True)
    ]
    syns = SynOptions.joined(options)
    made = []
    begins = _begins([len(o) for o in options])
    for t, address, network, begin in zip(tables, by_address, by_network, begins, strict=True):
        row = t.ends.syn_row
        made.append(
            t.with_columns(
                client=address[t.client].astype(np.uint32),
                server=address[t.server].astype(np.uint32),
                network=network[t.network].astype(np.uint16),
                ends=t.ends.with_columns(
                    syn_row=np.where(row == NONE, NONE, row + begin).astype(np.int32)
                ),
                syn_options=syns,
                addresses=addresses,
                networks=networks,
            )
        )
    table = ConnectionTable.joined(made)
    order = np.argsort(table.first_frame, kind="stable")
    return table.taken(order), order


def _joined_exchanges(
    held: Sequence[Exchanges], connection: Sequence[Column]
) -> tuple[Exchanges, Column]:
    """All exchanges by their first frames, and which those are, one list after the other."""
    tables: list[ExchangeTable] = []
    objects: list[Exchange] = []
    begins = _begins([len(h) for h in held])
    every = with_heads_of_all([h.table for h in held], _renumbered)
    for h, t, own, begin in zip(held, every, connection, begins, strict=True):
        tables.append(
            t.with_columns(id=t.id + begin, connection=own[t.connection].astype(np.int32))
        )
        objects += (
            e._replace(id=e.id + begin, connection=int(own[e.connection])) for e in h.objects
        )
    table = ExchangeTable.joined(tables)
    count = len(table) + len(objects)
    keys = np.zeros((3, count), np.int64)  # ordinal, connection, first frame; by id
    for row, values in enumerate((table.ordinal, table.connection, table.request.first_frame)):
        keys[row, table.id] = values
    for e in objects:
        keys[:, e.id] = e.ordinal, e.connection, e.first_frame
    order = np.lexsort(keys)
    new = np.empty(count, np.int64)
    new[order] = np.arange(count)
    by_id = table.with_columns(id=new[table.id])
    by_id = by_id.taken(np.argsort(by_id.id, kind="stable"))
    moved = sorted((e._replace(id=int(new[e.id])) for e in objects), key=lambda e: e.id)
    return Exchanges(by_id, moved), order


def _by_connection(tables: Sequence[Any], moved: Sequence[Column], texts: str) -> Any:
    """Rows of connections with the new numbers of these, by connection."""
    made = [_moved(t, own) for t, own in zip(tables, moved, strict=True)]
    if texts:
        every, by_text = _renumbered([getattr(t, texts) for t in tables])
        made = [
            t.with_columns(text=own[t.text].astype(np.int32), texts=every)
            for t, own in zip(made, by_text, strict=True)
        ]
    table = type(made[0]).joined(made)
    return table.taken(np.argsort(table.connection, kind="stable"))


def _joined_calls(tables: Sequence[GrpcCalls], ids: Sequence[Column]) -> GrpcCalls:
    texts, by_text = _renumbered([t.messages for t in tables])
    made = [
        t.with_columns(
            exchange=own[t.exchange], message=text[t.message].astype(np.int32), messages=texts
        )
        for t, own, text in zip(tables, ids, by_text, strict=True)
    ]
    table = GrpcCalls.joined(made)
    return table.taken(np.argsort(table.exchange, kind="stable"))


def _joined_counts(counts: Sequence[PacketCounts]) -> PacketCounts:
    """Packets, read apart, counted together."""

    def together(held: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
        found: dict[str, int] = {}
        for name, number in held:
            found[name] = found.get(name, 0) + number
        return tuple(sorted(found.items(), key=lambda each: -each[1]))

    return PacketCounts(
        read=sum(c.read for c in counts),
        decoded=sum(c.decoded for c in counts),
        skipped=together(each for c in counts for each in c.skipped),
        truncated=sum(c.truncated for c in counts),
        duplicates=sum(c.duplicates for c in counts),
        peeled=together(each for c in counts for each in c.peeled),
    )


def joined_diagnostics(said: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """What was said several times, once, with the sum of its counts and the first of its frames."""
    found: dict[tuple[str, str], Diagnostic] = {}
    for each in said:
        before = found.get((each.slug, each.text))
        if before is not None:
            frames = [(d.frame, d.time_ns) for d in (before, each) if d.frame is not None]
            frame, time_ns = min(frames, default=(None, 0))
            count = before.count + each.count
            each = replace(each, count=count, frame=frame, time_ns=time_ns)
        found[each.slug, each.text] = each
    return tuple(found.values())


def _joined_pauses(pauses: Sequence[Sequence[int]]) -> Sequence[int]:
    """Each frame is of one stream: the others say 0 of it."""
    out = np.zeros(max(map(len, pauses)), np.uint32)
    for each in pauses:
        out[: len(each)] |= np.asarray(each, np.uint32)
    return out.data
