"""One packet at a time: everything the fast path does not take. Any bytes go in, a row or a reason to skip comes out; nothing raises."""

from __future__ import annotations

from lbtrace.decode.link import registry
from lbtrace.decode.packet import Cut, Found, Outcome, Packet, Skip

MOST_STEPS = 32
V6_BIT = 1 << 32


def unpeel(packet: Packet, link: int) -> tuple[int, ...] | str:
    """A packet of a link type → the row it makes (without network; in the order of rows.Rows), or why it makes none."""
    known = registry().get(link)
    if known is None:
        return f"link type {link}"
    outcome: Outcome = known.peel
    try:
        for _ in range(MOST_STEPS):
            if isinstance(outcome, Skip):
                return outcome.reason
            if isinstance(outcome, Found):
                return _segment(packet, outcome)
            outcome = outcome(packet)
    except Cut:
        return "truncated-headers"
    return "nested-too-deep"


def _segment(packet: Packet, ip: Found) -> tuple[int, ...] | str:
    size = (packet.u8(12) >> 4) * 4
    carried = packet.wire_end - packet.at
    if size < 20 or carried < size:
        return "malformed-tcp"
    six = len(ip.source) == 16
    source, target = int.from_bytes(ip.source, "big"), int.from_bytes(ip.target, "big")
    low = (1 << 64) - 1
    tcp = packet.at
    payload = min(tcp + size, packet.end)
    return (
        packet.record,
        source >> 64,
        source & low,
        target >> 64,
        target & low,
        packet.u32(0) | (V6_BIT if six else 0),
        packet.u32(4),
        packet.u32(8),
        packet.u16(12) & 0xFF,
        packet.u16(14),
        ip.ttl,
        ip.ip_id,
        packet.buffer,
        tcp,
        payload,
        max(min(packet.end, packet.wire_end) - payload, 0),
        carried - size,
    )
