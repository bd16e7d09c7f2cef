"""When a VLAN or tunnel makes two connections of one pair of endpoints, and when it does not."""

from __future__ import annotations

from pathlib import Path

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

from lbtrace import decode
from lbtrace.tables.packets import SegmentTable
from tests.capture.files import pcap, read

MAC = "02:00:00:00:00:01"


def request(seq: int = 1) -> Packet:
    return (
        IP(src="10.0.0.1", dst="10.0.0.2", id=seq)
        / TCP(sport=5000, dport=80, seq=seq, flags="PA")
        / b"x"
    )


def reply(ack: int = 2) -> Packet:
    return IP(src="10.0.0.2", dst="10.0.0.1", id=ack) / TCP(
        sport=80, dport=5000, ack=ack, flags="A"
    )


def table(tmp_path: Path, packets: list[tuple[int | None, Packet]]) -> SegmentTable:
    made = []
    for i, (vlan, packet) in enumerate(packets):
        tagged = Dot1Q(vlan=vlan) / packet if vlan is not None else packet
        made.append(
            (1_700_000_000_000_000_000 + i * 1_000_000_000, bytes(Ether(src=MAC, dst=MAC) / tagged))
        )
    return decode.segments(read(tmp_path, pcap(made)), lambda _what, _part: None)


def names(segments: SegmentTable) -> list[str]:
    return [segments.networks[int(n)] for n in segments.flow_network]


def test_request_in_one_vlan_reply_in_another_is_one_flow(tmp_path: Path) -> None:
    segments = table(tmp_path, [(10, request()), (20, reply())])
    assert len(segments.flows) == 1
    assert names(segments) == ["vlan 10, vlan 20"]


def test_both_directions_in_each_vlan_are_two_flows(tmp_path: Path) -> None:
    segments = table(
        tmp_path, [(10, request(1)), (20, request(9)), (10, reply(2)), (20, reply(10))]
    )
    assert segments.flow.tolist() == [0, 1, 0, 1]
    assert segments.flows[0] == segments.flows[1]
    assert names(segments) == ["vlan 10", "vlan 20"]


def test_one_direction_untagged_is_one_flow(tmp_path: Path) -> None:
    segments = table(tmp_path, [(None, request()), (7, reply())])
    assert names(segments) == ["untagged, vlan 7"]


def test_no_tags_no_name(tmp_path: Path) -> None:
    assert names(table(tmp_path, [(None, request()), (None, reply())])) == [""]
