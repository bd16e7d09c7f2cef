"""The layers of a frame."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import CookedLinux, Dot1Q, Ether
from scapy.packet import Packet

from lbtrace.capture import read
from lbtrace.frame.dissection import Dissection, dissect
from lbtrace.options import quiet
from tests.laws import examples

ROOT = Path(__file__).resolve().parents[2]
SEGMENT = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=4000, dport=80, seq=7, flags="PA")


def field(dissection: Dissection, layer: str, name: str) -> str:
    return dict(next(held for held in dissection.layers if held.name == layer).fields)[name]


@pytest.mark.parametrize(
    ("packet", "link", "names"),
    [
        (Ether() / SEGMENT, 1, ["Ethernet", "IP", "TCP"]),
        (Ether() / Dot1Q(vlan=5) / SEGMENT, 1, ["Ethernet", "802.1Q", "IP", "TCP"]),
        (CookedLinux() / SEGMENT, 113, ["cooked linux", "IP", "TCP"]),
        (SEGMENT, 101, ["IP", "TCP"]),
    ],
)
def test_layers_from_the_outside_in(packet: Packet, link: int, names: list[str]) -> None:
    found = dissect(bytes(packet / b"GET / HTTP/1.1\r\n\r\n"), link)
    assert [layer.name for layer in found.layers] == names
    assert found.payload == b"GET / HTTP/1.1\r\n\r\n"
    assert (field(found, "IP", "src"), field(found, "TCP", "dport")) == ("10.0.0.1", "80")
    assert (field(found, "TCP", "seq"), field(found, "TCP", "flags")) == ("7", "PA")


def test_padding_is_no_payload() -> None:
    assert dissect(bytes(Ether() / SEGMENT) + bytes(6), 1).payload == b""


def test_a_link_type_that_scapy_does_not_know_is_payload() -> None:
    assert dissect(b"abc", 60_000) == Dissection((), b"abc")


@examples(60)
@given(st.binary(max_size=80), st.sampled_from([0, 1, 9, 101, 113, 276, 9999]))
def test_no_bytes_raise(data: bytes, link: int) -> None:
    dissect(data, link)


@examples(60)
@given(st.binary(max_size=40), st.integers(0, 60), st.integers(0, 255))
def test_no_damage_raises(tail: bytes, at: int, value: int) -> None:
    data = bytearray(bytes(Ether() / SEGMENT) + tail)
    data[at % len(data)] = value
    dissect(bytes(data), 1)


def test_scapy_is_loaded_for_a_frame_only() -> None:
    import subprocess

    code = "import sys, lbtrace.cli.compare, lbtrace.cli.frame; print('scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_frames_of_a_capture_are_those_of_wireshark() -> None:
    from scapy.utils import rdpcap

    path = str(ROOT / "samples" / "nginx-race" / "backend.pcap")
    recording = read([path], quiet)
    for row, packet in enumerate(rdpcap(path)):
        offset, length = int(recording.records.offset[row]), int(recording.records.captured[row])
        data = bytes(recording.buffers[0][offset : offset + length])
        assert field(dissect(data, 1), "TCP", "seq") == str(packet[TCP].seq)
