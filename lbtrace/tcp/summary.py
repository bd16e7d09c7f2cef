"""Handshakes, streams and segments → ConnectionTable: what each connection did, and what each of
its ends sent, counted.

Each column is one count, or one row looked up; nothing here is done for a single connection.
Invariant: row c is connection c, rows 2c and 2c + 1 of the ends are its client and its server.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace import compiled
from lbtrace.tables.connections import NEVER, NONE, ConnectionTable, Ends
from lbtrace.tables.packets import ACK, FIN, RST, SYN, Column, SegmentTable, StreamTable
from lbtrace.tcp.ack_waits import AckWaits
from lbtrace.tcp.closing import earliest_times
from lbtrace.tcp.columns import counted, first_of, last_of, taken
from lbtrace.tcp.fingerprint import syn_options
from lbtrace.tcp.handshake import Handshake
from lbtrace.tcp.incarnations import Incarnations
from lbtrace.tcp.loss import Losses
from lbtrace.tcp.reassemble import Assembly
from lbtrace.tcp.roles import Roles
from lbtrace.tcp.unacknowledged import Unacknowledged


def summary(
    table: SegmentTable,
    incarnations: Incarnations,
    stream: Column,
    roles: Roles,
    handshake: Handshake,
    assembly: Assembly,
    streams: StreamTable,
    losses: Losses,
    unacked: Unacknowledged,
    waits: AckWaits,
) -> ConnectionTable:
    """All connections. `stream` is per row."""
    count, flow = incarnations.count, incarnations.flow
    flows, client_is_low = table.flows, roles.client_forward
    seen = _seen(table, stream, 2 * count)
    first, last = _of_both(seen.first, np.minimum), _of_both(seen.last, np.maximum)
    syn, synack, established = handshake.syn, handshake.synack, handshake.established
    return ConnectionTable(
        client=np.where(client_is_low, flows.low[flow], flows.high[flow]),
        client_port=np.where(client_is_low, flows.low_port[flow], flows.high_port[flow]),
        server=np.where(client_is_low, flows.high[flow], flows.low[flow]),
        server_port=np.where(client_is_low, flows.high_port[flow], flows.low_port[flow]),
        network=table.flow_network[flow],
        role_source=roles.source,
        syns=(handshake.syns > 0).astype(np.uint32),
        syn_retransmissions=np.maximum(handshake.syns, 1) - np.uint32(1),
        synacks=handshake.synacks,
        opened=(syn >= 0) & (synack >= 0) & (established >= 0),
        syn_frame=taken(table.frame, syn, 0),
        syn_ns=taken(table.time_ns, syn, NEVER),
        synack_ns=taken(table.time_ns, synack, NEVER),
        established_ns=taken(table.time_ns, established, NEVER),
        first_frame=table.frame[first],
        first_ns=table.time_ns[first],
        last_frame=table.frame[last],
        last_ns=table.time_ns[last],
        ends=_ends(table, stream, seen, handshake, assembly, streams, losses, unacked, waits),
        syn_options=syn_options(table, handshake.own[handshake.own >= 0]),
        addresses=flows.addresses,
        networks=table.networks,
    )


@dataclass(slots=True)
class _Seen:
    """Per stream how many of its segments are of a kind, and the first and last row of some; NONE
    without.
    """

    packets: Column  # u32
    fins: Column  # u32
    rsts: Column  # u32
    closed: Column  # u32, that advertise a window of 0
    first: Column  # i32
    last: Column  # i32
    fin: Column  # i32, the first
    rst: Column  # i32, the first
    load: Column  # i32, the first with payload; that of a RST is a text for people
    last_load: Column  # i32
    ack: Column  # i32, the first
    first_closed: Column  # i32


def _seen(table: SegmentTable, stream: Column, count: int) -> _Seen:
    """The segments of each stream."""
    if compiled.core is not None:
        counts = tuple(np.zeros(count, np.uint32) for _ in range(4))
        rows = tuple(np.full(count, NONE, np.int32) for _ in range(8))
        columns = stream, table.flags, table.window, table.length
        compiled.core.seen(tuple(map(np.ascontiguousarray, columns)), (*counts, *rows))
        return _Seen(*counts, *rows)
    fins, rsts = np.flatnonzero(table.flags & FIN), np.flatnonzero(table.flags & RST)
    loads = np.flatnonzero((table.length > 0) & ((table.flags & RST) == 0))
    acks, closed = np.flatnonzero(table.flags & ACK), _closed(table)
    every = np.arange(len(table), dtype=np.int32)
    return _Seen(
        counted(stream, count),
        counted(stream[fins], count),
        counted(stream[rsts], count),
        counted(stream[closed], count),
        first_of(stream, every, count),
        last_of(stream, every, count),
        first_of(stream[fins], fins, count),
        first_of(stream[rsts], rsts, count),
        first_of(stream[loads], loads, count),
        last_of(stream[loads], loads, count),
        first_of(stream[acks], acks, count),
        first_of(stream[closed], closed, count),
    )


def _closed(table: SegmentTable) -> Column:
    """The rows that advertise a window of 0. RSTs advertise none (RFC 9293 §3.1)."""
    return np.flatnonzero((table.window == 0) & ((table.flags & (SYN | FIN | RST)) == 0))


def _of_both(rows: Column, chosen: np.ufunc) -> Column:
    """Rows of streams, NONE without → per connection the first or the last of its two; at least one
    is there.
    """
    client, server = rows[::2], rows[1::2]
    both: Column = chosen(client, server)
    return np.where(client < 0, server, np.where(server < 0, client, both))


def _ends(
    table: SegmentTable,
    stream: Column,
    seen: _Seen,
    handshake: Handshake,
    assembly: Assembly,
    streams: StreamTable,
    losses: Losses,
    unacked: Unacknowledged,
    waits: AckWaits,
) -> Ends:
    """What each end sent."""
    own = handshake.own
    begun = own >= 0
    return Ends(
        packets=seen.packets,
        bytes=assembly.captured,
        missing=np.maximum(streams.end - assembly.captured, 0),
        truncated=np.maximum(assembly.sent - assembly.captured, 0),
        retransmissions=assembly.retransmissions + handshake.repeated,
        lost=losses.lost,
        repeats=losses.repeats,
        repeat_frame=taken(table.frame, losses.repeat, 0),
        repeat_ns=taken(table.time_ns, losses.repeat, NEVER),
        deferred_frame=taken(table.frame, losses.deferred, 0),
        deferred_ns=taken(table.time_ns, losses.deferred, NEVER),
        delayed_for_ns=losses.delays.longest_ns,
        delayed_frame=taken(table.frame, losses.delays.row, 0),
        delayed_ns=taken(table.time_ns, losses.delays.row, NEVER),
        ack_waits=waits.count,
        ack_wait_for_ns=waits.longest_ns,
        ack_wait_frame=taken(table.frame, waits.row, 0),
        ack_wait_ns=taken(table.time_ns, waits.row, NEVER),
        **_unacked(table, unacked),
        out_of_order=assembly.out_of_order,
        zero_windows=seen.closed,
        **_closed_windows(table, stream, seen),
        fins=seen.fins,
        rsts=seen.rsts,
        isn=taken(table.seq, own, NONE),
        fin_frame=taken(table.frame, seen.fin, 0),
        fin_ns=earliest_times(table, stream, assembly, seen.fin),
        rst_frame=taken(table.frame, seen.rst, 0),
        rst_ns=earliest_times(table, stream, assembly, seen.rst),
        first_payload_frame=taken(table.frame, seen.load, 0),
        first_payload_ns=taken(table.time_ns, seen.load, NEVER),
        last_payload_ns=earliest_times(table, stream, assembly, seen.last_load),
        last_packet_ns=taken(table.time_ns, seen.last, NEVER),
        start_seq=assembly.base,
        first_ack=taken(table.ack, seen.ack, NONE),
        answers_fin=_answering(table, seen.fin, seen.rst),
        fin_unseen=(streams.fin >= 0) & (seen.fins == 0),
        syn_row=np.where(begun, np.cumsum(begun, dtype=np.int32) - 1, np.int32(NONE)),
    )


def _answering(table: SegmentTable, fin: Column, rst: Column) -> Column:
    """Per end, whether its first FIN or RST acknowledges the FIN of the other end; False for both
    where each does, which cannot be. `fin`, `rst`: rows of the first of them.
    """
    ends = np.where((fin < 0) | ((rst >= 0) & (rst < fin)), rst, fin)
    other = fin.reshape(-1, 2)[:, ::-1].ravel()
    out = np.zeros(len(fin), bool)
    both = np.flatnonzero((ends >= 0) & (other >= 0))
    row, before = ends[both], other[both]
    behind_fin = table.seq[before] + table.wire_length[before] + np.uint32(1)
    distance = (table.ack[row] - behind_fin).astype(np.int32)
    out[both] = ((table.flags[row] & ACK) != 0) & (distance >= 0)
    of_connections = out.reshape(-1, 2)
    of_connections[of_connections.all(axis=1)] = False
    return out


def _unacked(table: SegmentTable, unacked: Unacknowledged) -> dict[str, Column]:
    """The columns of the ends about what was never acknowledged."""
    return {
        "unacked": unacked.sent,
        "unacked_frame": taken(table.frame, unacked.first, 0),
        "unacked_ns": taken(table.time_ns, unacked.first, NEVER),
        "unacked_last_ns": taken(table.time_ns, unacked.last, NEVER),
        "unacked_idle_ns": unacked.idle_ns,
        "unacked_least": unacked.least,
        "acked_most": unacked.most_taken,
    }


def _closed_windows(table: SegmentTable, stream: Column, seen: _Seen) -> dict[str, Column]:
    """The columns of the ends about closed windows. A window is closed until the next segment of
    that end.
    """
    spent = np.zeros(len(seen.closed), np.int64)
    several = seen.closed > 0
    if several.any():
        rows = np.flatnonzero(several[stream] & ((table.flags & RST) == 0))
        rows = rows[np.argsort(stream[rows], kind="stable")]
        of, time_ns = stream[rows], table.time_ns[rows]
        shut = np.isin(rows, _closed(table))[:-1] & (of[1:] == of[:-1])
        np.add.at(spent, of[:-1][shut], np.maximum(np.diff(time_ns)[shut], 0))
    return {
        "window_closed_frame": taken(table.frame, seen.first_closed, 0),
        "window_closed_ns": taken(table.time_ns, seen.first_closed, NEVER),
        "window_closed_for_ns": spent,
    }
