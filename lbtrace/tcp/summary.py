"""What each connection did and what each of its ends sent, counted: handshakes, streams and
segments → ConnectionTable.

Each column is one count, or one row looked up; nothing here is done for a single connection.
Invariant: row c is connection c, rows 2c and 2c + 1 of the ends are its client and its server.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.connections import NEVER, NONE, ConnectionTable, Ends
from lbtrace.tables.packets import FIN, RST, SYN, Column, SegmentTable, StreamTable
from lbtrace.tcp.columns import counted, first_of, last_of, taken
from lbtrace.tcp.fingerprint import syn_options
from lbtrace.tcp.handshake import Handshake
from lbtrace.tcp.incarnations import Incarnations
from lbtrace.tcp.reassemble import Assembly


def summary(
    t: SegmentTable,
    lives: Incarnations,
    stream: Column,
    client_forward: Column,
    sources: Column,
    shake: Handshake,
    assembly: Assembly,
    streams: StreamTable,
) -> ConnectionTable:
    """All connections. `stream` is per row, `client_forward` and `sources` (index in SOURCES) per
    connection.
    """
    count = lives.count
    flows, flow = t.flows, lives.flow
    rows = np.arange(len(t), dtype=np.int32)
    first, last = first_of(lives.of, rows, count), last_of(lives.of, rows, count)
    seen = shake.own >= 0
    return ConnectionTable(
        client=np.where(client_forward, flows.low[flow], flows.high[flow]),
        client_port=np.where(client_forward, flows.low_port[flow], flows.high_port[flow]),
        server=np.where(client_forward, flows.high[flow], flows.low[flow]),
        server_port=np.where(client_forward, flows.high_port[flow], flows.low_port[flow]),
        network=t.flow_network[flow],
        role_source=sources,
        syns=(shake.syns > 0).astype(np.uint32),
        syn_retransmissions=np.maximum(shake.syns, 1) - np.uint32(1),
        synacks=shake.synacks,
        opened=(shake.syn >= 0) & (shake.synack >= 0) & (shake.established >= 0),
        syn_frame=taken(t.frame, shake.syn, 0),
        syn_ns=taken(t.time_ns, shake.syn, NEVER),
        synack_ns=taken(t.time_ns, shake.synack, NEVER),
        established_ns=taken(t.time_ns, shake.established, NEVER),
        first_frame=t.frame[first],
        first_ns=t.time_ns[first],
        last_frame=t.frame[last],
        last_ns=t.time_ns[last],
        ends=_ends(
            t,
            stream,
            shake,
            assembly,
            streams,
            np.where(seen, np.cumsum(seen, dtype=np.int32) - 1, np.int32(NONE)),
        ),
        syn_options=syn_options(t, shake.own[seen]),
        addresses=flows.addresses,
        networks=t.networks,
    )


def _ends(
    t: SegmentTable,
    stream: Column,
    shake: Handshake,
    assembly: Assembly,
    streams: StreamTable,
    syn_row: Column,
) -> Ends:
    count = len(syn_row)
    fins = np.flatnonzero(t.flags & FIN)
    rsts = np.flatnonzero(t.flags & RST)
    closed = np.flatnonzero((t.window == 0) & ((t.flags & (SYN | FIN | RST)) == 0))
    loads = np.flatnonzero((t.length > 0) & ((t.flags & RST) == 0))
    of_load = stream[loads]
    fin, rst = first_of(stream[fins], fins, count), first_of(stream[rsts], rsts, count)
    load, last_load = first_of(of_load, loads, count), last_of(of_load, loads, count)
    return Ends(
        packets=counted(stream, count),
        bytes=assembly.captured,
        missing=np.maximum(streams.end - assembly.captured, 0),
        truncated=np.maximum(assembly.sent - assembly.captured, 0),
        retransmissions=assembly.retransmissions + shake.repeated,
        out_of_order=assembly.out_of_order,
        zero_windows=counted(stream[closed], count),
        fins=counted(stream[fins], count),
        rsts=counted(stream[rsts], count),
        isn=taken(t.seq, shake.own, NONE),
        fin_frame=taken(t.frame, fin, 0),
        fin_ns=taken(t.time_ns, fin, NEVER),
        rst_frame=taken(t.frame, rst, 0),
        rst_ns=taken(t.time_ns, rst, NEVER),
        first_payload_frame=taken(t.frame, load, 0),
        first_payload_ns=taken(t.time_ns, load, NEVER),
        last_payload_ns=taken(t.time_ns, last_load, NEVER),
        start_seq=assembly.base,
        syn_row=syn_row,
    )
