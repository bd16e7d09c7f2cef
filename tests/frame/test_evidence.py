"""What is marked of a frame."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

from lbtrace.frame.dissection import dissect
from lbtrace.frame.evidence import MarkedFrame, marked
from lbtrace.model.frame_parts import ANY, FramePart, RestsOn
from tests.laws import examples

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nVia: b\r\n\r\n"


def frame(flags: str, payload: bytes = b"", window: int = 64) -> bytes:
    segment = TCP(sport=4000, dport=80, seq=0x01020304, ack=0x05060708, flags=flags, window=window)
    return bytes(Ether() / Dot1Q(vlan=5) / IP(src="192.0.2.1", dst="192.0.2.2") / segment / payload)


def told(data: bytes, rests_on: RestsOn = ANY) -> MarkedFrame:
    return marked(dissect(data, 1), rests_on)


def names(data: bytes, rests_on: RestsOn = ANY) -> set[str]:
    return {name for _, name in told(data, rests_on).fields}


def lines(data: bytes, rests_on: RestsOn = ANY) -> list[str]:
    return [line.text for line, mark in told(data, rests_on).lines if mark]


def shown(data: bytes, rests_on: RestsOn = ANY) -> list[bytes]:
    return [data[begin:end] for begin, end in told(data, rests_on).ranges]


@pytest.mark.parametrize(
    ("flags", "window", "expected"),
    [
        ("S", 64, {"seq", "flags"}),
        ("SA", 64, {"seq", "flags"}),
        ("FA", 64, {"flags"}),
        ("R", 64, {"flags"}),
        ("A", 0, {"window"}),
        ("R", 0, {"flags"}),
        ("A", 64, {"seq", "ack"}),
    ],
)
def test_flags_that_tell_something_are_marked(flags: str, window: int, expected: set[str]) -> None:
    assert names(frame(flags, window=window)) == expected


def test_bytes_are_those_of_the_field() -> None:
    assert shown(frame("FA")) == [b"\x11"]
    assert shown(frame("A")) == [b"\x01\x02\x03\x04\x05\x06\x07\x08"]
    ends = (FramePart.ADDRESSES,)
    assert shown(frame("A"), ends) == [b"\xc0\x00\x02\x01\xc0\x00\x02\x02\x0f\xa0\x00\x50"]


def test_bytes_of_ipv6() -> None:
    packet = Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=9) / TCP(flags="S", window=1)
    data = bytes(packet)
    assert shown(data, (FramePart.OPTIONS,)) == [b"\x09", b"\x00\x01"]


def test_a_head_is_marked_where_findings_read() -> None:
    data = frame("PA", HEAD)
    assert lines(data) == ["GET / HTTP/1.1", "Via: b"]
    assert shown(data) == [b"GET / HTTP/1.1", b"Via: b"]
    assert names(data) == set()


def test_a_finding_marks_what_it_rests_on() -> None:
    data = frame("FPA", HEAD)
    assert (lines(data, ("host",)), names(data, ("host",))) == (["Host: a"], set())
    assert lines(data, (FramePart.FIELDS,)) == ["Host: a", "Via: b"]
    assert (lines(data, (FramePart.END,)), names(data, (FramePart.END,))) == ([], {"flags"})


def test_what_is_not_there_marks_nothing() -> None:
    assert told(frame("A"), (FramePart.TLS, FramePart.END)).ranges == ()
    assert not told(frame("A"), (FramePart.TLS,)).time
    assert told(frame("A"), (FramePart.TIME,)).time


@examples(200)
@given(
    st.binary(max_size=80),
    st.sampled_from([Ether() / IP() / TCP(flags="S"), Ether() / IPv6() / TCP(flags="FA")]),
    st.integers(0, 90),
    st.lists(st.sampled_from(FramePart), max_size=4).map(tuple),
)
def test_ranges_are_inside_the_frame_and_apart(
    tail: bytes, packet: Packet, cut: int, parts: RestsOn
) -> None:
    data = (bytes(packet) + tail)[:cut]
    for wanted in (ANY, parts):
        ranges = told(data, wanted).ranges
        assert all(0 <= begin < end <= len(data) for begin, end in ranges)
        assert all(first[1] < second[0] for first, second in pairwise(ranges))
