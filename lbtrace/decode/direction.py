"""Records → which way each packet went at the machine that captured it, where the link type says
so.

Linux cooked captures (`tcpdump -i any`) say of each packet whether the machine sent it:
LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2, "packet type"
(tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html). No other link type that lbtrace reads does.
"""

from __future__ import annotations

import numpy as np

from lbtrace.model.trace import PacketDirection
from lbtrace.tables.packets import Recording

PLACES = {
    113: 1,
    276: 10,
}  # link type → where the packet type is; 113 has two bytes for it, of which the first is 0
SENT = 4  # "sent by us"


def packet_directions(recording: Recording) -> bytes:
    """One `PacketDirection` per record as a byte, in their order; empty when no record tells."""
    records = recording.records
    found = np.zeros(len(records.offset), dtype=np.uint8)
    told = False
    for link, place in PLACES.items():
        those = np.flatnonzero(records.link == link)
        those = those[records.captured[those] > place]
        for number in np.unique(records.buffer[those]).tolist():
            mine = those[records.buffer[those] == number]
            told = True
            kind = np.frombuffer(recording.buffers[number], dtype=np.uint8)[
                records.offset[mine] + place
            ]
            found[mine] = np.where(kind == SENT, PacketDirection.SENT, PacketDirection.RECEIVED)
    return found.tobytes() if told else b""
