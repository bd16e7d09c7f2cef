"""ICMP messages that say that a packet was not delivered → which packet, by the header that they
quote of it (RFC 792, RFC 4443 §3, RFC 1191 §4).

They carry no TCP and stay skipped as "icmp" and "icmpv6". What they quote is kept on the packet
(`Packet.icmp`), if it is TCP or UDP and was captured up to its ports. Echoes and other messages
that are no errors say nothing of a connection.
"""

from __future__ import annotations

import socket
from functools import partial

from lbtrace.decode.dispatch import IP_PROTOCOLS
from lbtrace.decode.packet import Cut, Outcome, Packet, Skip
from lbtrace.model.net import Endpoint, IcmpError, IcmpKind

ICMP, ICMPV6 = 1, 58
QUOTED = {6: "TCP", 17: "UDP"}
QUOTE_AT = 8  # behind the ICMP header
FRAGMENTED = 0x1FFF  # the offset of a fragment: only the first one has ports
# type and code (None: any) → what it says
V4: dict[tuple[int, int | None], IcmpKind] = {
    (3, 4): IcmpKind.TOO_BIG,
    (3, None): IcmpKind.UNREACHABLE,
    (11, None): IcmpKind.EXPIRED,
}
V6: dict[tuple[int, int | None], IcmpKind] = {
    (2, None): IcmpKind.TOO_BIG,
    (1, None): IcmpKind.UNREACHABLE,
    (3, None): IcmpKind.EXPIRED,
}
# the types of errors, for whoever only counts the others
ERRORS = {ICMP: (3, 11), ICMPV6: (1, 2, 3)}


def _read(packet: Packet, reason: str, six: bool) -> Outcome:
    try:
        packet.icmp = _error(packet, six)
    except Cut:
        packet.icmp = None
    return Skip(reason)


def _error(packet: Packet, six: bool) -> IcmpError | None:
    """What the message at the position says, None where it says nothing of a connection."""
    kind, code = packet.u8(0), packet.u8(1)
    kinds = V6 if six else V4
    what = kinds.get((kind, code)) or kinds.get((kind, None))
    if what is None or packet.ip is None or packet.ip.is_v6 != six:
        return None
    mtu = (packet.u32(4) if six else packet.u16(6)) if what is IcmpKind.TOO_BIG else 0
    quote = _quoted_v6(packet) if six else _quoted_v4(packet)
    if quote is None:
        return None
    protocol, source, target, at = quote
    if protocol not in QUOTED:
        return None
    return IcmpError(
        what,
        code,
        mtu,
        _text(packet.ip.source),
        QUOTED[protocol],
        Endpoint(_text(source), packet.u16(at)),
        Endpoint(_text(target), packet.u16(at + 2)),
        packet.record + 1,
        packet.time_ns,
    )


def _quoted_v4(packet: Packet) -> tuple[int, bytes, bytes, int] | None:
    """Protocol and addresses of the packet that is quoted, and where its ports are."""
    first, fragment = packet.u8(QUOTE_AT), packet.u16(QUOTE_AT + 6)
    if first >> 4 != 4 or (first & 15) < 5 or fragment & FRAGMENTED:
        return None
    ends = packet.take(QUOTE_AT + 12, 4), packet.take(QUOTE_AT + 16, 4)
    return packet.u8(QUOTE_AT + 9), *ends, QUOTE_AT + (first & 15) * 4


def _quoted_v6(packet: Packet) -> tuple[int, bytes, bytes, int] | None:
    """The same of IPv6; one with extension headers is not followed."""
    if packet.u8(QUOTE_AT) >> 4 != 6:
        return None
    ends = packet.take(QUOTE_AT + 8, 16), packet.take(QUOTE_AT + 24, 16)
    return packet.u8(QUOTE_AT + 6), *ends, QUOTE_AT + 40


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)


IP_PROTOCOLS.register(ICMP)(partial(_read, reason="icmp", six=False))
IP_PROTOCOLS.register(ICMPV6)(partial(_read, reason="icmpv6", six=True))
