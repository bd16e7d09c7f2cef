"""One request in packets of every kind: the bytes, and what decoding makes of them."""

from __future__ import annotations

import struct
from pathlib import Path

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from lbtrace import decode
from lbtrace.tables.packets import SegmentTable
from tests.capture.files import pcap, read

NOW_NS = 1_700_000_000_000_000_000
BODY = b"GET / HTTP/1.1\r\n\r\n"
FOUR = bytes(IP(src="10.0.0.9", dst="10.0.0.1", id=5) / TCP(sport=50000, dport=80, seq=1) / BODY)
SIX = bytes(IPv6(src="2001:db8::9", dst="2001:db8::1") / TCP(sport=50000, dport=80, seq=1) / BODY)
MACS = bytes.fromhex("020000000001020000000002")
FRAME = MACS + b"\x08\x00" + FOUR
SNAP = b"\xaa\xaa\x03\0\0\0\x08\x00"
WLAN = b"\x08\x02\0\0" + bytes(20) + SNAP

Case = tuple[bytes, str, str]  # packet on Ethernet, how `peeled` counts it, network


def v4(protocol: int, inside: bytes) -> bytes:
    """An Ethernet frame with an IPv4 packet of that protocol."""
    header = struct.pack(
        ">BBHHHBBHII", 0x45, 0, 20 + len(inside), 1, 0, 64, protocol, 0, 0x01010101, 0x02020202
    )
    return MACS + b"\x08\x00" + header + inside


def v6(protocol: int, inside: bytes) -> bytes:
    """An Ethernet frame with an IPv6 packet of that protocol."""
    return (
        MACS
        + b"\x86\xdd"
        + struct.pack(">IHBB", 0x60000000, len(inside), protocol, 64)
        + bytes(32)
        + inside
    )


def udp(port: int, inside: bytes) -> bytes:
    """An Ethernet frame with a UDP datagram to that port."""
    return v4(17, struct.pack(">HHHH", 40000, port, 8 + len(inside), 0) + inside)


def table_of(tmp_path: Path, packets: list[bytes], link: int = 1) -> SegmentTable:
    """What decoding makes of the packets."""
    made = [(NOW_NS + i * 1000, packet) for i, packet in enumerate(packets)]
    table = decode.segments(read(tmp_path, pcap(made, network=link)), lambda _what, _part: None)
    assert table.counts.read == len(packets)
    assert table.counts.decoded + sum(n for _, n in table.counts.skipped) == len(packets)
    return table


def request_in(tmp_path: Path, packet: bytes, link: int = 1) -> SegmentTable:
    """What decoding makes of a packet that holds the request: nothing less, nothing more."""
    table = table_of(tmp_path, [packet], link)
    assert table.counts.skipped == ()
    at = int(table.payload[0])
    assert bytes(table.buffers[int(table.buffer[0])][at : at + int(table.length[0])]) == BODY
    assert int(table.wire_length[0]) == len(BODY)
    assert {end.port for end in table.flows[0]} == {50000, 80}
    return table


def reason(tmp_path: Path, packet: bytes, link: int = 1) -> str:
    """Why a packet is skipped."""
    [(why, count)] = table_of(tmp_path, [packet], link).counts.skipped
    assert count == 1
    return why


def network(table: SegmentTable) -> str:
    """The network of the only flow."""
    [number] = table.flow_network.tolist()
    return str(table.networks[number])
