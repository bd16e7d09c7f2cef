"""ICMP messages and the headers that they quote."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Packet as Layer

from lbtrace.decode import slow_path
from lbtrace.decode.packet import Packet, Skip
from lbtrace.model.net import Endpoint, IcmpKind
from tests.decode.packets import MACS, table_of

LOST = IP(src="10.0.0.9", dst="10.0.0.1") / TCP(sport=50000, dport=80)
LOST6 = IPv6(src="2001:db8::9", dst="2001:db8::1") / TCP(sport=50000, dport=80)
QUERY = IP(src="10.0.0.9", dst="10.0.0.1") / UDP(sport=50000, dport=443)
FOUR, SIX = IP(src="10.0.0.254", dst="10.0.0.9"), IPv6(src="2001:db8::fe", dst="2001:db8::9")


def framed(packet: Layer) -> bytes:
    """On Ethernet."""
    return (
        MACS
        + (b"\x86\xdd" if IPv6 in packet and packet.version == 6 else b"\x08\0")
        + bytes(packet)
    )


@pytest.mark.parametrize(
    ("packet", "kind", "code", "mtu"),
    [
        (FOUR / ICMP(type=3, code=4, nexthopmtu=1400) / LOST, IcmpKind.TOO_BIG, 4, 1400),
        (FOUR / ICMP(type=3, code=3) / LOST, IcmpKind.UNREACHABLE, 3, 0),
        (FOUR / ICMP(type=3, code=13) / QUERY, IcmpKind.UNREACHABLE, 13, 0),
        (FOUR / ICMP(type=11) / LOST, IcmpKind.EXPIRED, 0, 0),
        (SIX / ICMPv6PacketTooBig(mtu=1280) / LOST6, IcmpKind.TOO_BIG, 0, 1280),
        (SIX / ICMPv6DestUnreach(code=4) / LOST6, IcmpKind.UNREACHABLE, 4, 0),
        (SIX / ICMPv6TimeExceeded() / LOST6, IcmpKind.EXPIRED, 0, 0),
    ],
)
def test_an_error_says_which_packet_was_not_delivered(
    tmp_path: Path, packet: Layer, kind: IcmpKind, code: int, mtu: int
) -> None:
    others = [framed(LOST), framed(QUERY)]
    table = table_of(tmp_path, [framed(FOUR / ICMP()), framed(packet), *others])
    (error,) = table.icmp
    assert (error.kind, error.code, error.mtu, error.frame) == (kind, code, mtu, 2)
    six = ":" in error.sender
    assert error.sender == ("2001:db8::fe" if six else "10.0.0.254")
    assert error.protocol == ("UDP" if UDP in packet else "TCP")
    assert error.source == Endpoint("2001:db8::9" if six else "10.0.0.9", 50000)
    assert error.target.port == (443 if UDP in packet else 80)
    skipped = dict(table.counts.skipped)
    assert skipped.pop("udp port 443") == 1
    assert skipped in ({"icmp": 2}, {"icmp": 1, "icmpv6": 1})


@pytest.mark.parametrize(
    "packet",
    [
        FOUR / ICMP() / LOST,  # an echo
        FOUR / ICMP(type=5) / LOST,  # a redirect
        FOUR / ICMP(type=3, code=3) / (IP(src="10.0.0.9", dst="10.0.0.1", proto=47) / bytes(8)),
        FOUR / ICMP(type=3, code=4) / IP(bytes(LOST.copy())[:6] + b"\0\5" + bytes(LOST)[8:]),
        FOUR / ICMP(type=3, code=3) / bytes(LOST6),
        FOUR / ICMP(type=3, code=3) / bytes(LOST)[:23],
    ],
)
def test_what_says_nothing_of_a_connection_is_counted(tmp_path: Path, packet: Layer) -> None:
    table = table_of(tmp_path, [framed(packet)])
    assert table.icmp == ()
    assert dict(table.counts.skipped) == {"icmp": 1}


@given(st.binary(max_size=80), st.booleans())
def test_whatever_an_icmp_message_holds_is_counted(inside: bytes, six: bool) -> None:
    head = (
        struct.pack(">IHBB", 6 << 28, len(inside), 58, 64) + bytes(32)
        if six
        else struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(inside), 1, 0, 64, 1, 0, 1, 2)
    )
    data = head + inside
    outcome = slow_path.dissect(Packet(data, 0, len(data), len(data), link=101))
    assert isinstance(outcome, Skip)
    assert outcome.reason in ("icmp", "icmpv6")
