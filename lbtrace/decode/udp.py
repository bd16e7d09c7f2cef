"""UDP (RFC 768): only a way to tunnels here, found by port."""

from __future__ import annotations

from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.tunnel import registry

SIZE = 8
IPSEC_PORT = 4500


def peel(packet: Packet) -> Outcome:
    """A tunnel by destination port, else by source port; anything else is skipped as "udp"."""
    source, target, length = packet.u16(0), packet.u16(2), packet.u16(4)
    if IPSEC_PORT in (source, target):
        return Skip("esp (encrypted)")
    ports = registry().udp_ports
    step = ports.get(target) or ports.get(source)
    if step is None:
        return Skip("udp")
    if length >= SIZE:
        packet.limit(min(length, packet.wire_end - packet.at))
    packet.at += SIZE
    return step
