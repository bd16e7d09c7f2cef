"""Segments → shards: parts of a capture that can be read apart.

All packets of a flow are in one shard, whichever file they are in, so no state of TCP, TLS or HPACK
is needed from another shard. Packets that are no TCP segment are in shard 0.

A capture can be divided so only if nothing joins its flows: no datagram came in fragments, and the
packets are in order of time (`divisible`).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lbtrace.tables.columns import Column
from lbtrace.tables.packets import MOST_BACK_NS, SegmentTable
from lbtrace.tables.shards import shards as shards_of

FRAGMENT: Final = "ip-fragment"  # why a packet was skipped: it is a part of a datagram


def shard_of_frames(table: SegmentTable, frames: int, shards: int) -> Column:
    """Per frame (`frames` of them, the first one at 0) its shard."""
    out = np.zeros(frames, np.int64)
    if len(table):
        f = table.flows
        of_flow = shards_of(f.addresses, f.low, f.low_port, f.high, f.high_port, shards)
        out[table.frame.astype(np.int64) - 1] = of_flow[table.flow]
    return out


def divisible(table: SegmentTable) -> bool:
    """Whether the connections of a capture can be read apart with the same result."""
    fragments = any(reason == FRAGMENT for reason, _ in table.counts.skipped)
    back = np.diff(table.time_ns) < -MOST_BACK_NS
    return not fragments and not back.any()
