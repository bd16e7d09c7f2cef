"""Mirrors that show each packet twice, and traffic that only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

from lbtrace import decode
from lbtrace.decode import duplicates
from lbtrace.tables.packets import SegmentTable
from tests.capture.files import pcap, read

MS = 1_000_000
MAC = "02:00:00:00:00:01"
Timed = tuple[int, Packet]


def table(tmp_path: Path, packets: list[Timed]) -> SegmentTable:
    made = [
        (1_700_000_000_000_000_000 + at, bytes(Ether(src=MAC, dst=MAC) / packet))
        for at, packet in packets
    ]
    return decode.segments(
        read(tmp_path, pcap(made, magic=0xA1B23C4D, unit_ns=1)), lambda _what, _part: None
    )


def conversation(ip_ids: bool = True, count: int = 20) -> list[Packet]:
    """A client that sends and a server that acknowledges."""
    out: list[Packet] = []
    for i in range(count):
        number = 100 + i if ip_ids else 0
        out.append(
            IP(src="10.0.0.1", dst="10.0.0.2", id=number)
            / TCP(sport=5000, dport=80, seq=i * 10, flags="PA")
            / (b"%010d" % i)
        )
        out.append(
            IP(src="10.0.0.2", dst="10.0.0.1", id=number)
            / TCP(sport=80, dport=5000, ack=i * 10 + 10, flags="A")
        )
    return out


def test_each_packet_twice_in_two_vlans_is_one_connection(tmp_path: Path) -> None:
    packets: list[Timed] = []
    for i, packet in enumerate(conversation()):
        packets += [(i * MS, Dot1Q(vlan=10) / packet), (i * MS + 40_000, Dot1Q(vlan=20) / packet)]
    segments = table(tmp_path, packets)
    assert len(segments) == 40
    assert segments.counts.duplicates == 40
    assert dict(segments.counts.skipped) == {"duplicate": 40}
    assert [d.slug for d in segments.diagnostics] == ["mirrored-twice"]
    assert len(segments.flows) == 1
    assert segments.networks[int(segments.flow_network[0])] == "vlan 10"
    assert segments.frame.tolist() == list(range(1, 81, 2))


def test_a_copy_after_routing_has_a_smaller_ttl(tmp_path: Path) -> None:
    packets: list[Timed] = []
    for i, packet in enumerate(conversation()):
        routed = packet.copy()
        routed.ttl = 63
        packets += [(i * MS, packet), (i * MS + 90_000, routed)]
    assert table(tmp_path, packets).counts.duplicates == 40


def test_retransmissions_stay(tmp_path: Path) -> None:
    """Every packet sent again, but as TCP does it: with an identification of its own."""
    packets: list[Timed] = []
    for i, packet in enumerate(conversation()):
        again = packet.copy()
        again.id += 1000
        packets += [(i * MS, packet), (i * MS + 40_000, again)]
    assert table(tmp_path, packets).counts.duplicates == 0


def test_retransmissions_without_identification_come_later(tmp_path: Path) -> None:
    packets = [
        (i * 500 * MS + late, packet)
        for i, packet in enumerate(conversation(ip_ids=False))
        for late in (0, 210 * MS)
    ]
    assert table(tmp_path, packets).counts.duplicates == 0


def test_a_few_copies_without_identification_stay(tmp_path: Path) -> None:
    plain = conversation(ip_ids=False)
    packets = [(i * MS, packet) for i, packet in enumerate(plain)] + [
        (i * MS + 50_000, plain[i]) for i in range(0, 12, 2)
    ]
    segments = table(tmp_path, sorted(packets, key=lambda p: p[0]))
    assert (len(segments), segments.counts.duplicates) == (46, 0)


def test_what_is_behind_a_bridge_is_there_twice_and_what_is_in_front_once(tmp_path: Path) -> None:
    """A balancer that passes packets on, captured on "any": in at the front, out at the bridge, and
    out again at the port of the bridge. Copies are a third of all.
    """
    packets: list[Timed] = []
    for i, packet in enumerate(conversation()):
        behind = packet.copy()
        for name in ("src", "dst"):
            setattr(behind, name, getattr(behind, name).replace("10.0.0.2", "10.0.9.2"))
        packets += [(i * MS, packet), (i * MS + 20_000, behind), (i * MS + 22_000, behind)]
    segments = table(tmp_path, packets)
    assert (len(segments), segments.counts.duplicates, len(segments.flows)) == (80, 40, 2)


def test_a_few_copies_in_some_flows_stay(tmp_path: Path) -> None:
    """A network that doubles a packet now and then, whatever else the capture holds."""
    packets: list[Timed] = []
    for i, packet in enumerate(conversation(ip_ids=False)):
        other = packet.copy()
        other[TCP].sport, other[TCP].dport = other[TCP].sport + 1, other[TCP].dport + 1
        packets += [(i * MS, packet), (i * MS + 20_000, other)]
        if i % 4 == 0:
            packets.append((i * MS + 50_000, packet))
    assert table(tmp_path, packets).counts.duplicates == 0


def test_duplicate_acks_and_keep_alives_stay(tmp_path: Path) -> None:
    packets: list[Timed] = [(i * MS, packet) for i, packet in enumerate(conversation())]
    ack = IP(src="10.0.0.2", dst="10.0.0.1", id=0) / TCP(sport=80, dport=5000, ack=200, flags="A")
    alive = (
        IP(src="10.0.0.1", dst="10.0.0.2", id=0)
        / TCP(sport=5000, dport=80, seq=199, flags="A")
        / b"\0"
    )
    packets += [(50 * MS + i * 100_000, ack) for i in range(60)] + [
        ((1 + i) * 1000 * MS, alive) for i in range(60)
    ]
    assert table(tmp_path, packets).counts.duplicates == 0


def six(seq: int, stamp: int) -> Packet:
    options = [("NOP", None), ("NOP", None), ("Timestamp", (stamp, 7))]
    return (
        IPv6(src="2001:db8::1", dst="2001:db8::2")
        / TCP(sport=5000, dport=80, seq=seq, options=options)
        / b"data"
    )


def test_ipv6_copies_have_equal_timestamps(tmp_path: Path) -> None:
    packets = [(i * MS + late, six(i * 4, i)) for i in range(20) for late in (0, 30_000)]
    assert table(tmp_path, packets).counts.duplicates == 20


def test_ipv6_retransmissions_have_later_ones(tmp_path: Path) -> None:
    packets = [
        (i * MS + late, six(i * 4, i + late // 500_000)) for i in range(20) for late in (0, 500_000)
    ]
    assert table(tmp_path, packets).counts.duplicates == 0


def test_long_captures_are_looked_at_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "WINDOW_ROWS", 15)
    monkeypatch.setattr(duplicates, "OVERLAP_ROWS", 4)
    monkeypatch.setattr(duplicates, "SAMPLE_ROWS", 6)
    packets = [
        (i * MS + late, packet) for i, packet in enumerate(conversation()) for late in (0, 40_000)
    ]
    assert table(tmp_path, packets).frame.tolist() == list(range(1, 81, 2))
    single = [(i * MS, packet) for i, packet in enumerate(conversation())]
    assert table(tmp_path, single).counts.duplicates == 0


@pytest.mark.parametrize("ip_ids", [True, False])
@pytest.mark.parametrize("how", ["ttl", "vlan", "same"])
def test_a_few_with_an_identification_of_their_own_are_left_out(
    how: str, ip_ids: bool, tmp_path: Path
) -> None:
    """Every tenth packet is there twice. One with an identification of its own was not sent again,
    whether it was routed or tagged in between or not.
    """
    packets: list[Timed] = []
    for i, packet in enumerate(conversation(ip_ids)):
        packets.append((i * MS, packet))
        if i % 10 == 0:
            copy = packet.copy()
            copy.ttl = 63 if how == "ttl" else copy.ttl
            packets.append((i * MS + 90_000, Dot1Q(vlan=20) / copy if how == "vlan" else copy))
    segments = table(tmp_path, packets)
    assert segments.counts.duplicates == (4 if ip_ids else 0)


def test_what_has_the_identification_of_other_packets_may_have_been_sent_again(
    tmp_path: Path,
) -> None:
    """An end that writes one identification into its SYN, and another one into all else."""
    plain = conversation()
    for i, packet in enumerate(plain):
        packet.id = 7 if i > 1 else 8
    packets = [(i * MS, packet) for i, packet in enumerate(plain)] + [(8 * MS + 50_000, plain[8])]
    assert table(tmp_path, sorted(packets, key=lambda p: p[0])).counts.duplicates == 0


@pytest.mark.parametrize("flags", ["S", "SA"])
@pytest.mark.parametrize(("late_ns", "copies"), [(50_000, 1), (1000 * MS, 0)])
def test_a_syn_that_comes_twice_at_once_is_a_copy(
    flags: str, late_ns: int, copies: int, tmp_path: Path
) -> None:
    """It is sent again after a second, whatever its identification is."""
    syn = IP(src="10.0.0.1", dst="10.0.0.2", id=0) / TCP(sport=5000, dport=80, seq=9, flags=flags)
    assert table(tmp_path, [(0, syn), (late_ns, syn)]).counts.duplicates == copies
