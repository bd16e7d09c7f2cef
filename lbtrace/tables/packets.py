"""The columns that flow between the stages: one row per packet, no object per packet.

    RecordTable   one row per record in the files of a capture point, in file order      (capture →
                  decode)
    SegmentTable  one row per TCP segment, in capture order                               (decode →
                  tcp)
    StreamTable   one row per piece of reassembled payload, in stream order               (tcp →
                  http)

Bytes stay where they are (a memory map, or one buffer for a decompressed file or for datagrams put
together from fragments): a row names them by (buffer, offset, length). `frame` numbers count
through the files of the point from 1, so frame = record row + 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, overload

import numpy as np

from lbtrace.model.net import Endpoint
from lbtrace.model.trace import CaptureFile, Diagnostic, PacketCounts
from lbtrace.tables.columns import Column

Buffer: TypeAlias = bytes | memoryview  # anything that slices without a copy and compares to bytes


@dataclass(slots=True)
class RecordTable:
    """One row per record."""

    time_ns: Column  # i64, ns since the epoch, if_tsoffset applied
    offset: Column  # i64, of the packet's first byte in its buffer
    captured: Column  # u32, bytes in the file
    wire: Column  # u32, bytes on the wire (original length)
    link: Column  # u16, LINKTYPE_* number (tcpdump.org/linktypes.html)
    buffer: Column  # u8, index in `buffers`


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


@dataclass(slots=True)
class FlowTable(Sequence[tuple[Endpoint, Endpoint]]):
    """(lower endpoint, higher endpoint) of each flow, made when asked for: by (packed address,
    port).
    """

    addresses: Sequence[str]  # text
    low: Column  # u32, index in `addresses`
    low_port: Column  # u16
    high: Column  # u32
    high_port: Column  # u16

    @classmethod
    def of(cls, flows: Iterable[tuple[Endpoint, Endpoint]]) -> FlowTable:
        """The columns of flows given one by one."""
        known: dict[str, int] = {}
        rows = [
            (
                known.setdefault(a.address, len(known)),
                a.port,
                known.setdefault(b.address, len(known)),
                b.port,
            )
            for a, b in flows
        ]
        columns = np.array(rows, np.uint32).reshape(-1, 4)
        return cls(
            list(known),
            columns[:, 0],
            columns[:, 1].astype(np.uint16),
            columns[:, 2],
            columns[:, 3].astype(np.uint16),
        )

    def __len__(self) -> int:
        return len(self.low)

    @overload
    def __getitem__(self, index: int) -> tuple[Endpoint, Endpoint]: ...
    @overload
    def __getitem__(self, index: slice) -> FlowTable: ...
    def __getitem__(self, index: int | slice) -> tuple[Endpoint, Endpoint] | FlowTable:
        if isinstance(index, slice):
            return FlowTable(
                self.addresses,
                self.low[index],
                self.low_port[index],
                self.high[index],
                self.high_port[index],
            )
        low, high = self.addresses[self.low[index]], self.addresses[self.high[index]]
        return Endpoint(low, int(self.low_port[index])), Endpoint(high, int(self.high_port[index]))


@dataclass(slots=True)
class SegmentTable:
    """One row per TCP segment (IPv4/IPv6, tunnels peeled), in capture order.

    A *flow* is an unordered pair of endpoints within one network (VLAN, tunnel); `flows[i]` is
    (lower endpoint, higher endpoint) by (packed address, port), `networks[flow_network[i]]` its
    network. Payload lengths: `length` bytes are in the buffer at `payload`; the segment carried
    `wire_length` on the wire (greater when the snapshot length cut it).
    """

    frame: Column  # u32
    time_ns: Column  # i64
    flow: Column  # u32, index in `flows`
    forward: Column  # bool, from the lower to the higher endpoint
    seq: Column  # u32
    ack: Column  # u32
    flags: Column  # u8, FIN=1 SYN=2 RST=4 PSH=8 ACK=16 URG=32 ECE=64 CWR=128
    window: Column  # u16, as sent, not scaled
    ttl: Column  # u8, TTL or hop limit
    buffer: Column  # u8
    header: Column  # u8, bytes of the TCP header, which is in front of the payload
    payload: Column  # i64, offset of the payload in its buffer
    length: Column  # u32
    wire_length: Column  # u32
    buffers: list[Buffer]
    flows: FlowTable
    flow_network: Column  # u16
    networks: list[str]
    counts: PacketCounts
    diagnostics: tuple[Diagnostic, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)


FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


@dataclass(slots=True)
class StreamTable:
    """Reassembled payload. Stream 2c is what the client of connection c sent, stream 2c + 1 what
    its server sent.

    The pieces of stream s are rows `first[s]` to `first[s + 1]` (exclusive), ordered by `start`,
    never overlapping, never empty. `start` is the offset in the stream: the byte after the SYN is 0
    (when the SYN was not captured, the first byte captured is 0). A jump between one piece's end
    and the next's `start` is a Gap: bytes that were sent and are not in the capture. `frame`,
    `time_ns` and `ack` are those of the segment the piece came in. `clean[s]`: the pieces are
    contiguous from 0, arrived in order, nothing was sent twice, and the stream begins with its SYN.
    """

    first: Column  # i64, streams + 1 entries
    start: Column  # i64
    length: Column  # u32
    payload: Column  # i64, offset in the buffer
    buffer: Column  # u8
    frame: Column  # u32
    time_ns: Column  # i64
    # i64, the acknowledgement the segment carried, as an offset in the opposite stream (-1 when it
    # carried none)
    ack: Column
    # bool, bytes of this piece were also sent in another segment, or it arrived after later bytes
    repeated: Column
    clean: Column  # bool, per stream
    known_start: (
        Column  # bool, per stream: the SYN was captured, so offset 0 is the first byte ever sent
    )
    # i64, per stream: offset after the last byte known to have been sent (seen, or acknowledged by
    # the other side)
    end: Column
    fin: Column  # i64, per stream: offset of the FIN, -1 when none was seen
    reset: Column  # bool, per stream: either side sent RST
    buffers: list[Buffer]
    diagnostics: tuple[Diagnostic, ...] = ()

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
