"""Capture files → the same with damage: packets cut, left out, or at another time; and which packet
each was.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

HEADER = 24  # bytes of the header of a pcap file
LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")  # microseconds, nanoseconds


@dataclass(frozen=True)
class Record:
    """A packet of a pcap file: its number, time, length on the wire, captured bytes."""

    number: int
    seconds: int
    fraction: int
    wire: int
    data: bytes


Damage = Callable[[list[Record], str, Random], list[Record]]


def cut(size: int) -> Damage:
    """A snapshot length."""
    return lambda records, _side, _random: [
        Record(r.number, r.seconds, r.fraction, r.wire, r.data[:size]) for r in records
    ]


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
        Record(r.number, r.seconds + seconds * (side == "client"), r.fraction, r.wire, r.data)
        for r in records
    ]


def one_way(side_of: str, server: bool) -> Damage:
    """One side was captured in one direction only: what its servers sent, or what its clients sent.
    Ethernet and IPv4, as in the samples.
    """

    def damage(records: list[Record], side: str, _random: Random) -> list[Record]:
        if side != side_of:
            return records
        syns = (r.data for r in records if _flags(r.data) & 0x12 == 0x02)
        servers = {(data[30:34], data[_tcp(data) + 2 : _tcp(data) + 4]) for data in syns}
        return [
            r
            for r in records
            if ((r.data[26:30], r.data[_tcp(r.data) : _tcp(r.data) + 2]) in servers) == server
        ]

    return damage


def _tcp(data: bytes) -> int:
    """Where the TCP header begins."""
    return 14 + (data[14] & 15) * 4 if len(data) > 14 else 0


def _flags(data: bytes) -> int:
    return data[_tcp(data) + 13] if len(data) > _tcp(data) + 13 else 0


def damaged(path: Path, target: Path, damage: Damage, side: str, seed: int) -> list[int]:
    """Write a damaged copy of a pcap file; per frame of the copy its number in the original."""
    data = path.read_bytes()
    order = "<" if data[:4] in LITTLE else ">"
    records: list[Record] = []
    at = HEADER
    while at + 16 <= len(data):
        seconds, fraction, captured, wire = struct.unpack_from(order + "IIII", data, at)
        body = data[at + 16 : at + 16 + captured]
        records.append(Record(len(records) + 1, seconds, fraction, wire, body))
        at += 16 + captured
    kept = damage(records, side, Random(seed))
    heads = (struct.pack(order + "IIII", r.seconds, r.fraction, len(r.data), r.wire) for r in kept)
    parts = [head + r.data for head, r in zip(heads, kept, strict=True)]
    target.write_bytes(data[:HEADER] + b"".join(parts))
    return [r.number for r in kept]
