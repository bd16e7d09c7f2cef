"""Records → which way each packet went at the machine that captured it, where the link type tells.

Linux cooked captures (`tcpdump -i any`) state of each packet whether the machine sent it:
LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2, "packet type"
(tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html). No other link type that lbtrace reads does.
"""

from __future__ import annotations

import numpy as np

from lbtrace.model.trace import PacketDirection
from lbtrace.tables.columns import distinct
from lbtrace.tables.packets import Recording

# link type → where the packet type is; 113 has two bytes for it, of which the first is 0
PACKET_TYPE_AT = {113: 1, 276: 10}
SENT = 4  # "sent by us"


def packet_directions(recording: Recording) -> bytes:
    """One `PacketDirection` per record as a byte, in their order; empty when no record tells."""
    records = recording.records
    found = np.zeros(len(records.offset), dtype=np.uint8)
    any_tells = False
    for link, at in PACKET_TYPE_AT.items():
        cooked = np.flatnonzero((records.link == link) & (records.captured > at))
        for number in distinct(records.buffer[cooked]).tolist():
            rows = cooked[records.buffer[cooked] == number]
            data = np.frombuffer(recording.buffers[number], dtype=np.uint8)
            sent = data[records.offset[rows] + at] == SENT
            found[rows] = np.where(sent, PacketDirection.SENT, PacketDirection.RECEIVED)
            any_tells = True
    return found.tobytes() if any_tells else b""
