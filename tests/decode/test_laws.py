"""Laws of decoding: the fast path equals the slow path, any bytes are decoded or skipped, and
counts add up.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, TCP, UDP, IPOption
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, CookedLinux, Dot1Q, Ether, Loopback
from scapy.layers.vxlan import VXLAN

from lbtrace import decode
from lbtrace.decode import fast_path, slow_path
from lbtrace.decode.dispatch import FAST_LINKS, LINK_TYPES
from lbtrace.decode.fragments import Fragments
from lbtrace.decode.networks import NetworkBook
from lbtrace.decode.packet import Packet, Skip
from lbtrace.decode.rows import SegmentRows, from_tuples, joined
from lbtrace.tables.packets import Recording, RecordTable
from lbtrace.tables.views import Views
from tests.laws import examples

MAC = "02:00:00:00:00:01"
PAYLOAD = b"GET / HTTP/1.1\r\n\r\n"
SEGMENT = TCP(sport=50000, dport=80, seq=1, ack=2, options=[("Timestamp", (1, 2))]) / PAYLOAD
FOUR, SIX = IP(src="10.0.0.9", dst="10.0.0.1"), IPv6(src="2001:db8::2", dst="2001:db8::1")
SEEDS: dict[int, list[bytes]] = {
    1: [
        bytes(Ether(src=MAC, dst=MAC) / FOUR / SEGMENT),
        bytes(Ether(src=MAC, dst=MAC) / Dot1Q(vlan=7) / FOUR / SEGMENT),
        bytes(Ether(src=MAC, dst=MAC, type=0x88A8) / Dot1Q(vlan=7) / Dot1Q(vlan=8) / SIX / SEGMENT),
        bytes(Ether(src=MAC, dst=MAC) / IP(options=[IPOption(b"\x94\x04\0\0")]) / SEGMENT),
        bytes(
            Ether(src=MAC, dst=MAC)
            / FOUR
            / UDP(sport=1, dport=4789)
            / VXLAN(vni=3)
            / Ether(src=MAC, dst=MAC)
            / FOUR
            / SEGMENT
        ),
        bytes(
            Ether(src=MAC, dst=MAC)
            / SIX
            / UDP(sport=1, dport=8472)
            / VXLAN(vni=3)
            / Ether(src=MAC, dst=MAC)
            / Dot1Q(vlan=9)
            / SIX
            / SEGMENT
        ),
        *(
            bytes(
                Ether(src=MAC, dst=MAC)
                / FOUR
                / UDP(sport=1, dport=4789)
                / (b"\x08\0\0\0\0\0\3\0" + bytes(Ether(src=MAC, dst=MAC) / inside))
            )
            for inside in (FOUR / SEGMENT, Dot1Q(vlan=9) / SIX / SEGMENT)
        ),
        bytes(
            Ether(src=MAC, dst=MAC)
            / FOUR
            / UDP(sport=1, dport=6081)
            / GENEVE(vni=5, proto=0x0800)
            / FOUR
            / SEGMENT
        ),
        bytes(
            Ether(src=MAC, dst=MAC)
            / FOUR
            / UDP(sport=1, dport=6081)
            / GENEVE(vni=5, proto=0x6558)
            / Ether(src=MAC, dst=MAC)
            / FOUR
            / SEGMENT
        ),
        bytes(Ether(src=MAC, dst=MAC) / FOUR / GRE() / FOUR / SEGMENT),
        bytes(
            Ether(src=MAC, dst=MAC)
            / FOUR
            / GRE(key_present=1, key=12, seqnum_present=1)
            / SIX
            / SEGMENT
        ),
        bytes(
            Ether(src=MAC, dst=MAC)
            / FOUR
            / GRE(proto=0x6558)
            / Ether(src=MAC, dst=MAC)
            / FOUR
            / UDP(sport=1, dport=2)
            / PAYLOAD
        ),
        bytes(Ether(src=MAC, dst=MAC) / FOUR / FOUR / FOUR / SEGMENT),
        bytes(Ether(src=MAC, dst=MAC) / FOUR / SIX / SEGMENT),
        bytes(Ether(src=MAC, dst=MAC) / FOUR / UDP(sport=53, dport=53) / (PAYLOAD * 3)),
        bytes(Ether(src=MAC, dst=MAC) / FOUR / SEGMENT) + bytes(9),
        *(
            bytes(Ether(src=MAC, dst=MAC, type=kind)) + header + inside
            for inside in (bytes(FOUR / SEGMENT), bytes(SIX / SEGMENT))
            for kind, header in (
                (0x8847, b"\0\0\x11\x40"),
                (0x8847, b"\0\0\x10\x40\0\0\x20\x40\0\0\x31\x40"),
                (0x8847, b"\0\0\x10\x40" * 3 + b"\0\0\x31\x40"),
                (0x8100, b"\0\5\x88\x48\0\0\x11\x40"),
                (
                    0x8864,
                    b"\x11\0\0\7"
                    + struct.pack(">H", len(inside) + 2)
                    + (b"\0\x57" if inside[0] >> 4 == 6 else b"\0\x21"),
                ),
            )
        ),
    ],
    113: [bytes(CookedLinux(proto=0x0800) / FOUR / SEGMENT)],
    276: [
        b"\x08\x00" + bytes(18) + bytes(FOUR / SEGMENT),
        b"\x86\xdd" + bytes(18) + bytes(SIX / SEGMENT),
    ],
    101: [bytes(FOUR / SEGMENT), bytes(SIX / SEGMENT)],
    0: [bytes(Loopback(type=2) / FOUR / SEGMENT), b"\x1e\0\0\0" + bytes(SIX / SEGMENT)],
}


def recording(link: int, packets: list[bytes], wires: list[int] | None = None) -> Recording:
    data = b"".join(packets)
    sizes = np.array([len(p) for p in packets], dtype=np.int64)
    n = len(packets)
    records = RecordTable(
        time_ns=np.arange(n, dtype=np.int64) * 1000,
        offset=np.cumsum(sizes) - sizes,
        captured=sizes.astype(np.uint32),
        wire=sizes.astype(np.uint32) if wires is None else np.array(wires, dtype=np.uint32),
        link=np.full(n, link, dtype=np.uint16),
        buffer=np.zeros(n, dtype=np.uint8),
    )
    return Recording(records, [data], ())


@st.composite
def damaged(draw: st.DrawFn) -> tuple[int, list[bytes], list[int]]:
    """Packets of one link type with some bytes changed and some cut short."""
    link = draw(st.sampled_from(sorted(SEEDS)))
    packets, wires = [], []
    for _ in range(draw(st.integers(1, 6))):
        packet = bytearray(draw(st.sampled_from(SEEDS[link])))
        full = len(packet)
        for _ in range(draw(st.integers(0, 3))):
            packet[draw(st.integers(0, min(full, 120) - 1))] = draw(st.integers(0, 255))
        packets.append(
            bytes(packet[: draw(st.integers(0, full))]) if draw(st.booleans()) else bytes(packet)
        )
        wires.append(full)
    return link, packets, wires


@examples(400)
@given(damaged())
def test_the_fast_path_says_what_the_slow_path_says(
    case: tuple[int, list[bytes], list[int]],
) -> None:
    link, packets, wires = case
    made = recording(link, packets, wires)
    table = made.records
    captured = table.captured.astype(np.int64)
    views = Views(made.buffers[0])
    if not len(views.u64):
        return
    networks = NetworkBook()
    batch = fast_path.Batch(
        np.arange(len(packets)),
        table.offset,
        captured,
        np.maximum(table.wire, captured),
        views,
        0,
        networks,
    )
    done = fast_path.decode(batch, FAST_LINKS[link])
    slow: list[tuple[int, ...]] = []
    skipped: Counter[str] = Counter()
    peeled: Counter[str] = Counter()
    for record in sorted(set(range(len(packets))) - set(done.remaining().tolist())):
        at = int(table.offset[record])
        end, wire_end = at + len(packets[record]), at + max(wires[record], len(packets[record]))
        packet = Packet(made.buffers[0], at, end, wire_end, link, record, 0, 0, Fragments())
        outcome = slow_path.dissect(packet)
        if isinstance(outcome, Skip):
            skipped[outcome.reason] += 1
        else:
            slow.append((*outcome, networks.number(" / ".join(packet.networks))))
        peeled.update(packet.peeled)
    assert done.skipped == skipped
    assert done.peeled == peeled
    expected = from_tuples(slow)
    found = joined(done.parts)
    for name in SegmentRows.declared:
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name
    assert found.faults() == expected.faults() == []


@examples(200)
@given(st.sampled_from(LINK_TYPES.numbers()), st.lists(st.binary(max_size=200), max_size=8))
def test_any_bytes_are_decoded_or_skipped(link: int, packets: list[bytes]) -> None:
    table = decode.segments(recording(link, packets), lambda _what, _part: None)
    assert table.counts.read == len(packets) == len(table) + sum(n for _, n in table.counts.skipped)


@examples(150)
@given(damaged())
def test_every_payload_lies_in_its_packet(case: tuple[int, list[bytes], list[int]]) -> None:
    link, packets, wires = case
    made = recording(link, packets, wires)
    table = decode.segments(made, lambda _what, _part: None)
    for row in range(len(table)):
        if table.buffer[row] == 0:
            record = int(table.frame[row]) - 1
            low = int(made.records.offset[record])
            assert (
                low <= int(table.payload[row]) - int(table.header[row]) <= int(table.payload[row])
            )
            assert int(table.payload[row]) + int(table.length[row]) <= low + len(packets[record])
            assert table.length[row] <= table.wire_length[row]


@examples(60)
@given(st.permutations(range(6)))
def test_flows_do_not_depend_on_who_speaks_first(order: list[int]) -> None:
    ends = [("10.0.0.1", 80), ("10.0.0.1", 81), ("10.0.0.2", 80)]
    pairs = [(a, b) for a in ends for b in ends if a != b]
    packets = [
        bytes(IP(src=a[0], dst=b[0]) / TCP(sport=a[1], dport=b[1]))
        for a, b in (pairs[i] for i in order)
    ]
    table = decode.segments(recording(101, packets), lambda _what, _part: None)
    for row, i in enumerate(order):
        source, target = pairs[i]
        low, high = (tuple(end) for end in table.flows[int(table.flow[row])])
        assert (low, high) == ((source, target) if table.forward[row] else (target, source))
    assert len(table.flows) == 3


@examples(60)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=8))
def test_the_lower_end_of_a_flow_of_ipv6_is_the_lower_address(pairs: list[tuple[int, int]]) -> None:
    """By its upper half, then its lower half, then the port."""
    ends = [
        (f"2001:db8:{upper}::{lower}", port)
        for upper in (1, 2)
        for lower in (1, 2)
        for port in (80, 81)
    ]
    packets = [
        bytes(
            IPv6(src=ends[a][0], dst=ends[b][0])
            / TCP(sport=ends[a][1], dport=ends[b][1], flags="A")
        )
        for a, b in pairs
    ]
    table = decode.segments(recording(101, packets), lambda _what, _part: None)
    for row, (a, b) in enumerate(pairs):
        low, high = (tuple(end) for end in table.flows[int(table.flow[row])])
        assert (low, high) == (ends[min(a, b)], ends[max(a, b)])
        assert table.forward[row] == (a <= b)


def test_a_record_that_says_it_was_shorter_on_the_wire_was_as_long_as_it_is() -> None:
    whole = SEEDS[1][0]
    made = recording(1, [whole, whole], [len(whole), 20])
    for step in (slice(0, 1), slice(1, 2)):
        part = Recording(made.records.taken(np.arange(2)[step]), made.buffers, ())
        table = decode.segments(part, lambda _what, _part: None)
        assert table.length.tolist() == table.wire_length.tolist() == [len(PAYLOAD)]


@pytest.mark.parametrize("size", [0, 12, 13, 19, 20])
def test_the_first_20_bytes_of_a_tcp_header_must_be_captured(size: int) -> None:
    packet = bytes(FOUR / TCP(sport=50000, dport=80, seq=1) / PAYLOAD)
    made = recording(101, [packet[: 20 + size]], [len(packet)])
    counts = decode.segments(made, lambda _what, _part: None).counts
    assert counts.decoded == (size == 20)
    assert size == 20 or counts.skipped == (("truncated-headers", 1),)


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).resolve().parents[2] / "../shared/captures").resolve().glob("*.pcap"))[
        ::12
    ],
)
def test_real_captures_decode_alike_when_split(path: Path) -> None:
    """Decoding packet by packet through the slow path alone gives the segments that the mixture
    gives.
    """
    from lbtrace import capture

    made = capture.read([str(path)], lambda _what, _part: None)
    table = decode.segments(made, lambda _what, _part: None)
    if table.counts.duplicates:
        pytest.skip("copies are taken out after decoding")
    records, fragments = made.records, Fragments()
    slow = []
    for record in range(min(len(records.offset), 2000)):
        at, captured = int(records.offset[record]), int(records.captured[record])
        wire_end = at + max(captured, int(records.wire[record]))
        link, time_ns = int(records.link[record]), int(records.time_ns[record])
        packet = Packet(
            made.buffers[0], at, at + captured, wire_end, link, record, 0, time_ns, fragments
        )
        outcome = slow_path.dissect(packet, 1)
        if not isinstance(outcome, Skip):
            slow.append(outcome)
    few = from_tuples([(*row, 0) for row in slow])
    n = len(few)
    assert table.header[:n].tolist() == (few.payload - few.tcp).tolist()
    for name in (
        "seq",
        "ack",
        "flags",
        "window",
        "ttl",
        "buffer",
        "payload",
        "length",
        "wire_length",
    ):
        assert getattr(table, name)[:n].tolist() == getattr(few, name).tolist(), name
    assert (table.frame[:n] - 1).tolist() == few.record.tolist()
