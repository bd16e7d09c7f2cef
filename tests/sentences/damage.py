"""Capture files → the same with damage: packets cut, left out, doubled, out of order, with flipped
bits, or at another time; and which packet each was.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

HEADER = 24  # bytes of the header of a pcap file
SECOND = 1_000_000_000
# the byte order and the unit of time, in ns, that the first bytes of a file name
MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


@dataclass(frozen=True)
class Record:
    """A packet of a pcap file: its number, time, length on the wire, captured bytes. `true`: no
    bit of it was changed.
    """

    number: int
    time_ns: int
    wire: int
    data: bytes
    true: bool = True

    def cut(self, size: int) -> Record:
        """Its first bytes."""
        return replace(self, data=self.data[:size])

    def at(self, time_ns: int) -> Record:
        """At another time; a file has none before 1970 and none after 2106."""
        return replace(self, time_ns=min(max(time_ns, 0), (1 << 32) * SECOND - 1))

    def flipped(self, bit: int) -> Record:
        """With one bit turned round."""
        data = bytearray(self.data)
        data[bit // 8] ^= 1 << bit % 8
        return replace(self, data=bytes(data), true=False)


Damage = Callable[[list[Record], str, Random], list[Record]]


def cut(size: int) -> Damage:
    """A snapshot length."""
    return lambda records, _side, _random: [r.cut(size) for r in records]


def lose(share: float) -> Damage:
    """Packets that the capture dropped, on both sides."""
    return lambda records, _side, random: [r for r in records if random.random() >= share]


def between(begin: float, end: float) -> Damage:
    """A capture that began late or ended early."""
    return lambda records, _side, _random: records[
        int(len(records) * begin) : int(len(records) * end)
    ]


def shift(seconds: int) -> Damage:
    """Another clock on the client side."""
    return lambda records, side, _random: [
        r.at(r.time_ns + seconds * SECOND * (side == "client")) for r in records
    ]


def set_forward(seconds: int) -> Damage:
    """The clock of both captures is set in the middle."""
    return lambda records, _side, _random: [
        r.at(r.time_ns + seconds * SECOND * (n >= len(records) // 2)) for n, r in enumerate(records)
    ]


def disordered(within_ns: int) -> Damage:
    """Packets that queues stamped late, each by its own time, in the order of their times."""

    def damage(records: list[Record], _side: str, random: Random) -> list[Record]:
        late = [r.at(r.time_ns + random.randrange(within_ns)) for r in records]
        return sorted(late, key=lambda r: r.time_ns)

    return damage


def answers_late(by_ns: int) -> Damage:
    """What servers sent was stamped late, in the order of the times. Ethernet and IPv4."""

    def damage(records: list[Record], _side: str, _random: Random) -> list[Record]:
        servers = _servers(records)
        late = [r.at(r.time_ns + by_ns * (_source(r.data) in servers)) for r in records]
        return sorted(late, key=lambda r: r.time_ns)

    return damage


def one_way(side_of: str, server: bool) -> Damage:
    """One side was captured in one direction only: what its servers sent, or what its clients sent.
    Ethernet and IPv4, as in the samples.
    """

    def damage(records: list[Record], side: str, _random: Random) -> list[Record]:
        if side != side_of:
            return records
        servers = _servers(records)
        return [r for r in records if (_source(r.data) in servers) == server]

    return damage


def _servers(records: list[Record]) -> set[tuple[bytes, bytes]]:
    """The address and port that each SYN goes to."""
    syns = (r.data for r in records if _flags(r.data) & 0x12 == 0x02)
    return {(data[30:34], data[_tcp(data) + 2 : _tcp(data) + 4]) for data in syns}


def _source(data: bytes) -> tuple[bytes, bytes]:
    """The address and port that a packet comes from."""
    return data[26:30], data[_tcp(data) : _tcp(data) + 2]


def _tcp(data: bytes) -> int:
    """Where the TCP header begins."""
    return 14 + (data[14] & 15) * 4 if len(data) > 14 else 0


def _flags(data: bytes) -> int:
    return data[_tcp(data) + 13] if len(data) > _tcp(data) + 13 else 0


def records_of(data: bytes) -> list[Record]:
    """The packets of a pcap file."""
    order, unit_ns = MAGIC[data[:4]]
    records: list[Record] = []
    at = HEADER
    while at + 16 <= len(data):
        seconds, fraction, captured, wire = struct.unpack_from(order + "IIII", data, at)
        time_ns = seconds * SECOND + fraction * unit_ns
        body = data[at + 16 : at + 16 + captured]
        records.append(Record(len(records) + 1, time_ns, wire, body))
        at += 16 + captured
    return records


def pcap_of(header: bytes, records: Iterable[Record]) -> bytes:
    """Packets as a pcap file that begins with the header of another one."""
    order, unit_ns = MAGIC[header[:4]]
    parts = [header[:HEADER]]
    for r in records:
        seconds, rest_ns = divmod(r.time_ns, SECOND)
        parts.append(struct.pack(order + "IIII", seconds, rest_ns // unit_ns, len(r.data), r.wire))
        parts.append(r.data)
    return b"".join(parts)


def damaged(path: Path, target: Path, damage: Damage, side: str, seed: int) -> list[int]:
    """Write a damaged copy of a pcap file; per frame of the copy its number in the original."""
    data = path.read_bytes()
    kept = damage(records_of(data), side, Random(seed))
    target.write_bytes(pcap_of(data, kept))
    return [r.number for r in kept]
