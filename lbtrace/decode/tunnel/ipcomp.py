"""IP payload compression (RFC 3173) with DEFLATE (RFC 2394), which needs no state: what is inside
can be read.
"""

from __future__ import annotations

import zlib

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "ipcomp"
IP_PROTOCOLS = (108,)
DEFLATE = 2  # the well-known Compression Parameter Index; LZS (3) and LZJH (4) are not read
NEGOTIATED = range(256, 61_440)  # indices that say nothing: DEFLATE when it decompresses
LARGEST = 65_535


def peel(packet: Packet) -> Outcome:
    """Next header, flags, Compression Parameter Index (four bytes), then the compressed payload."""
    following, index = packet.u8(0), packet.u16(2)
    made = packet.fragments
    if made is None or (index != DEFLATE and index not in NEGOTIATED) or not made.may_unpack():
        return Skip("ipcomp (compressed)")
    expander = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = expander.decompress(packet.data[packet.at + 4 : packet.end], LARGEST)
    except zlib.error:
        return Skip("ipcomp (compressed)")
    if not data or (index != DEFLATE and not expander.eof):
        return Skip("ipcomp (compressed)")
    made.unpacked_bytes += len(data)
    packet.data, packet.at, packet.end, packet.wire_end = data, 0, len(data), len(data)
    packet.made = True
    return ip.protocol_step(following, packet)
