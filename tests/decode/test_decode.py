"""Records → segments: who speaks to whom, what they carry, and a reason for every packet that is no
segment.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, CookedLinux, Dot1Q, Ether
from scapy.packet import Packet

from lbtrace import decode
from lbtrace.tables.packets import SegmentTable
from tests.capture.files import pcap, read

MAC = "02:00:00:00:00:01"
REQUEST = (
    IP(src="192.168.0.5", dst="3.35.166.21", ttl=63)
    / TCP(sport=50000, dport=80, seq=7, ack=9, flags="PA", window=512)
    / b"GET / HTTP/1.1\r\n\r\n"
)
REPLY = IP(src="3.35.166.21", dst="192.168.0.5") / TCP(
    sport=80, dport=50000, seq=9, ack=25, flags="A"
)


def segments(tmp_path: Path, packets: list[Packet], network: int = 1) -> SegmentTable:
    made = [
        (1_700_000_000_000_000_000 + i * 1000, bytes(packet)) for i, packet in enumerate(packets)
    ]
    table = decode.segments(read(tmp_path, pcap(made, network=network)), lambda _what, _part: None)
    assert (
        table.counts.read
        == len(packets)
        == table.counts.decoded + sum(n for _, n in table.counts.skipped)
    )
    return table


def payload(table: SegmentTable, row: int) -> bytes:
    at = int(table.payload[row])
    return bytes(table.buffers[int(table.buffer[row])][at : at + int(table.length[row])])


LINKS = {
    "ethernet": (1, Ether(src="00:00:00:00:00:01", dst="00:00:00:00:00:02")),
    "vlan": (1, Ether(src="00:00:00:00:00:01", dst="00:00:00:00:00:02") / Dot1Q(vlan=10)),
    "qinq": (
        1,
        Ether(src="00:00:00:00:00:01", dst="00:00:00:00:00:02", type=0x88A8)
        / Dot1Q(vlan=10)
        / Dot1Q(vlan=20),
    ),
    "linux-sll": (113, CookedLinux(proto=0x0800)),
    "raw": (101, None),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_request_and_its_reply(tmp_path: Path, name: str) -> None:
    number, header = LINKS[name]
    table = segments(tmp_path, [header / p if header else p for p in (REQUEST, REPLY)], number)
    assert [tuple(map(str, flow)) for flow in table.flows] == [
        ("3.35.166.21:80", "192.168.0.5:50000")
    ]
    assert table.forward.tolist() == [False, True]
    assert payload(table, 0) == b"GET / HTTP/1.1\r\n\r\n"
    assert payload(table, 1) == b""
    assert (
        int(table.seq[0]),
        int(table.ack[0]),
        int(table.flags[0]),
        int(table.window[0]),
        int(table.ttl[0]),
    ) == (7, 9, 0x18, 512, 63)
    assert table.networks[int(table.flow_network[0])] == {
        "vlan": "vlan 10",
        "qinq": "vlan 10 / vlan 20",
    }.get(name, "")


def test_ethernet_padding_is_no_payload(tmp_path: Path) -> None:
    table = segments(
        tmp_path,
        [
            Ether(src=MAC, dst=MAC) / REPLY / b"",
            Ether(bytes(Ether(src=MAC, dst=MAC) / REPLY) + bytes(6)),
        ],
    )
    assert table.length.tolist() == [0, 0]


def test_ipv6(tmp_path: Path) -> None:
    table = segments(
        tmp_path,
        [
            Ether(src=MAC, dst=MAC)
            / IPv6(src="2001:db8::1", dst="::1")
            / TCP(sport=1, dport=2)
            / b"x"
        ],
    )
    assert [tuple(map(str, flow)) for flow in table.flows] == [("[::1]:2", "[2001:db8::1]:1")]
    assert payload(table, 0) == b"x"


def test_what_is_no_tcp_is_counted_by_reason(tmp_path: Path) -> None:
    table = segments(
        tmp_path,
        [
            Ether(src=MAC, dst=MAC) / ARP(),
            Ether(src=MAC, dst=MAC) / IP() / UDP(dport=53) / b"q",
            Ether(src=MAC, dst=MAC) / IP() / ICMP(),
            Ether(src=MAC, dst=MAC) / REPLY,
        ],
    )
    assert dict(table.counts.skipped) == {"arp": 1, "udp": 1, "icmp": 1}


def test_http3_is_told_to_be_there_and_not_read(tmp_path: Path) -> None:
    quic: list[Packet] = [
        Ether(src=MAC, dst=MAC) / network / UDP(sport=ports[0], dport=ports[1]) / (b"q" * 40)
        for network in (IP(), IPv6())
        for ports in ((50000, 53), (50000, 443), (443, 50000))
    ]
    table = segments(tmp_path, quic)
    assert dict(table.counts.skipped) == {"udp port 443": 4, "udp": 2}
    (told,) = [d for d in table.diagnostics if d.slug == "http3-not-read"]
    assert (told.count, told.frame) == (4, 2)
    assert told.text.startswith("4 UDP packets to or from port 443: HTTP/3")


def test_the_first_packet_of_http3_is_known_on_either_path(tmp_path: Path) -> None:
    """One in a tunnel is read one by one, a plain one with all others."""
    plain = Ether(src=MAC, dst=MAC) / IP() / UDP(dport=443) / (b"q" * 40)
    inside = Ether(src=MAC, dst=MAC) / IP(proto=4) / IP() / UDP(dport=443) / (b"q" * 40)
    other = Ether(src=MAC, dst=MAC) / IP() / UDP(dport=53) / (b"q" * 40)
    for packets, first in (
        ([other, inside, plain], 2),
        ([other, other, plain, inside, plain], 3),
        ([inside], 1),
    ):
        table = segments(tmp_path, list(packets))
        (told,) = [d for d in table.diagnostics if d.slug == "http3-not-read"]
        assert (told.frame, told.count) == (first, sum(p is not other for p in packets))


def test_offload_leaves_the_total_length_0(tmp_path: Path) -> None:
    packet = bytearray(bytes(Ether(src=MAC, dst=MAC) / REQUEST))
    packet[16:18] = b"\0\0"
    table = segments(tmp_path, [Ether(bytes(packet))])
    assert payload(table, 0) == b"GET / HTTP/1.1\r\n\r\n"
    assert int(table.wire_length[0]) == 18


def test_checksums_never_reject(tmp_path: Path) -> None:
    wrong = (
        IP(src="10.0.0.1", dst="10.0.0.2", chksum=0xDEAD)
        / TCP(sport=1, dport=2, chksum=0xBEEF)
        / b"x"
    )
    assert payload(segments(tmp_path, [Ether(src=MAC, dst=MAC) / wrong]), 0) == b"x"


@pytest.mark.parametrize(("captured", "length"), [(60, 6), (54, 0), (72, 18)])
def test_a_snapshot_length_is_told_apart_from_the_packet(
    tmp_path: Path, captured: int, length: int
) -> None:
    packet = bytes(Ether(src=MAC, dst=MAC) / REQUEST)
    record = struct.pack("<IIII", 1_700_000_000, 0, captured, len(packet)) + packet[:captured]
    table = decode.segments(read(tmp_path, pcap([]) + record), lambda _what, _part: None)
    assert (int(table.length[0]), int(table.wire_length[0])) == (length, 18)
    assert table.counts.truncated == (length < 18)


def test_options_cut_off_end_where_the_capture_ends(tmp_path: Path) -> None:
    records = b""
    for port in (5000, 5001):
        options = [("MSS", 1460), ("Timestamp", (1, 2))]
        syn = TCP(sport=port, flags="S", options=options)
        packet = bytes(Ether(src=MAC, dst=MAC) / IP() / syn)
        records += struct.pack("<IIII", 1_700_000_000, 0, 60, len(packet)) + packet[:60]
    table = decode.segments(read(tmp_path, pcap([]) + records), lambda _what, _part: None)
    assert table.header.tolist() == [26, 26]
    assert table.length.tolist() == [0, 0]
    assert table.wire_length.tolist() == [0, 0]
