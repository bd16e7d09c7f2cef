"""Raw IP: no link header at all. LINKTYPE_RAW is 101; 12 and 14 are DLT_RAW as some systems write
it; 228 and 229 say which IP.
"""

from __future__ import annotations

import numpy as np

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NUMBERS = (12, 14, 101, 228, 229)
NAME = "raw IP"
HEADER = 1


def peel(packet: Packet) -> Outcome:
    """IP by its version nibble."""
    return ip.either(packet)


def locate(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink.locate."""
    version = views.u8[offset] >> 4
    return offset, np.where(version == 4, 0x0800, np.where(version == 6, 0x86DD, -1))
