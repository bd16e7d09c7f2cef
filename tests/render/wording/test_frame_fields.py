"""The names of the RFCs for the fields of a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from lbtrace.frame.dissection import dissect
from lbtrace.render.wording import frame_fields
from tests.laws import examples

SYN = TCP(
    sport=41818,
    dport=8080,
    seq=7,
    flags="S",
    options=[("MSS", 1460), ("SAckOK", b""), ("NOP", None), ("Timestamp", (9, 0))],
)


def told(packet: Packet) -> list[str]:
    return [
        frame_fields.told(layer.name, name, value)
        for layer in dissect(bytes(packet), 1).layers
        for name, value in layer.fields
    ]


@pytest.mark.parametrize(
    ("network", "lines"),
    [
        (IP(src="10.0.0.1", dst="10.0.0.2", ttl=63), ["source 10.0.0.1", "time to live 63"]),
        (IPv6(src="2001:db8::1", hlim=9), ["source 2001:db8::1", "hop limit 9"]),
    ],
)
def test_fields_have_the_names_of_the_rfcs(network: Packet, lines: list[str]) -> None:
    of_tcp = [
        "source port 41818",
        "destination port 8080",
        "sequence number 7",
        "flags SYN",
        "options MSS 1460, SAckOK, NOP, Timestamp 9 0, EOL",
    ]
    said = told(Ether() / network / SYN)
    assert [line for line in (*lines, *of_tcp) if line not in said] == []


@pytest.mark.parametrize(
    ("letters", "names"),
    [("FA", "FIN ACK"), ("PA", "PSH ACK"), ("R", "RST"), ("SEC", "SYN ECE CWR")],
)
def test_flags_are_spelled(letters: str, names: str) -> None:
    assert f"flags {names}" in told(Ether() / IP() / TCP(flags=letters))


def test_an_empty_list_of_options_is_none() -> None:
    assert "options none" in told(Ether() / IP() / TCP())


@examples(60)
@given(st.binary(max_size=40))
def test_options_of_any_bytes_are_written(options: bytes) -> None:
    padded = options + bytes(-len(options) % 4)
    segment = bytes(TCP(dataofs=5 + len(padded) // 4, flags="S")) + padded
    assert any(line.startswith("options ") for line in told(Ether() / IP() / segment))


@examples(60)
@given(st.text(max_size=30))
def test_what_scapy_does_not_write_as_a_list_stays(written: str) -> None:
    assert frame_fields.told("TCP", "options", written).startswith("options ")
