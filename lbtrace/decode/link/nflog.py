"""Linux netfilter log: type-length-value fields in the byte order of the machine that captured; the
packet is field 9.
"""

from __future__ import annotations

from typing import Literal

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (239,)
NAME = "nflog"
PAYLOAD = 9


def peel(packet: Packet) -> Outcome:
    """Family, version, resource; then the fields, each padded to four bytes. The order that lets
    the first length make sense is taken.
    """
    packet.at += 4
    order: Literal["little", "big"] = (
        "little"
        if int.from_bytes(packet.take(0, 2), "little") <= int.from_bytes(packet.take(0, 2), "big")
        else "big"
    )
    while True:
        size, kind = (
            int.from_bytes(packet.take(0, 2), order),
            int.from_bytes(packet.take(2, 2), order),
        )
        if size < 4:
            return Skip("malformed-nflog")
        if kind == PAYLOAD:
            packet.at += 4
            packet.limit(
                max(size - 4, 0)
                if size - 4 <= packet.wire_end - packet.at
                else packet.wire_end - packet.at
            )
            return ip.either
        packet.at += size + 3 & ~3
