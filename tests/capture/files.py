"""Captures made byte by byte, so that a test says exactly what is on disk."""

from __future__ import annotations

import struct
from pathlib import Path

from lbtrace import capture
from lbtrace.tables.packets import Recording


def pcap(
    packets: list[tuple[int, bytes]],
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    network: int = 1,
    snaplen: int = 262144,
    extra: bytes = b"",
    unit_ns: int = 1000,
    version: tuple[int, int] = (2, 4),
    wire: list[int] | None = None,
) -> bytes:
    """A pcap file of (time_ns, packet); `extra` follows each record header, as patched libpcaps
    wrote; `wire` are lengths on the wire.
    """
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, snaplen, network)
    for (time_ns, packet), length in zip(
        packets, wire or [len(packet) for _, packet in packets], strict=True
    ):
        seconds, rest = divmod(time_ns, 1_000_000_000)
        out += (
            struct.pack(order + "IIII", seconds, rest // unit_ns, len(packet), length)
            + extra
            + packet
        )
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """A pcapng option."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", options: bytes = b"") -> bytes:
    """A Section Header Block."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(link: int = 1, snaplen: int = 0, order: str = "<", options: bytes = b"") -> bytes:
    """An Interface Description Block."""
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(
    packet: bytes,
    ticks: int = 0,
    number: int = 0,
    order: str = "<",
    wire: int | None = None,
    options: bytes = b"",
) -> bytes:
    """An Enhanced Packet Block."""
    head = struct.pack(
        order + "IIIII",
        number,
        ticks >> 32,
        ticks & 0xFFFFFFFF,
        len(packet),
        len(packet) if wire is None else wire,
    )
    return block(6, head + packet + bytes(-len(packet) % 4) + options, order)


def read(tmp_path: Path, data: bytes, name: str = "a.pcap") -> Recording:
    """The recording of a file with these bytes."""
    path = tmp_path / name
    path.write_bytes(data)
    return capture.read([str(path)], lambda _what, _part: None)


def packets(recording: Recording) -> list[tuple[int, bytes]]:
    """(time_ns, captured bytes) of every record."""
    table = recording.records
    return [
        (int(t), bytes(recording.buffers[b][o : o + n]))
        for t, o, n, b in zip(
            table.time_ns, table.offset, table.captured, table.buffer, strict=True
        )
    ]
