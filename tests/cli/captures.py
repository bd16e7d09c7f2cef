"""Tiny captures, made byte by byte: what the bad-input tests feed to the command line."""

from __future__ import annotations

import struct
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def pcap(*packets: bytes, link_type: int = 1) -> bytes:
    """Ethernet packets, a millisecond apart → a pcap file."""
    records = [
        struct.pack("<IIII", 1_700_000_000, i * 1000, len(p), len(p)) + p
        for i, p in enumerate(packets)
    ]
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type) + b"".join(records)


def arp() -> bytes:
    """An ARP request."""
    return b"\xff" * 6 + b"\x02" * 6 + b"\x08\x06" + bytes(28)


def tcp(
    source: tuple[str, int],
    target: tuple[str, int],
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
) -> bytes:
    """One TCP segment over IPv4 over Ethernet."""
    segment = (
        struct.pack(">HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 64240, 0, 0)
        + payload
    )
    addresses = bytes(map(int, source[0].split("."))) + bytes(map(int, target[0].split(".")))
    packet = (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0) + addresses + segment
    )
    return b"\x02" * 12 + b"\x08\x00" + packet


def conversation(
    client: tuple[str, int], server: tuple[str, int], *turns: tuple[bytes, bytes], isn: int = 1000
) -> list[bytes]:
    """Handshake, then each (what the client sends, what the server answers)."""
    a, b = isn, isn + 5_000_000
    packets = [
        tcp(client, server, a, 0, 2),
        tcp(server, client, b, a + 1, 18),
        tcp(client, server, a + 1, b + 1, 16),
    ]
    a, b = a + 1, b + 1
    for asked, answered in turns:
        packets.append(tcp(client, server, a, b, 24, asked))
        a += len(asked)
        packets.append(tcp(server, client, b, a, 24, answered))
        b += len(answered)
    return packets


def client_hello(server_name: bytes = b"secret.example") -> bytes:
    """A TLS 1.2 ClientHello record with SNI and ALPN http/1.1."""
    sni = struct.pack(">HBH", len(server_name) + 3, 0, len(server_name)) + server_name
    alpn = b"\x00\x09\x08http/1.1"
    extensions = struct.pack(">HH", 0, len(sni)) + sni + struct.pack(">HH", 16, len(alpn)) + alpn
    hello = (
        b"\x03\x03"
        + bytes(range(32))
        + b"\x00"
        + b"\x00\x02\x13\x01"
        + b"\x01\x00"
        + struct.pack(">H", len(extensions))
        + extensions
    )
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return b"\x16\x03\x01" + struct.pack(">H", len(handshake)) + handshake


HTTP_TURN = (
    b"GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
)
