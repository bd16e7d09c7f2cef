"""Traces of one capture point, of connections that were read apart → one trace.

Invariant: `joined` of the traces of disjoint sets of connections is the trace of all of them, and
frames keep their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lbtrace.model.http import Exchange
from lbtrace.model.trace import Diagnostic, PacketCounts, Trace
from lbtrace.tables.columns import Column, running
from lbtrace.tables.connections import NONE, ConnectionTable, SynOptions
from lbtrace.tables.control_frames import ControlFrames, WindowStalls
from lbtrace.tables.exchanges import Exchanges, ExchangeTable
from lbtrace.tables.grpc_calls import GrpcCalls
from lbtrace.tables.merging import with_heads_of_all
from lbtrace.tables.trace_parts import AT_THE_END, OF_EXCHANGES, as_exchanges, moved_connections
from lbtrace.tables.words import numbering, numbers

_T = TypeVar("_T")


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
    exchanges, exchange_order = _joined_exchanges([as_exchanges(t) for t in traces], moved)
    counts = [len(t.exchanges) for t in traces]
    new = np.empty(len(exchange_order), np.int64)
    new[exchange_order] = np.arange(len(exchange_order))
    ids = np.split(new, np.cumsum(counts)[:-1])
    applications = [a for t in traces for a in t.applications]
    lists: dict[str, Any] = {
        name: sorted(
            (
                each._replace(**{of: int(own[getattr(each, of)])})
                for t, own in zip(traces, numbers, strict=True)
                for each in getattr(t, name)
            ),
            key=attrgetter(of),
        )
        for of, names, numbers in (
            ("connection", AT_THE_END, moved),
            ("exchange", OF_EXCHANGES, ids),
        )
        for name in names
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
    made = [moved_connections(t, own) for t, own in zip(tables, moved, strict=True)]
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
