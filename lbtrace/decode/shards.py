"""Segments → shards: parts of a capture that can be read apart.

All packets of a flow are in one shard, whichever file they are in, so no state of TCP, TLS or HPACK
is needed from another shard. Packets that are no TCP segment are in shard 0.

A capture can be divided so only if nothing joins its flows: no datagram came in fragments, and the
packets are in order of time (`divisible`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xxhash

from lbtrace.tables.columns import Column
from lbtrace.tables.packets import SegmentTable

FRAGMENT: Final = "ip-fragment"  # why a packet was skipped: it is a part of a datagram
MOST_BACK_NS: Final = 1_000_000_000  # by which a packet may be earlier than the one before it


def shard_of_flows(table: SegmentTable, shards: int) -> Column:
    """Per flow its shard: the same for the same two endpoints in every capture."""
    flows = table.flows
    known = np.array(
        [xxhash.xxh3_64_intdigest(address.encode("latin-1")) for address in flows.addresses],
        np.uint64,
    )
    low, high = (
        (known[address] + port.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        for address, port in ((flows.low, flows.low_port), (flows.high, flows.high_port))
    )
    mixed = low ^ (high >> np.uint64(29)) ^ (high << np.uint64(7))
    found: Column = ((mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(33)) % np.uint64(shards)
    return found.astype(np.int64)


def shard_of_frames(table: SegmentTable, frames: int, shards: int) -> Column:
    """Per frame (`frames` of them, the first one at 0) its shard."""
    out = np.zeros(frames, np.int64)
    if len(table):
        out[table.frame.astype(np.int64) - 1] = shard_of_flows(table, shards)[table.flow]
    return out


def divisible(table: SegmentTable) -> bool:
    """Whether the connections of a capture can be read apart with the same result."""
    fragments = any(reason == FRAGMENT for reason, _ in table.counts.skipped)
    back = np.diff(table.time_ns) < -MOST_BACK_NS
    return not fragments and not back.any()
