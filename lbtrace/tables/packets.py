"""The columns that flow between the stages: one row per packet, no object per packet.

    RecordTable   one row per record in the files of a capture point, in file order
                                                                               (capture → decode)
    SegmentTable  one row per TCP segment, in capture order                    (decode → tcp)
    StreamTable   one row per stream, with the pieces of its payload in order  (tcp → http)

Bytes stay where they are (a memory map, or one buffer for a decompressed file or for datagrams put
together from fragments): a row names them by (buffer, offset, length). `frame` numbers count
through the files of the point from 1, so frame = record row + 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from lbtrace.model.net import Endpoint, IcmpError
from lbtrace.model.trace import CaptureFile, Diagnostic, PacketCounts
from lbtrace.tables.columns import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import RowTable, Table, bounds, column, item, shared, table

Buffer: TypeAlias = bytes | memoryview  # anything that slices without a copy and compares to bytes
Flow: TypeAlias = tuple[Endpoint, Endpoint]
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
# by which a packet may be earlier than the one before it: queues and interfaces differ by
# milliseconds
MOST_BACK_NS: Final = 1_000_000_000
TLS_SECRETS: Final = 0x544C534B  # "TLSK": a key log in a Decryption Secrets Block of pcapng


@table
class RecordTable(Table):
    """One row per record."""

    time_ns: Column = column("i8", "time of capture, if_tsoffset applied", "ns since the epoch")
    offset: Column = column("i8", "the packet's first byte in its buffer", "bytes")
    captured: Column = column("u4", "length in the file", "bytes")
    wire: Column = column("u4", "length on the wire", "bytes")
    link: Column = column("u2", "LINKTYPE_* number (tcpdump.org/linktypes.html)")
    buffer: Column = column("u1", "the buffer it is in", "index in `buffers` of the Recording")


@dataclass(slots=True)
class Recording:
    """What `lbtrace.capture` makes of the files of one capture point."""

    records: RecordTable
    buffers: list[Buffer]
    files: tuple[CaptureFile, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    secrets: tuple[tuple[int, bytes], ...] = ()  # pcapng decryption secrets: (type, data)
    names: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # pcapng name resolution: address → names
    comments: tuple[tuple[int, str], ...] = ()  # (frame, or 0 for a section; comment)
    link_names: dict[int, str] = field(
        default_factory=dict
    )  # the link type numbers that occur → their names


NO_PACKET: Final = 0xFFF0  # link types from here up are no packets: see `lbtrace.capture.pcapng`


@table
class FlowTable(RowTable[Flow]):
    """One row per flow: its two endpoints, the lower first, by (packed address, port)."""

    addresses: Sequence[str] = shared("addresses as text")
    low: Column = column("u4", "address of the lower endpoint", "index in `addresses`")
    low_port: Column = column("u2", "its port")
    high: Column = column("u4", "address of the higher endpoint", "index in `addresses`")
    high_port: Column = column("u2", "its port")

    @classmethod
    def of(cls, flows: Iterable[Flow]) -> FlowTable:
        """The columns of flows given one by one."""
        known: dict[str, int] = {}
        rows = [
            (known.setdefault(end.address, len(known)), end.port) for flow in flows for end in flow
        ]
        address, port = np.array(rows, np.uint32).reshape(-1, 2).T
        port = port.astype(np.uint16)
        return cls(list(known), address[0::2], port[0::2], address[1::2], port[1::2])

    def make(self, rows: Column) -> list[Flow]:
        """The endpoints of these flows."""
        named = self.addresses.__getitem__
        low, high = (
            rows_of(Endpoint, (map(named, address[rows].tolist()), port[rows].tolist()))
            for address, port in ((self.low, self.low_port), (self.high, self.high_port))
        )
        return list(zip(low, high, strict=True))


@table
class SegmentTable(Table):
    """One row per TCP segment (IPv4/IPv6, tunnels taken off), in capture order.

    A *flow* is an unordered pair of endpoints within one network (VLAN, tunnel). `length` bytes of
    payload are in the buffer at `payload`; the segment carried `wire_length` on the wire, which is
    greater when the snapshot length cut it.
    """

    frame: Column = column("u4", "its frame, numbered through the files of the point")
    time_ns: Column = column("i8", "time of capture", "ns since the epoch")
    flow: Column = column("u4", "its flow", "index in `flows`")
    forward: Column = column("?", "from the lower to the higher endpoint")
    seq: Column = column("u4", "sequence number")
    ack: Column = column("u4", "acknowledgement number")
    flags: Column = column("u1", "FIN=1 SYN=2 RST=4 PSH=8 ACK=16 URG=32 ECE=64 CWR=128")
    window: Column = column("u2", "window as sent, not scaled")
    ttl: Column = column("u1", "TTL or hop limit")
    buffer: Column = column("u1", "the buffer its bytes are in", "index in `buffers`")
    header: Column = column("u1", "length of the TCP header, in front of the payload", "bytes")
    payload: Column = column("i8", "offset of the payload in its buffer", "bytes")
    length: Column = column("u4", "payload captured", "bytes")
    wire_length: Column = column("u4", "payload sent", "bytes")
    buffers: list[Buffer] = shared("the bytes of the capture point")
    flows: FlowTable = shared("the flows", FlowTable.empty)
    flow_network: Column = shared(
        "per flow its network, an index in `networks`", lambda: np.zeros(0, np.uint16)
    )
    networks: list[str] = shared("names of VLANs and tunnels")
    counts: PacketCounts = shared("what was read, decoded and skipped", lambda: PacketCounts(0, 0))
    diagnostics: tuple[Diagnostic, ...] = shared("what is worth saying", tuple, default=())
    icmp: tuple[IcmpError, ...] = shared("packets that ICMP reports as lost", tuple, default=())


@table
class StreamTable(Table):
    """One row per stream. Stream 2c is what the client of connection c sent, stream 2c + 1 what its
    server sent.

    Its items are pieces of payload, ordered by `start`, never overlapping, never empty. `start` is
    the offset in the stream: the byte after the SYN is 0 (when the SYN was not captured, the first
    byte captured is 0). A jump between one piece's end and the next's `start` is a Gap: bytes that
    were sent and are not in the capture.
    """

    first: Column = bounds("the first piece of each stream")
    start: Column = item("i8", "offset of the piece in its stream", "bytes")
    length: Column = item("u4", "length of the piece", "bytes")
    payload: Column = item("i8", "offset of the piece in its buffer", "bytes")
    buffer: Column = item("u1", "the buffer it is in", "index in `buffers`")
    frame: Column = item("u4", "frame of the segment it came in")
    time_ns: Column = item("i8", "time of that frame", "ns since the epoch")
    ack: Column = item(
        "i8", "what that segment acknowledged, as offset in the opposite stream", "bytes", none=-1
    )
    repeated: Column = item("?", "its bytes were also sent in another segment, or after later ones")
    clean: Column = column(
        "?", "contiguous from 0, in order, nothing sent twice, and its SYN was captured"
    )
    known_start: Column = column("?", "its SYN was captured: offset 0 is the first byte ever sent")
    end: Column = column(
        "i8",
        "offset after the last byte that was sent: seen, acknowledged, or counted by a RST",
        "bytes",
    )
    fin: Column = column("i8", "offset of the FIN, seen or acknowledged", "bytes", none=-1)
    reset: Column = column(
        "?", "its sender sent RST, or the other end did before the FIN of this stream"
    )
    buffers: list[Buffer] = shared("the bytes of the capture point")
    diagnostics: tuple[Diagnostic, ...] = shared("what is worth saying", tuple, default=())

    def pieces(self, stream: int) -> range:
        """The rows of a stream."""
        return range(int(self.first[stream]), int(self.first[stream + 1]))


__all__ = [
    "ACK",
    "FIN",
    "PSH",
    "RST",
    "SYN",
    "URG",
    "Buffer",
    "Column",
    "FlowTable",
    "RecordTable",
    "Recording",
    "SegmentTable",
    "StreamTable",
]
