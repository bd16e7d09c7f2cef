"""What stands between an IP header and another packet's: IP in IP, the Authentication Header,
compressed payload.
"""

from __future__ import annotations

import zlib

import numpy as np

from lbtrace.decode.dispatch import IP_PROTOCOLS, IPV4, IPV6, counted, fast_tunnel
from lbtrace.decode.ip import either, inside
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views

IP_IN_IP = (4, 41, 94)
DEFLATE = 2  # the well-known Compression Parameter Index; LZS (3) and LZJH (4) are not read
NEGOTIATED = range(256, 61_440)  # indices that say nothing: DEFLATE when it decompresses
MAX_EXPANDED_BYTES = 65_535


@IP_PROTOCOLS.register(*IP_IN_IP)
@counted("ip-in-ip")
def ip_in_ip(packet: Packet) -> Outcome:
    """IPIP (RFC 2003), 6in4 (RFC 4213), 4in6 and 6in6 (RFC 2473): no header of its own."""
    packet.networks.append("ip-in-ip")
    return either


@fast_tunnel("ip-in-ip", ip_protocols=IP_IN_IP)
def locate_ip_in_ip(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel."""
    version = views.u8[at] >> 4
    kind = np.where(version == 4, IPV4, IPV6)
    return at, kind, np.full(len(at), -1), (version == 4) | (version == 6)


@IP_PROTOCOLS.register(51)
@counted("ah")
def authentication_header(packet: Packet) -> Outcome:
    """IPsec Authentication Header (RFC 4302): authenticated, not encrypted, so what is inside can
    be read. Next protocol, length in four-byte words less two; the addresses stay those of the IP
    header before it.
    """
    following, length = packet.u8(0), packet.u8(1)
    packet.at += (length + 2) * 4
    return inside(following, packet)


@IP_PROTOCOLS.register(108)
@counted("ipcomp")
def compressed_payload(packet: Packet) -> Outcome:
    """IP payload compression (RFC 3173) with DEFLATE (RFC 2394), which needs no state: next header,
    flags, Compression Parameter Index, then the compressed payload.
    """
    following, index = packet.u8(0), packet.u16(2)
    made = packet.fragments
    if made is None or (index != DEFLATE and index not in NEGOTIATED) or not made.may_unpack():
        return Skip("ipcomp (compressed)")
    expander = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = expander.decompress(packet.data[packet.at + 4 : packet.end], MAX_EXPANDED_BYTES)
    except zlib.error:
        return Skip("ipcomp (compressed)")
    if not data or (index != DEFLATE and not expander.eof):
        return Skip("ipcomp (compressed)")
    made.unpacked_bytes += len(data)
    packet.replace(data, len(data))
    return inside(following, packet)
