"""Fragments put together: in any order, overlapping, cut, missing, hostile."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether

from lbtrace import decode
from lbtrace.decode.fragments import MAX_PENDING_BYTES, MAX_PENDING_DATAGRAMS, Fragments
from lbtrace.decode.ip import MAX_EXTENSION_HEADERS
from lbtrace.tables.packets import SegmentTable
from tests.capture.files import pcap, read
from tests.laws import examples

BODY = bytes(range(256)) * 12
KEY = (b"\x0a\0\0\1", b"\x0a\0\0\2", 6, 7, "")
MAC = "02:00:00:00:00:01"


def table(tmp_path: Path, packets: list[bytes]) -> SegmentTable:
    made = [(1_700_000_000_000_000_000 + i * 1000, packet) for i, packet in enumerate(packets)]
    return decode.segments(read(tmp_path, pcap(made)), lambda _what, _part: None)


def payload(segments: SegmentTable, row: int) -> bytes:
    at = int(segments.payload[row])
    return bytes(segments.buffers[int(segments.buffer[row])][at : at + int(segments.length[row])])


def four() -> list[bytes]:
    whole = IP(src="10.0.0.1", dst="10.0.0.2", id=77) / TCP(sport=5000, dport=80) / BODY
    return [bytes(Ether(src=MAC, dst=MAC) / part) for part in fragment(whole, fragsize=640)]


def test_the_frame_is_the_one_that_completes_the_datagram(tmp_path: Path) -> None:
    parts = four()
    segments = table(tmp_path, parts[::-1])
    assert segments.frame.tolist() == [len(parts)]
    assert payload(segments, 0) == BODY
    assert dict(segments.counts.skipped) == {"ip-fragment": len(parts) - 1}
    assert dict(segments.counts.peeled) == {"ip-fragments": 1}


def test_ipv6(tmp_path: Path) -> None:
    whole = (
        IPv6(src="2001:db8::1", dst="2001:db8::2")
        / IPv6ExtHdrFragment()
        / TCP(sport=5000, dport=80)
        / BODY
    )
    segments = table(
        tmp_path, [bytes(Ether(src=MAC, dst=MAC) / part) for part in fragment6(whole, 900)]
    )
    assert payload(segments, 0) == BODY


def test_a_missing_fragment_is_said(tmp_path: Path) -> None:
    segments = table(tmp_path, four()[:2] + four()[3:])
    assert len(segments) == 0
    assert [d.slug for d in segments.diagnostics] == ["ip-fragments-missing"]


def test_a_snapshot_length_cuts_the_datagram_where_it_cut_the_first_fragment(
    tmp_path: Path,
) -> None:
    parts = four()
    cut = [struct_cut(part, 200) for part in parts]
    segments = table_of_records(tmp_path, cut)
    assert payload(segments, 0) == BODY[: 200 - 14 - 20 - 20]
    assert int(segments.wire_length[0]) == len(BODY)


def struct_cut(packet: bytes, size: int) -> tuple[bytes, int]:
    return packet[:size], len(packet)


def table_of_records(tmp_path: Path, packets: list[tuple[bytes, int]]) -> SegmentTable:
    import struct

    data = pcap([]) + b"".join(
        struct.pack("<IIII", 1_700_000_000, i, len(p), wire) + p
        for i, (p, wire) in enumerate(packets)
    )
    return decode.segments(read(tmp_path, data), lambda _what, _part: None)


@examples(100)
@given(st.data())
def test_any_order_with_repetitions_gives_the_datagram(data: st.DataObject) -> None:
    body = data.draw(st.binary(min_size=1, max_size=400))
    cuts = sorted({0, *data.draw(st.lists(st.integers(0, len(body) // 8), max_size=5))})
    starts = [8 * cut for cut in cuts if 8 * cut < len(body)]
    parts = [(a, body[a:b]) for a, b in zip(starts, [*starts[1:], len(body)], strict=True)]
    order = data.draw(st.permutations(parts))
    again = data.draw(st.lists(st.sampled_from(parts), max_size=3))
    fragments = Fragments()
    whole = [
        fragments.add(KEY, 6, a, a + len(p) < len(body), p, len(p), 0)
        for a, p in [*order[:-1], *again, *order[-1:]]
    ]
    done = [w for w in whole if w is not None]
    assert done
    assert done[-1].data == body or done[0].data == body


@examples(300)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 24)), max_size=12))
@example([(2, True, 8), (0, True, 8), (0, False, 11)])  # the last one ends inside a unit
def test_whatever_fragments_claim_each_byte_is_one_that_was_sent_there(
    places: list[tuple[int, bool, int]],
) -> None:
    """Ends that contradict each other, overlaps, parts of units."""
    fragments, sent = Fragments(), []
    for number, (unit, more, size) in enumerate(places, 1):
        size = 8 * -(-size // 8) if more else size
        sent.append((8 * unit, bytes([number]) * size))
        whole = fragments.add(KEY, 6, 8 * unit, more, sent[-1][1], size, 0)
        assert fragments._bytes == sum(len(d.data) for d in fragments._pending.values())
        if whole is None:
            continue
        assert len(whole.data) == whole.captured
        for at, byte in enumerate(whole.data):
            assert any(begin <= at < begin + len(p) and p[0] == byte for begin, p in sent)
        sent.clear()


def test_headers_in_a_datagram_whose_fragments_contradict_each_other(tmp_path: Path) -> None:
    """IPv6 in IPv4. Of each middle unit a fragment has one byte, and says that it is the last."""
    header = bytes((0x60, 0, 0, 0, 0, 16, 0, 64, *range(8)))
    parts = [(0, True, header), (6, False, b"C" * 8)]
    parts += [(unit, False, b"B" * 8 + b"D") for unit in range(1, 5)]
    packets = [
        bytes(
            Ether(src=MAC, dst=MAC)
            / IP(src="10.0.0.1", dst="10.0.0.2", proto=41, frag=unit, flags="MF" if more else 0)
            / part
        )
        for unit, more, part in parts
    ]
    segments = table(tmp_path, packets)
    assert len(segments) == 0
    assert segments.counts.read == sum(count for _, count in segments.counts.skipped)


def test_the_bytes_that_came_first_stay() -> None:
    fragments = Fragments()
    assert fragments.add(KEY, 6, 0, True, b"A" * 16, 16, 0) is None
    assert fragments.add(KEY, 6, 8, True, b"B" * 16, 16, 0) is None
    whole = fragments.add(KEY, 6, 24, False, b"C", 1, 0)
    assert whole is not None
    assert whole.data == b"A" * 16 + b"B" * 8 + b"C"


def test_memory_is_bounded() -> None:
    fragments = Fragments()
    for i in range(3 * MAX_PENDING_DATAGRAMS):
        fragments.add((*KEY[:3], i, ""), 6, 65_520, True, b"x" * 8, 8, 0)
    held = sum(len(d.data) for d in fragments._pending.values())
    assert held <= MAX_PENDING_BYTES + 65_536
    assert fragments.unfinished == 3 * MAX_PENDING_DATAGRAMS


def test_an_old_identification_starts_anew() -> None:
    fragments = Fragments()
    fragments.add(KEY, 6, 0, True, b"old " * 2, 8, 0)
    assert fragments.add(KEY, 6, 8, False, b"new", 3, 10**12) is None


def test_a_datagram_of_which_nearly_nothing_was_captured_costs_what_was_captured(
    tmp_path: Path,
) -> None:
    """Forty captured bytes may claim 64 KB on the wire."""
    packets = []
    for i in range(50):
        first = IP(src="10.0.0.1", dst="10.0.0.2", id=i, flags="MF", len=65_020, proto=6) / TCP(
            sport=5000, dport=80, seq=i * 64_983
        )
        last = IP(src="10.0.0.1", dst="10.0.0.2", id=i, frag=65_000 // 8, proto=6) / b"end"
        packets += [
            (1_700_000_000_000_000_000 + i, bytes(Ether(src=MAC, dst=MAC) / part))
            for part in (first, last)
        ]
    made = pcap(packets, wire=[65_034, 37] * 50)
    segments = decode.segments(read(tmp_path, made), lambda _what, _part: None)
    assert segments.counts.decoded == 50
    assert segments.wire_length.tolist() == [64_983] * 50
    assert len(segments.buffers[1]) == 50 * 20


def atomic(headers: int) -> bytes:
    """An ACK behind so many atomic fragment headers (RFC 6946)."""
    chain = b"".join(
        bytes([44 if n + 1 < headers else 6]) + bytes(3) + n.to_bytes(4, "big")
        for n in range(headers)
    )
    segment = bytes(TCP(sport=5000, dport=80, flags="A"))
    packet = IPv6(src="2001:db8::1", dst="2001:db8::2", nh=44 if headers else 6)
    return bytes(Ether(src=MAC, dst=MAC) / packet / (chain + segment))


def test_a_chain_of_fragment_headers_is_bounded_and_counted(tmp_path: Path) -> None:
    few = table(tmp_path, [atomic(0), atomic(1), atomic(MAX_EXTENSION_HEADERS - 1)])
    assert len(few) == 3
    many = table(tmp_path, [atomic(MAX_EXTENSION_HEADERS), atomic(1000), atomic(1)])
    assert len(many) == 1
    assert dict(many.counts.skipped) == {"nested-too-deep": 2}
    assert many.counts.read == 3
