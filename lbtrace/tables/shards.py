"""Endpoints → shards: a part of the connections for each process or machine.

Every connection between two endpoints is in one shard, in whichever direction it was opened, so
what TCP, TLS and HTTP keep per connection never crosses a shard. The shard follows from addresses
and ports alone: it is the same in every capture, process and run.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from lbtrace.tables.columns import Column

_END = np.uint64(0x9E3779B97F4A7C15)  # odd, with ones and zeros all over: it spreads the endpoints
_BOTH = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


def shards(
    addresses: Sequence[str],
    one: Column,
    one_port: Column,
    other: Column,
    other_port: Column,
    count: int,
) -> Column:
    """Per row the shard, 0 up to `count - 1`, of two endpoints: indices in `addresses` (as text),
    and ports.

    The two ends of a row may change places. An address is one text only (`FlowTable`,
    `ConnectionTable`).
    """
    known = np.array([crc32(address.encode()) for address in addresses], np.uint64)
    mixed = (_end(known, one, one_port) + _end(known, other, other_port)) * _BOTH
    found: Column = ((mixed ^ mixed >> _HALF) % np.uint64(count)).astype(np.int64)
    return found


def _end(known: Column, address: Column, port: Column) -> Column:
    mixed = (known[address] << np.uint64(16) | port.astype(np.uint64)) * _END
    found: Column = mixed ^ mixed >> _HALF
    return found
