"""Handshakes, streams and segments → ConnectionTable: what each connection did, and what each of
its ends sent, counted.

Each column is one count, or one row looked up; nothing here is done for a single connection.
Invariant: row c is connection c, rows 2c and 2c + 1 of the ends are its client and its server.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.connections import NEVER, NONE, ConnectionTable, Ends
from lbtrace.tables.packets import ACK, FIN, RST, SYN, Column, SegmentTable, StreamTable
from lbtrace.tcp.ack_waits import AckWaits
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
    count, of, flow = incarnations.count, incarnations.of, incarnations.flow
    flows, client_is_low = table.flows, roles.client_forward
    rows = np.arange(len(table), dtype=np.int32)
    first, last = first_of(of, rows, count), last_of(of, rows, count)
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
        ends=_ends(table, stream, handshake, assembly, streams, losses, unacked, waits),
        syn_options=syn_options(table, handshake.own[handshake.own >= 0]),
        addresses=flows.addresses,
        networks=table.networks,
    )


def _ends(
    table: SegmentTable,
    stream: Column,
    handshake: Handshake,
    assembly: Assembly,
    streams: StreamTable,
    losses: Losses,
    unacked: Unacknowledged,
    waits: AckWaits,
) -> Ends:
    """What each end sent; rows of the first and last segment of a kind, then their columns."""
    own = handshake.own
    count = len(own)
    fins, rsts = np.flatnonzero(table.flags & FIN), np.flatnonzero(table.flags & RST)
    closed = np.flatnonzero((table.window == 0) & ((table.flags & (SYN | FIN | RST)) == 0))
    loads = np.flatnonzero((table.length > 0) & ((table.flags & RST) == 0))
    fin, rst = first_of(stream[fins], fins, count), first_of(stream[rsts], rsts, count)
    load = first_of(stream[loads], loads, count)
    last_load = last_of(stream[loads], loads, count)
    acks = np.flatnonzero(table.flags & ACK)
    last = last_of(stream, np.arange(len(table), dtype=np.int32), count)
    seen = own >= 0
    return Ends(
        packets=counted(stream, count),
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
        zero_windows=counted(stream[closed], count),
        **_closed_windows(table, stream, closed, count),
        fins=counted(stream[fins], count),
        rsts=counted(stream[rsts], count),
        isn=taken(table.seq, own, NONE),
        fin_frame=taken(table.frame, fin, 0),
        fin_ns=taken(table.time_ns, fin, NEVER),
        rst_frame=taken(table.frame, rst, 0),
        rst_ns=taken(table.time_ns, rst, NEVER),
        first_payload_frame=taken(table.frame, load, 0),
        first_payload_ns=taken(table.time_ns, load, NEVER),
        last_payload_ns=taken(table.time_ns, last_load, NEVER),
        last_packet_ns=taken(table.time_ns, last, NEVER),
        start_seq=assembly.base,
        first_ack=taken(table.ack, first_of(stream[acks], acks, count), NONE),
        syn_row=np.where(seen, np.cumsum(seen, dtype=np.int32) - 1, np.int32(NONE)),
    )


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


def _closed_windows(
    table: SegmentTable, stream: Column, closed: Column, count: int
) -> dict[str, Column]:
    """The columns of the ends about closed windows. `closed`: the rows that advertise a window of
    0. A window is closed until the next segment of that end; RSTs advertise none (RFC 9293 §3.1).
    """
    spent = np.zeros(count, np.int64)
    several = np.zeros(count, bool)
    several[stream[closed]] = True
    rows = np.flatnonzero(several[stream] & ((table.flags & RST) == 0))
    rows = rows[np.argsort(stream[rows], kind="stable")]
    of, time_ns = stream[rows], table.time_ns[rows]
    shut = np.isin(rows, closed)[:-1] & (of[1:] == of[:-1])
    np.add.at(spent, of[:-1][shut], np.maximum(np.diff(time_ns)[shut], 0))
    first = first_of(stream[closed], closed, count)
    return {
        "window_closed_frame": taken(table.frame, first, 0),
        "window_closed_ns": taken(table.time_ns, first, NEVER),
        "window_closed_for_ns": spent,
    }
