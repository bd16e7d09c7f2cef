"""Every link type and every tunnel: the same request, found behind each header."""

from __future__ import annotations

import pkgutil
import struct
import zlib
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from lbtrace import decode
from lbtrace.decode import link as links
from lbtrace.decode import tunnel as tunnels
from lbtrace.tables.packets import SegmentTable
from tests.capture.files import pcap, read

BODY = b"GET / HTTP/1.1\r\n\r\n"
FOUR = bytes(IP(src="10.0.0.9", dst="10.0.0.1", id=5) / TCP(sport=50000, dport=80, seq=1) / BODY)
SIX = bytes(IPv6(src="2001:db8::9", dst="2001:db8::1") / TCP(sport=50000, dport=80, seq=1) / BODY)
MACS = bytes.fromhex("020000000001020000000002")
FRAME = MACS + b"\x08\x00" + FOUR
SNAP = b"\xaa\xaa\x03\0\0\0\x08\x00"
WLAN = b"\x08\x02\0\0" + bytes(20) + SNAP
QOS = b"\x88\x02\0\0" + bytes(20) + b"\0\0" + SNAP
AGGREGATE = b"\x88\x02\0\0" + bytes(20) + b"\x80\0"
SUBFRAME = MACS + struct.pack(">H", len(SNAP + FOUR)) + SNAP + FOUR
ONE_IN_AGGREGATE = AGGREGATE + SUBFRAME + b"\0\0\1\2\3\4"  # padding, frame check sequence

# file in decode/link → (link type number, packet) …
LINKS: dict[str, list[tuple[int, bytes]]] = {
    "arcnet": [
        (129, b"\1\2\0\0\xf0" + FOUR),
        (129, b"\1\2\0\0\xd4\0\0\1" + FOUR),
        (7, b"\1\2\xf0" + FOUR),
    ],
    "atm": [(100, SNAP + FOUR), (123, bytes(4) + SNAP + FOUR)],
    "cisco_hdlc": [(104, b"\x0f\0\x08\0" + FOUR), (205, b"\1\x0f\0\x08\0" + FOUR)],
    "dsa": [
        (281, MACS + bytes(4) + b"\x08\0" + FOUR),
        (282, bytes(4) + FRAME),
        (284, MACS + bytes(4) + b"\x08\0" + FOUR),
        (285, MACS + b"\xda\xda" + bytes(6) + b"\x08\0" + FOUR),
    ],
    "enc": [(109, struct.pack("<III", 2, 7, 0) + FOUR)],
    "erf": [
        (197, bytes(8) + b"\x02\x04\0\0\0\0\0\0" + bytes(2) + FRAME),
        (197, bytes(8) + b"\x96\0\0\0\0\0\0\0" + bytes(8) + FOUR),
    ],
    "ethernet": [
        (1, FRAME),
        (1, MACS + b"\x86\xdd" + SIX),
        (1, MACS + struct.pack(">H", len(FOUR) + 8) + SNAP + FOUR),
    ],
    "ethernet_analyzer": [
        (240, bytes(4) + FRAME),
        (241, bytes(12) + FRAME),
        (274, bytes(8) + FRAME),
    ],
    "fddi": [(10, b"\x50" + MACS + SNAP + FOUR)],
    "frame_relay": [
        (107, b"\x18\x41\x03\xcc" + FOUR),
        (107, b"\x18\x41\x08\x00" + FOUR),
        (107, b"\x18\x41\x03\0\x80\0\0\0\x08\0" + FOUR),
        (206, b"\1\x18\x41\x08\x00" + FOUR),
    ],
    "ieee1394": [(138, bytes(16) + b"\x08\x00" + FOUR)],
    "ieee80211": [
        (105, WLAN + FOUR),
        (105, QOS + FOUR),
        (105, b"\x08\x03\0\0" + bytes(26) + SNAP + FOUR),
        (105, ONE_IN_AGGREGATE),
    ],
    "ip_over_fibre_channel": [(122, bytes(16) + SNAP + FOUR)],
    "ip_over_infiniband": [(242, bytes(40) + b"\x08\0\0\0" + FOUR)],
    "ipnet": [(226, bytes(24) + FOUR)],
    "juniper": [
        (178, b"MGC\x80\0\x04\0\0\0\0" + FRAME),
        (179, b"MGC\0\xff\x03\0\x21" + FOUR),
        (181, b"MGC\x01\x0f\0\x08\0" + FOUR),
    ],
    "linux_sll": [
        (113, bytes(14) + b"\x08\0" + FOUR),
        (113, bytes(14) + b"\x81\0\0\x07\x86\xdd" + SIX),
    ],
    "linux_sll2": [(276, b"\x08\0" + bytes(18) + FOUR), (276, b"\x86\xdd" + bytes(18) + SIX)],
    "nflog": [
        (
            239,
            b"\2\0\0\0"
            + struct.pack("<HHI", 8, 1, 0)
            + struct.pack("<HH", len(FOUR) + 4, 9)
            + FOUR,
        )
    ],
    "null": [
        (0, b"\2\0\0\0" + FOUR),
        (0, b"\0\0\0\x1e" + SIX),
        (108, b"\0\0\0\2" + FOUR),
        (0, b"\x1c\0\0\0" + SIX),
    ],
    "pflog": [(117, b"\x3d\2" + bytes(62) + FOUR)],
    "pktap": [
        (258, struct.pack("<III", 108, 1, 1) + bytes(96) + FRAME),
        (149, struct.pack("<III", 108, 1, 101) + bytes(96) + SIX),
    ],
    "ppi": [(192, struct.pack("<BBHI", 0, 0, 8, 105) + WLAN + FOUR)],
    "ppp": [
        (9, b"\xff\x03\0\x21" + FOUR),
        (9, b"\x21" + FOUR),
        (50, b"\x0f\0\x86\xdd" + SIX),
        (51, b"\x11\0\0\1\0\0\0\x57" + SIX),
    ],
    "ppp_direction": [(204, b"\1\xff\x03\0\x21" + FOUR), (166, b"\0\x03\0\x21" + FOUR)],
    "prism": [
        (119, bytes(144) + WLAN + FOUR),
        (163, b"\x80\x21\x10\x01\0\0\0\x40" + bytes(56) + WLAN + FOUR),
    ],
    "radiotap": [(127, b"\0\0\x0c\0" + bytes(8) + WLAN + FOUR)],
    "raw": [(101, FOUR), (12, SIX), (14, FOUR), (228, FOUR), (229, SIX)],
    "slip": [(8, bytes(16) + FOUR), (8, FOUR)],
    "token_ring": [
        (6, b"\x10\x40" + MACS + SNAP + FOUR),
        (6, b"\x10\x40" + MACS[:6] + b"\x82" + MACS[7:] + b"\x06\0\1\2\3\4" + SNAP + FOUR),
    ],
}


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


def deflated(data: bytes) -> bytes:
    """RFC 1951."""
    return zlib.compress(data, wbits=-15)


ERSPAN_2 = b"\x10\0\x88\xbe\0\0\0\1\x10\x05\x00\x07\0\0\0\0"
ERSPAN_3 = b"\x10\0\x22\xeb\0\0\0\1\x20\x05\x00\x07" + bytes(6)

# file in decode/tunnel → (packet on Ethernet, network) …
TUNNELS: dict[str, list[tuple[bytes, str]]] = {
    "ah": [
        (v4(51, b"\x06\x04\0\0" + bytes(20) + FOUR[20:]), ""),
        (v6(51, b"\x06\x04\0\0" + bytes(20) + FOUR[20:]), ""),
    ],
    "ayiya": [(udp(5072, b"\x42\x52\x11\x29" + bytes(4 + 16 + 20) + SIX), "ayiya")],
    "capwap": [
        (udp(5247, b"\0\x10\2\0" + bytes(4) + FRAME), "capwap"),
        (udp(5247, b"\0\x10\3\0" + bytes(4) + b"\2\x08" + WLAN[2:] + FOUR), "capwap"),
    ],
    "fabricpath": [
        (MACS + b"\x89\x03\0\1" + FRAME, ""),
        (MACS + b"\x22\xf3\0\x40" + bytes(8) + FRAME, ""),
    ],
    "geneve": [
        (udp(6081, b"\0\0\x65\x58\0\0\x09\0" + FRAME), "geneve 9"),
        (udp(6081, b"\x02\0\x08\0\0\0\x09\0" + bytes(8) + FOUR), "geneve 9"),
    ],
    "gre": [
        (v4(47, b"\0\0\x08\0" + FOUR), "gre"),
        (v4(47, b"\xb0\0\x86\xdd" + bytes(4) + b"\0\0\0\x05" + bytes(4) + SIX), "gre 5"),
        (v6(47, b"\0\0\x65\x58" + FRAME), "gre"),
        (v4(47, b"\x30\x81\x88\x0b\0\0\0\5\0\0\0\1\0\0\0\1\xff\x03\0\x21" + FOUR), "gre"),
        (v4(47, b"\0\0\x88\xbe" + FRAME), "gre"),
        (v4(47, ERSPAN_2 + FRAME), "erspan 7"),
        (v4(47, ERSPAN_3 + b"\0\0" + FRAME), "erspan 7"),
        (v4(47, ERSPAN_3 + b"\0\1" + bytes(8) + FRAME), "erspan 7"),
        (udp(4754, b"\0\0\x08\0" + FOUR), "gre"),
    ],
    "gtp": [
        (udp(2152, struct.pack(">BBHI", 0x30, 0xFF, len(FOUR), 77) + FOUR), "gtp-u"),
        (
            udp(
                2152,
                struct.pack(">BBHI", 0x34, 0xFF, len(SIX) + 8, 77) + b"\0\0\0\x85\1\0\0\0" + SIX,
            ),
            "gtp-u",
        ),
    ],
    "ipip": [
        (v4(4, FOUR), "ip-in-ip"),
        (v4(41, SIX), "ip-in-ip"),
        (v6(4, FOUR), "ip-in-ip"),
        (v6(41, SIX), "ip-in-ip"),
    ],
    "ipcomp": [
        (v4(108, b"\x06\0\0\2" + deflated(FOUR[20:])), ""),
        (v4(108, b"\x04\0\0\2" + deflated(FOUR)), "ip-in-ip"),
        (v6(108, b"\x29\0\x12\x34" + deflated(SIX)), "ip-in-ip"),
    ],
    "l2tp": [
        (udp(1701, b"\0\2\0\1\0\2\xff\x03\0\x21" + FOUR), "l2tp"),
        (udp(1701, b"\x4a\2\0\x20\0\1\0\2\0\0\0\0\0\2\xee\xee\0\x21" + FOUR), "l2tp"),
        (udp(1701, b"\0\3\0\0\0\0\0\5" + FRAME), "l2tp"),
    ],
    "l2tp_ip": [
        (v4(115, b"\0\0\0\5" + FRAME), "l2tp"),
        (v4(115, b"\0\0\0\5" + bytes(8) + FRAME), "l2tp"),
    ],
    "lisp": [(udp(4341, b"\x08\0\0\0\0\0\x03\0" + FOUR), "lisp 3")],
    "macsec": [
        (MACS + b"\x88\xe5\0\0\0\0\0\1\x08\0" + FOUR + bytes(16), ""),
        (MACS + b"\x88\xe5\x20\0\0\0\0\1" + bytes(8) + b"\x08\0" + FOUR, ""),
    ],
    "mpls": [
        (MACS + b"\x88\x47\0\0\x10\x40\0\0\x21\x40" + FOUR, ""),
        (MACS + b"\x88\x47\0\0\x11\x40\0\0\0\0" + FRAME, ""),
        (v4(137, b"\0\0\x11\x40" + SIX), ""),
        (udp(6635, b"\0\0\x11\x40" + FOUR), ""),
    ],
    "nsh": [
        (MACS + b"\x89\x4f\0\x02\x02\x01" + bytes(4) + FOUR, ""),
        (MACS + b"\x89\x4f\0\x02\x02\x03" + bytes(4) + FRAME, ""),
    ],
    "pppoe": [
        (
            MACS
            + b"\x88\x64\x11\0\0\x09"
            + struct.pack(">H", len(FOUR) + 2)
            + b"\0\x21"
            + FOUR
            + bytes(4),
            "pppoe 9",
        )
    ],
    "provider_backbone": [(MACS + b"\x88\xe7\0\0\0\x0c" + FRAME, "service 12")],
    "switch_tags": [
        (MACS + b"\x89\x26\0\0\0\0\x08\0" + FOUR, ""),
        (MACS + b"\x89\x2f\0\0\0\0\x08\0" + FOUR, ""),
        (MACS + b"\x89\x09\1\1\0\1\0\2\x08\0" + FOUR, ""),
    ],
    "teredo": [
        (udp(3544, SIX), "teredo"),
        (udp(3544, b"\0\1\0\0" + bytes(9) + b"\0\0" + bytes(6) + SIX), "teredo"),
    ],
    "vlan": [
        (MACS + b"\x81\0\x20\x07\x08\0" + FOUR, "vlan 7"),
        (MACS + b"\x88\xa8\0\x07\x81\0\0\x08\x08\0" + FOUR, "vlan 7 / vlan 8"),
        (MACS + b"\x91\0\0\x07\x92\0\0\x08\x81\0\0\x09\x08\0" + FOUR, "vlan 7 / vlan 8 / vlan 9"),
    ],
    "vxlan": [
        (udp(4789, b"\x08\0\0\0\0\0\x07\0" + FRAME), "vxlan 7"),
        (
            udp(8472, b"\x08\0\0\0\0\0\x07\0" + MACS + b"\x81\0\0\x03\x08\0" + FOUR),
            "vxlan 7 / vlan 3",
        ),
        (udp(4790, b"\x0c\0\0\1\0\0\x07\0" + FOUR), "vxlan 7"),
        (udp(4789, b"\xff\1\2\xf2\0\0\x07\xff" + FRAME), "vxlan 7"),
        (udp(4790, b"\x0c\0\0\3\0\0\x07\0" + FRAME), "vxlan 7"),
        (udp(4790, b"\x0c\0\0\4\0\0\x07\0\0\2\2\1" + bytes(4) + FOUR), "vxlan 7"),
        (udp(4790, b"\x0c\0\0\5\0\0\x07\0\0\0\x11\x40" + FOUR), "vxlan 7"),
    ],
}


def names_of(path: list[str]) -> set[str]:
    return {module.name for module in pkgutil.iter_modules(path)}


def one(tmp_path: Path, number: int, packet: bytes) -> SegmentTable:
    table = decode.segments(
        read(tmp_path, pcap([(1_700_000_000_000_000_000, packet)], network=number)),
        lambda _what, _part: None,
    )
    assert table.counts.skipped == ()
    at = int(table.payload[0])
    assert bytes(table.buffers[int(table.buffer[0])][at : at + int(table.length[0])]) == BODY
    assert int(table.wire_length[0]) == len(BODY)
    assert {end.port for end in table.flows[0]} == {50000, 80}
    return table


def test_every_link_type_has_a_packet_here() -> None:
    assert set(LINKS) == names_of(list(links.__path__))
    for name, cases in LINKS.items():
        stated = {
            number
            for number, link in links.registry().items()
            if link.__name__.endswith("." + name)
        }  # type: ignore[attr-defined]
        assert {number for number, _ in cases} <= stated


@pytest.mark.parametrize(("number", "packet"), [case for cases in LINKS.values() for case in cases])
def test_link_types(tmp_path: Path, number: int, packet: bytes) -> None:
    assert one(tmp_path, number, packet).counts.decoded == 1


def test_every_tunnel_has_a_packet_here() -> None:
    assert set(TUNNELS) == names_of(list(tunnels.__path__))


@pytest.mark.parametrize(
    ("name", "packet", "network"),
    [(name, *case) for name, cases in TUNNELS.items() for case in cases],
)
def test_tunnels(tmp_path: Path, name: str, packet: bytes, network: str) -> None:
    table = one(tmp_path, 1, packet)
    assert table.networks[int(table.flow_network[0])] == network
    peeled = dict(table.counts.peeled)
    module = next(m for m in tunnels.modules() if m.__name__.endswith("." + name))
    assert module.NAME in peeled


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (v4(50, bytes(40)), "esp (encrypted)"),
        (udp(4500, bytes(40)), "esp (encrypted)"),
        (v4(108, b"\x06\0\0\2" + bytes([0xFF] * 40)), "ipcomp (compressed)"),
        (v4(108, b"\x06\0\0\3" + deflated(FOUR[20:])), "ipcomp (compressed)"),
        (MACS + b"\x88\xe5\x0c\0\0\0\0\1" + bytes(60), "macsec (encrypted)"),
        (udp(5247, b"\x01\0\0\0" + bytes(60)), "capwap (encrypted)"),
        (v4(132, bytes(40)), "sctp"),
        (v4(200, bytes(40)), "ip protocol 200"),
        (MACS + b"\x12\x34" + bytes(60), "ethertype 0x1234"),
        (MACS + b"\0\x26\x42\x42\x03" + bytes(60), "stp"),
        (udp(4789, bytes(60)), "udp"),
        (MACS + b"\x08\0" + b"\x15" + bytes(60), "malformed-ip"),
        (v4(6, bytes(40)), "malformed-tcp"),
        (FRAME[:40], "truncated-headers"),
    ],
)
def test_what_cannot_be_read_is_counted_by_reason(
    tmp_path: Path, packet: bytes, reason: str
) -> None:
    table = decode.segments(
        read(tmp_path, pcap([(1_700_000_000_000_000_000, packet)])), lambda _what, _part: None
    )
    assert dict(table.counts.skipped) == {reason: 1}


def test_unknown_link_types_are_counted_by_number_and_name(tmp_path: Path) -> None:
    table = decode.segments(
        read(tmp_path, pcap([(1_700_000_000_000_000_000, bytes(60))], network=189)),
        lambda _what, _part: None,
    )
    assert dict(table.counts.skipped) == {"link type 189 (USB (Linux))": 1}


def test_an_aggregate_of_several_frames_is_counted(tmp_path: Path) -> None:
    two = AGGREGATE + SUBFRAME + bytes(-len(SUBFRAME) % 4) + SUBFRAME
    table = decode.segments(
        read(tmp_path, pcap([(1_700_000_000_000_000_000, two)], network=105)),
        lambda _what, _part: None,
    )
    assert dict(table.counts.skipped) == {"wlan-aggregate": 1}


def test_compressed_packets_may_not_become_more_than_a_capture_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lbtrace.decode.fragments.MOST_UNPACKED", 100_000)
    bomb = v4(108, b"\x06\0\0\2" + deflated(FOUR[20:40] + bytes(1_000_000)))
    packets = [(1_700_000_000_000_000_000 + i, bomb) for i in range(5)]
    table = decode.segments(read(tmp_path, pcap(packets)), lambda _what, _part: None)
    assert table.counts.decoded == 2
    assert dict(table.counts.skipped) == {"ipcomp (compressed)": 3}
    assert len(table.buffers[1]) <= 2 * 65_535
