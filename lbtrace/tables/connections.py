"""The connections of a capture point as columns, with two rows of `Ends` for each. The TCP stage
makes them.

A capture may have as many connections as exchanges, and a Connection with its two Directions is
forty values in four objects: two kilobytes and seven microseconds. So code that needs all of them
reads the columns, and `table[i]` makes one Connection.

Invariant: `list(ConnectionTable.of(connections)) == list(connections)`. None is NONE (−1) in a
column, NEVER for a time, and NO_FRAME (0) for a frame: frames are counted from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from lbtrace.model.net import Endpoint, SynFingerprint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.tables.columns import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import RowTable, Table, column, part, shared, table

NONE: Final = -1
NEVER: Final = -(1 << 63)  # a time that is not known; ns since the epoch never get there
LATER: Final = (1 << 63) - 1  # after any other time: when that never happened
# by which a packet may be stamped late: times that are closer together have no order that is known
STAMPED_LATE_NS: Final = 5_000_000
# sendings in vain, the first included, that show that nobody is there: two may be an
# acknowledgement that was late
TRIES = 3
NO_FRAME: Final = 0
SOURCES: Final = tuple(RoleSource)
EPOCH: Final = "ns since the epoch"


@table
class Ends(Table):
    """What each end sent, as in `Direction`: row 2i is the client of connection i, row 2i + 1 its
    server.
    """

    packets: Column = column("u4", "segments")
    bytes: Column = column("i8", "distinct payload bytes captured", "bytes")
    missing: Column = column("i8", "bytes that were sent and are not in the capture", "bytes")
    truncated: Column = column("i8", "those of them that the snapshot length cut", "bytes")
    retransmissions: Column = column("u4", "segments that repeat bytes already seen")
    lost: Column = column("i8", "bytes that the peer acknowledged and no packet holds", "bytes")
    repeats: Column = column("u4", "retransmissions sent before an acknowledgement was captured")
    repeat_frame: Column = column("u4", "frame of the first of these repeats", none=NO_FRAME)
    repeat_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    deferred_frame: Column = column(
        "u4", "frame of the first SYN or SYN-ACK sent again though acknowledged", none=NO_FRAME
    )
    deferred_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    delayed_for_ns: Column = column(
        "i8", "the longest time for which a lost segment held its stream up; 0 without", "ns"
    )
    delayed_frame: Column = column("u4", "frame of the segment that ended it", none=NO_FRAME)
    delayed_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    ack_waits: Column = column(
        "u4", "small segments sent only when the one before was acknowledged, and that late"
    )
    ack_wait_for_ns: Column = column(
        "i8", "how much later than usual it was acknowledged, at most; 0 without", "ns"
    )
    ack_wait_frame: Column = column("u4", "frame of what was sent then", none=NO_FRAME)
    ack_wait_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    unacked: Column = column(
        "u4", "segments with payload sent of which the peer acknowledged nothing, repeats too"
    )
    unacked_frame: Column = column("u4", "frame of the first of these", none=NO_FRAME)
    unacked_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    unacked_last_ns: Column = column("i8", "time of the last of these", EPOCH, none=NEVER)
    unacked_idle_ns: Column = column(
        "i8", "silence on the connection before the first of these; 0 without", "ns"
    )
    unacked_least: Column = column(
        "u4", "smallest payload sent at the first unacknowledged byte; 0 without", "bytes"
    )
    acked_most: Column = column("u4", "largest payload of a segment that was acknowledged", "bytes")
    out_of_order: Column = column("u4", "new segments that arrived after later bytes")
    zero_windows: Column = column("u4", "segments that advertised a window of 0")
    window_closed_frame: Column = column("u4", "frame of the first of these", none=NO_FRAME)
    window_closed_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    window_closed_for_ns: Column = column("i8", "how long its window was closed in all", "ns")
    fins: Column = column("u4", "segments with FIN")
    rsts: Column = column("u4", "segments with RST")
    isn: Column = column("i8", "initial sequence number, from the SYN", none=NONE)
    fin_frame: Column = column("u4", "frame of the first FIN", none=NO_FRAME)
    fin_ns: Column = column(
        "i8", "its time, or that of what it acknowledges where that is later", EPOCH, none=NEVER
    )
    rst_frame: Column = column("u4", "frame of the first RST", none=NO_FRAME)
    rst_ns: Column = column(
        "i8", "its time, or that of what it acknowledges where that is later", EPOCH, none=NEVER
    )
    first_payload_frame: Column = column("u4", "frame of the first payload", none=NO_FRAME)
    first_payload_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    last_payload_ns: Column = column("i8", "time of the last payload", EPOCH, none=NEVER)
    last_packet_ns: Column = column("i8", "time of the last segment", EPOCH, none=NEVER)
    start_seq: Column = column("i8", "sequence number of offset 0 of its stream", none=NONE)
    first_ack: Column = column(
        "i8", "acknowledgement number of its first segment with ACK", none=NONE
    )
    answers_fin: Column = column(
        "?", "its first FIN or RST acknowledges the FIN of the other end, so it came after it"
    )
    fin_unseen: Column = column("?", "its FIN was acknowledged and is not in the capture")
    syn_row: Column = column("i4", "its SYN or SYN-ACK", "row of `SynOptions`", none=NONE)


@table
class SynOptions(Table):
    """One row per end whose SYN or SYN-ACK was captured, in the order of the ends, as in
    `SynFingerprint`.
    """

    ttl: Column = column("u1", "TTL or hop limit")
    window: Column = column("u2", "window as sent, not scaled")
    mss: Column = column("i4", "maximum segment size", "bytes", none=NONE)
    window_scale: Column = column("i2", "shift of the window", "bits", none=NONE)
    sack_permitted: Column = column("?", "SACK is permitted")
    timestamp: Column = column("i8", "TSval", none=NONE)
    options: Column = column("u4", "which options, in wire order", "index in `layouts`")
    layouts: Sequence[tuple[int, ...]] = shared("kinds of options in wire order")


@table
class ConnectionTable(RowTable[Connection]):
    """One row per connection, as in `Connection`; its id is its row."""

    client: Column = column("u4", "address of the client", "index in `addresses`")
    client_port: Column = column("u2", "its port")
    server: Column = column("u4", "address of the server", "index in `addresses`")
    server_port: Column = column("u2", "its port")
    network: Column = column("u2", "VLAN or tunnel", "index in `networks`")
    role_source: Column = column("u1", "what told client and server apart", "index in SOURCES")
    syns: Column = column("u4", "distinct SYNs without ACK: 1, or 0 when none was captured")
    syn_retransmissions: Column = column("u4", "their repetitions")
    synacks: Column = column("u4", "SYN-ACKs")
    opened: Column = column("?", "the three-way handshake was completed in the capture")
    syn_frame: Column = column("u4", "frame of the SYN", none=NO_FRAME)
    syn_ns: Column = column("i8", "its time", EPOCH, none=NEVER)
    synack_ns: Column = column("i8", "time of the SYN-ACK", EPOCH, none=NEVER)
    established_ns: Column = column(
        "i8", "time of the ACK that completed the handshake", EPOCH, none=NEVER
    )
    first_frame: Column = column("u4", "its first frame")
    first_ns: Column = column("i8", "time of it", EPOCH)
    last_frame: Column = column("u4", "its last frame")
    last_ns: Column = column("i8", "time of it", EPOCH)
    ends: Ends = part("what client and server sent", each=2)
    syn_options: SynOptions = shared("what SYNs and SYN-ACKs offered", SynOptions.empty)
    addresses: Sequence[str] = shared("addresses as text")
    networks: Sequence[str] = shared("names of VLANs and tunnels")

    @classmethod
    def of(cls, connections: Sequence[Connection]) -> ConnectionTable:
        """The columns of connections made elsewhere; their ids must count from 0."""
        if isinstance(connections, cls):
            return connections
        addresses: dict[str, int] = {}
        networks: dict[str, int] = {}
        clients, servers = ([getattr(c, end) for c in connections] for end in ("client", "server"))
        named = {
            "client": [addresses.setdefault(end.address, len(addresses)) for end in clients],
            "client_port": [end.port for end in clients],
            "server": [addresses.setdefault(end.address, len(addresses)) for end in servers],
            "server_port": [end.port for end in servers],
            "network": [networks.setdefault(c.network, len(networks)) for c in connections],
            "role_source": [SOURCES.index(c.role_source) for c in connections],
        }
        ends, syn_options = _ends(
            [end for c in connections for end in (c.from_client, c.from_server)]
        )
        return cls(
            **{name: cls.declared[name].column(values) for name, values in named.items()},
            **cls.columns_of(connections, CONNECTION),
            ends=ends,
            syn_options=syn_options,
            addresses=list(addresses),
            networks=list(networks),
        )

    @property
    def lacks_packets(self) -> bool:
        """Whether the capture lacks packets for certain: bytes that were sent are in none, or a FIN
        that was acknowledged. What the snapshot length cut off does not count.
        """
        ends = self.ends
        return bool(((ends.missing > ends.truncated) | ends.fin_unseen).any())

    def turned(self, which: Column) -> ConnectionTable:
        """The same with client and server of these connections (bool each) exchanged, because what
        they carry says so.
        """
        payload = np.uint8(SOURCES.index(RoleSource.PAYLOAD))
        ends = np.arange(2 * len(self))
        return self.with_columns(
            client=np.where(which, self.server, self.client),
            client_port=np.where(which, self.server_port, self.client_port),
            server=np.where(which, self.client, self.server),
            server_port=np.where(which, self.client_port, self.server_port),
            role_source=np.where(which, payload, self.role_source),
            ends=self.ends.taken(np.where(np.repeat(which, 2), ends ^ 1, ends)),
        )

    def make(self, rows: Column) -> list[Connection]:
        """The connections of these rows."""
        ends = self._directions(np.stack((2 * rows, 2 * rows + 1), axis=1).reshape(-1))
        named, networks = self.addresses.__getitem__, self.networks
        client, server = (
            rows_of(Endpoint, (map(named, address[rows].tolist()), port[rows].tolist()))
            for address, port in (
                (self.client, self.client_port),
                (self.server, self.server_port),
            )
        )
        columns = (
            rows.tolist(),
            client,
            server,
            [networks[i] for i in self.network[rows].tolist()],
            [SOURCES[i] for i in self.role_source[rows].tolist()],
            *self.values(CONNECTION, rows),
            ends[0::2],
            ends[1::2],
        )
        return rows_of(Connection, columns)

    def _directions(self, rows: Column) -> list[Direction]:
        seen = self.ends.syn_row[rows]
        syn_rows, which = np.unique(seen[seen != NONE], return_inverse=True)
        layouts = [self.syn_options.layouts[i] for i in self.syn_options.options[syn_rows].tolist()]
        made = rows_of(SynFingerprint, (*self.syn_options.values(SYN, syn_rows), layouts))
        syns: list[SynFingerprint | None] = [None] * len(rows)
        for at, number in zip(np.flatnonzero(seen != NONE).tolist(), which.tolist(), strict=True):
            syns[at] = made[number]
        before = Direction._fields.index("syn")
        columns = list(self.ends.values(DIRECTION, rows))
        return rows_of(Direction, (*columns[:before], syns, *columns[before:]))


# the fields of Connection, Direction and SynFingerprint that are one column each
CONNECTION: Final = Connection._fields[Connection._fields.index("syns") : -2]
DIRECTION: Final = tuple(name for name in Direction._fields if name != "syn")
SYN: Final = tuple(name for name in SynFingerprint._fields if name != "options")


def _ends(directions: Sequence[Direction]) -> tuple[Ends, SynOptions]:
    """What each end sent, and what the SYNs among it offered, as columns."""
    layouts: dict[tuple[int, ...], int] = {}
    syns = [end.syn for end in directions if end.syn is not None]
    options = [layouts.setdefault(syn.options, len(layouts)) for syn in syns]
    seen = np.array([end.syn is not None for end in directions], bool)
    rows = np.where(seen, np.cumsum(seen) - 1, NONE).astype(np.int32)
    unknown = np.full(len(directions), NONE, np.int64)
    columns = Ends.columns_of(directions, DIRECTION)
    return Ends(**columns, first_ack=unknown, syn_row=rows), SynOptions(
        **SynOptions.columns_of(syns, SYN),
        options=SynOptions.declared["options"].column(options),
        layouts=list(layouts),
    )
