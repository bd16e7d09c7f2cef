"""A TCP conversation written as it is on the wire → SegmentTable, without a capture file in
between.

table = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("ACK", 100, ack=1000).c("PSH", 100, b"GET / …",
ack=1000).table()
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TypedDict, Unpack

import numpy as np

from lbtrace.model.net import Endpoint
from lbtrace.model.trace import PacketCounts
from lbtrace.tables.packets import ACK, FIN, PSH, RST, SYN, FlowTable, SegmentTable, StreamTable

CLIENT, SERVER = Endpoint("10.0.0.9", 40000), Endpoint("10.0.0.1", 80)
_FLAGS = {"": 0, "SYN": SYN, "FIN": FIN, "RST": RST, "ACK": ACK, "PSH": PSH}


class More(TypedDict, total=False):
    """What a segment seldom says; `at` is its time in ns."""

    window: int
    at: int | None
    cut: int
    options: bytes


@dataclass
class Segment:
    """One row; `cut` bytes of the data are not in the capture (snapshot length)."""

    flow: tuple[Endpoint, Endpoint]  # (source, destination)
    flags: int
    seq: int
    data: bytes
    ack: int
    window: int
    time_ns: int
    cut: int
    options: bytes


@dataclass
class Wire:
    """Segments in capture order; `c` is sent by the client, `s` by the server."""

    segments: list[Segment] = field(default_factory=list)
    client: Endpoint = CLIENT
    server: Endpoint = SERVER

    def c(
        self, flags: str, seq: int, data: bytes = b"", ack: int | None = None, **more: Unpack[More]
    ) -> Wire:
        return self._add((self.client, self.server), flags, seq, data, ack, **more)

    def s(
        self, flags: str, seq: int, data: bytes = b"", ack: int | None = None, **more: Unpack[More]
    ) -> Wire:
        return self._add((self.server, self.client), flags, seq, data, ack, **more)

    def _add(
        self,
        flow: tuple[Endpoint, Endpoint],
        names: str,
        seq: int,
        data: bytes,
        ack: int | None,
        **more: Unpack[More],
    ) -> Wire:
        flags = sum(_FLAGS[n] for n in names.split("+")) | (ACK if ack is not None else 0)
        at = more.get("at")
        self.segments.append(
            Segment(
                flow,
                flags,
                seq % 2**32,
                data,
                (ack or 0) % 2**32,
                more.get("window", 1000),
                (len(self.segments) + 1) * 1_000_000 if at is None else at,
                more.get("cut", 0),
                more.get("options", b""),
            )
        )
        return self

    def table(self) -> SegmentTable:
        return segment_table(self.segments)

    def between(self, client: Endpoint, server: Endpoint) -> Wire:
        """The same packets with other addresses: what a balancer that passes packets on makes."""
        ends = {self.client: client, self.server: server}
        moved = [replace(s, flow=(ends[s.flow[0]], ends[s.flow[1]])) for s in self.segments]
        return Wire(moved, client, server)


def pcap(*wires: Wire) -> bytes:
    """Conversations → a nanosecond capture file of raw IPv4 packets (LINKTYPE_RAW), by time."""
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)]
    for s in sorted((s for wire in wires for s in wire.segments), key=lambda s: s.time_ns):
        options = s.options + b"\0" * (-len(s.options) % 4)
        (source, target), size = s.flow, 20 + len(options)
        tcp = struct.pack(
            ">HHIIBBHHH", source.port, target.port, s.seq, s.ack, size // 4 << 4, s.flags,
            s.window, 0, 0,
        )  # fmt: skip
        payload = tcp + options + s.data
        addresses = [ip_address(end.address).packed for end in (source, target)]
        total = 20 + len(payload)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, 64, 6, 0, *addresses)
        length = total - s.cut
        out.append(struct.pack("<IIII", *divmod(s.time_ns, 10**9), length, total))
        out.append((ip + payload)[:length])
    return b"".join(out)


def segment_table(segments: list[Segment]) -> SegmentTable:
    """Segments in capture order → the table the decoder would make of them."""
    flows: dict[tuple[Endpoint, Endpoint], int] = {}
    columns: dict[str, list[int]] = {
        name: [] for name in ("flow", "forward", "header", "payload", "length", "wire")
    }
    buffer = bytearray()
    for segment in segments:
        low, high = sorted(segment.flow)
        columns["flow"].append(flows.setdefault((low, high), len(flows)))
        columns["forward"].append(segment.flow[0] == low)
        options = segment.options + b"\0" * (-len(segment.options) % 4)
        buffer += bytes(12) + bytes([(20 + len(options)) // 4 << 4]) + bytes(7) + options
        columns["header"].append(20 + len(options))
        columns["payload"].append(len(buffer))
        buffer += segment.data
        columns["length"].append(len(segment.data) - segment.cut)
        columns["wire"].append(len(segment.data))
    count = len(segments)

    def of(values: list[int], dtype: type) -> np.ndarray:
        return np.array(values, dtype)

    return SegmentTable(
        frame=np.arange(1, count + 1, dtype=np.uint32),
        time_ns=of([s.time_ns for s in segments], np.int64),
        flow=of(columns["flow"], np.uint32),
        forward=of(columns["forward"], np.bool_),
        seq=of([s.seq for s in segments], np.uint32),
        ack=of([s.ack for s in segments], np.uint32),
        flags=of([s.flags for s in segments], np.uint8),
        window=of([s.window for s in segments], np.uint16),
        ttl=np.full(count, 64, np.uint8),
        buffer=np.zeros(count, np.uint8),
        header=of(columns["header"], np.uint8),
        payload=of(columns["payload"], np.int64),
        length=of(columns["length"], np.uint32),
        wire_length=of(columns["wire"], np.uint32),
        buffers=[bytes(buffer)],
        flows=FlowTable.of(flows),
        flow_network=np.zeros(len(flows), np.uint16),
        networks=[""],
        counts=PacketCounts(count, count),
    )


def contents(streams: StreamTable, stream: int) -> list[tuple[int, bytes]]:
    """A stream as (offset, bytes) of its contiguous runs: what a Gap separates."""
    runs: list[tuple[int, bytes]] = []
    for i in streams.pieces(stream):
        at, length, start = int(streams.payload[i]), int(streams.length[i]), int(streams.start[i])
        octets = bytes(streams.buffers[int(streams.buffer[i])][at : at + length])
        if runs and runs[-1][0] + len(runs[-1][1]) == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + octets)
        else:
            runs.append((start, octets))
    return runs
