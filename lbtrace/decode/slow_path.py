"""One packet at a time: everything the fast path does not take. Any bytes go in, a row or a reason
to skip comes out; nothing raises.
"""

from __future__ import annotations

from lbtrace.decode.dispatch import LINK_TYPES
from lbtrace.decode.packet import Cut, IpHeader, Packet, Skip
from lbtrace.decode.rows import V6_BIT

MAX_STEPS = 32
WORD = (1 << 64) - 1


def dissect(packet: Packet, made_buffer: int = 0) -> tuple[int, ...] | Skip:
    """A packet of a link type → the row it makes (as in SegmentRows, without the network), or why
    it makes none. `made_buffer` is the number of the buffer `Fragments` fills.
    """
    outcome = LINK_TYPES[packet.link]
    try:
        for _ in range(MAX_STEPS):
            if isinstance(outcome, Skip):
                return outcome
            if isinstance(outcome, IpHeader):
                return _segment(packet, outcome, made_buffer)
            outcome = outcome(packet)
    except Cut:
        return Skip("truncated-headers")
    return Skip("nested-too-deep")


def _segment(packet: Packet, ip: IpHeader, made_buffer: int) -> tuple[int, ...] | Skip:
    """The first 20 bytes of a TCP header (RFC 9293 §3.1) must be captured; options and payload may
    be cut.
    """
    size = (packet.u8(12) >> 4) * 4
    carried = packet.wire_end - packet.at
    if size < 20 or carried < size:
        return Skip("malformed-tcp")
    packet.take(0, 20)
    source, target = int.from_bytes(ip.source, "big"), int.from_bytes(ip.target, "big")
    buffer, base = packet.buffer, 0
    if packet.made and packet.fragments is not None:
        buffer, base = made_buffer, packet.fragments.keep(bytes(packet.data[: packet.end]))
    tcp = packet.at
    payload = min(tcp + size, packet.end)
    return (
        packet.record,
        source >> 64,
        source & WORD,
        target >> 64,
        target & WORD,
        packet.u32(0) | (V6_BIT if ip.is_v6 else 0),
        packet.u32(4),
        packet.u32(8),
        packet.u8(13),
        packet.u16(14),
        ip.ttl,
        ip.ip_id,
        buffer,
        base + tcp,
        base + payload,
        packet.end - payload,
        carried - size,
    )
