"""The packets of a capture point → the same packets, as long as before, without credentials.

    link, IP and TCP headers      stay; their addresses are others where that is asked for
    payload of TCP                as the plan of its stream says; so a byte that was sent twice, or
                                  stands in two files, is replaced in both
    anything else                 is zeros: what no TCP stream holds, fragments, other protocols,
                                  and what stands behind the packet in its frame

A segment that carries other bytes than its stream has at that place (RFC 9293 §3.4: overlapping
segments) is blanked as a whole. Checksums are changed by the difference (RFC 1624), so one that was
right is right again, and one that was wrong, or left to the network card, is wrong as before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np

from lbtrace.capture.writing import WrittenRecord
from lbtrace.decode import ip, udp_tunnels
from lbtrace.decode.dispatch import LINK_TYPES
from lbtrace.decode.packet import Cut, IpHeader, Packet, Skip
from lbtrace.decode.slow_path import MAX_STEPS
from lbtrace.redact.address_masks import AddressMask
from lbtrace.redact.stream_plan import StreamPlan
from lbtrace.tables.packets import NO_PACKET, SYN, Column, Recording, SegmentTable, StreamTable
from lbtrace.tables.sequence import distance
from lbtrace.tcp.reassemble import Pieces

_TCP_CHECKSUM: Final = 16
_UDP_CHECKSUM: Final = 6
_V4_CHECKSUM: Final = 10
_V4_BYTES: Final = 20
_ETHERNET: Final = 1
_COOKED: Final = {113: 6, 276: 12}  # link type → where the address of the sender is


@dataclass(slots=True)
class Blanked:
    """What was blanked, for the reader: bytes of streams, packets by why they are not read."""

    stream_bytes: int = 0
    conflicts: int = 0  # segments that disagree with their stream, or are in none
    packets: Counter[str] = field(default_factory=Counter)


class PointPackets:
    """Rewrites the packets of one capture point, in order."""

    def __init__(
        self,
        recording: Recording,
        segments: SegmentTable,
        streams: StreamTable,
        stream: Column,
        pieces: Pieces,
        addresses: AddressMask | None,
        key: bytes,
    ) -> None:
        self.records = recording.records
        self.buffers = recording.buffers
        self.segments = segments
        self.stream = stream
        self.addresses = addresses
        self.key = key
        self.blanked = Blanked()
        self.plans: dict[int, StreamPlan] = {}
        self._row = np.full(len(self.records) + 1, -1, np.int64)
        direct = np.flatnonzero(segments.buffer < len(recording.buffers))
        self._row[segments.frame[direct]] = direct
        self._bounds = streams.first.tolist()
        self._starts = streams.start.tolist()
        self._lengths = streams.length.tolist()
        self._payloads = streams.payload.tolist()
        self._in_buffer = streams.buffer.tolist()
        self._piece_row = pieces.row
        self._of_row: dict[int, list[int]] = {}
        for piece, row in enumerate(pieces.row.tolist()):
            self._of_row.setdefault(row, []).append(piece)
        self._skips = pieces.skip.tolist()
        self._near: dict[int, int] = {}  # of each stream the piece that was met last

    def written(self) -> Iterator[tuple[int, WrittenRecord]]:
        """Every packet with the number of its file."""
        table = self.records
        columns = (table.offset, table.captured, table.wire, table.link, table.buffer)
        rows = zip(*(c.tolist() for c in columns), table.time_ns.tolist(), strict=True)
        for number, (offset, captured, wire, link, buffer, time_ns) in enumerate(rows):
            data = bytearray(self.buffers[buffer][offset : offset + captured])
            if data and link < NO_PACKET:
                self._rewrite(data, number, offset, wire, link)
            elif data:
                data = bytearray(len(data))
            yield buffer, WrittenRecord(time_ns, bytes(data), wire, link)

    def _rewrite(self, data: bytearray, number: int, offset: int, wire: int, link: int) -> None:
        row = int(self._row[number + 1])
        walk = None
        if row < 0 or self.addresses is not None:
            walk = _walk(bytes(data), wire, link)
        if row >= 0:
            self._segment(data, row, offset)
        elif walk is not None:
            self._other(data, walk)
        if walk is not None and self.addresses is not None:
            tcp = None
            if row >= 0:
                tcp = int(self.segments.payload[row]) - int(self.segments.header[row]) - offset
            self._addresses(data, walk, link, tcp)

    def _segment(self, data: bytearray, row: int, offset: int) -> None:
        """The payload of a segment, and what stands behind it."""
        payload = int(self.segments.payload[row]) - offset
        end = payload + int(self.segments.length[row])
        data[end:] = bytes(len(data) - end)
        if end == payload:
            return
        old = bytes(data[payload:end])
        new = self._payload(row, old)
        if new != old:
            data[payload:end] = new
            at = payload - int(self.segments.header[row]) + _TCP_CHECKSUM
            _mend(data, at, old, new)

    def _payload(self, row: int, old: bytes) -> bytes:
        stream = int(self.stream[row])
        begin = self._offset(row, stream)
        if begin is None or not self._agrees(row, stream, begin, old):
            self.blanked.conflicts += 1
            return b"x" * len(old)
        new, blanked = self.plans[stream].applied(begin, old)
        if row in self._of_row:
            self.blanked.stream_bytes += blanked
        return new

    def _offset(self, row: int, stream: int) -> int | None:
        """Where a segment begins in its stream."""
        own = self._of_row.get(row)
        first, last = self._bounds[stream], self._bounds[stream + 1]
        if first == last:
            return None
        near = own[0] if own else self._near.get(stream, first)
        begin = int(self._starts[near] - self._skips[near])
        if own:
            self._near[stream] = near
            return begin
        return begin + distance(self._sequence(row), self._sequence(int(self._piece_row[near])))

    def _sequence(self, row: int) -> int:
        flags = int(self.segments.flags[row])
        return int(self.segments.seq[row]) + bool(flags & SYN)

    def _agrees(self, row: int, stream: int, begin: int, data: bytes) -> bool:
        """Whether the stream has these bytes from `begin` on."""
        own = self._of_row.get(row, ())
        if len(own) == 1 and self._lengths[own[0]] == len(data):
            return True
        first, last = self._bounds[stream], self._bounds[stream + 1]
        at, end = begin, begin + len(data)
        piece = max(bisect_right(self._starts, begin, first, last) - 1, first)
        while at < end and piece < last and self._starts[piece] <= at:
            start = self._starts[piece]
            stop = min(start + self._lengths[piece], end)
            if stop > at:
                where = self._payloads[piece] + at - start
                buffer = self.segments.buffers[self._in_buffer[piece]]
                if bytes(buffer[where : where + stop - at]) != data[at - begin : stop - begin]:
                    return False
                at = stop
            piece += 1
        return at >= end

    def _other(self, data: bytearray, walk: _Walk) -> None:
        """A packet that is not read: all behind its headers is blanked."""
        kept = walk.end
        old = bytes(data[kept:])
        if any(old):
            self.blanked.packets[walk.reason] += 1
        data[kept:] = bytes(len(old))
        if walk.udp:
            _mend(data, kept - udp_tunnels.UDP_BYTES + _UDP_CHECKSUM, old, bytes(len(old)))

    def _addresses(self, data: bytearray, walk: _Walk, link: int, tcp: int | None) -> None:
        assert self.addresses is not None
        for at, six in walk.heads:
            innermost = (at, six) == walk.heads[-1]
            first, size = (at + 8, 16) if six else (at + 12, 4)
            old = bytes(data[first : first + 2 * size])
            if len(old) < 2 * size:
                continue
            new = self.addresses.packed(old[:size]) + self.addresses.packed(old[size:])
            data[first : first + 2 * size] = new
            if not six:
                _mend(data, at + _V4_CHECKSUM, old, new)
            if innermost and tcp is not None:
                _mend(data, tcp + _TCP_CHECKSUM, old, new)
            elif innermost and walk.udp:
                _mend(data, walk.end - udp_tunnels.UDP_BYTES + _UDP_CHECKSUM, old, new)
        if link == _ETHERNET:
            data[:6], data[6:12] = self._mac(bytes(data[:6])), self._mac(bytes(data[6:12]))
        elif link in _COOKED and len(data) >= _COOKED[link] + 6:
            at = _COOKED[link]
            data[at : at + 6] = self._mac(bytes(data[at : at + 6]))

    def _mac(self, address: bytes) -> bytes:
        """Another address of a network card; groups, and no address, stay."""
        if len(address) < 6 or address[0] & 1 or not any(address):
            return address
        drawn = blake2b(b"mac" + address, key=self.key, digest_size=6).digest()
        return bytes((drawn[0] & 0xFC | 0x02,)) + drawn[1:]


@dataclass(slots=True)
class _Walk:
    """The headers of a packet: where the IP headers begin (and whether of IPv6), where what is not
    read begins, why, and whether a UDP header stands in front of it.
    """

    heads: list[tuple[int, bool]]
    end: int
    reason: str
    udp: bool


def _walk(data: bytes, wire: int, link: int) -> _Walk:
    """`slow_path.dissect`, of which the way is kept."""
    packet = Packet(data, 0, len(data), max(wire, len(data)), link)
    outcome = LINK_TYPES[link]
    heads: list[tuple[int, bool]] = []
    reason, udp = "nested-too-deep", False
    try:
        for _ in range(MAX_STEPS):
            if isinstance(outcome, IpHeader):
                reason = "tcp"
                break
            if isinstance(outcome, Skip):
                reason = outcome.reason
                break
            if outcome in (ip.v4, ip.v6):
                heads.append((packet.at, outcome is ip.v6))
            udp, before = outcome is udp_tunnels.udp, packet.at
            outcome = outcome(packet)
            udp = udp and packet.at == before
    except Cut:
        reason, udp = "truncated-headers", False
    end = packet.at + (udp_tunnels.UDP_BYTES if udp else 0)
    if packet.made:
        end = heads[-1][0] + _V4_BYTES if heads else 0
    return _Walk(heads, min(end, len(data)), reason, udp and end <= len(data))


def _mend(data: bytearray, at: int, old: bytes, new: bytes) -> None:
    """Change the checksum at `at` by what these bytes, at an even place, became (RFC 1624 §3)."""
    if at + 2 > len(data):
        return
    there = int.from_bytes(data[at : at + 2])
    total = (~there & 0xFFFF) + _sum(new) + (~_sum(old) & 0xFFFF)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    data[at : at + 2] = (~total & 0xFFFF).to_bytes(2)


def _sum(data: bytes) -> int:
    """The ones' complement sum of 16-bit words (RFC 1071)."""
    total = int(np.frombuffer(data + bytes(len(data) % 2), ">u2").sum(dtype=np.uint64))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
