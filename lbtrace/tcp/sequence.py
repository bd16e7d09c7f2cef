"""TCP sequence numbers (RFC 9293 §3.4): all mod 2³² arithmetic of lbtrace is on this page.

Sequence numbers live on a ring of 2³². Two of them have a signed distance in −2³¹ … 2³¹−1, which is
right as long as the two segments really are less than 2 GiB apart. Offsets in a stream are plain
64-bit integers: byte 0 is the one after the SYN, and a stream may be longer than the ring.

Invariant: for u32 a and b, `(b + distance(a, b)) mod 2³² == a`.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.packets import Column

RING = 1 << 32
MAX_WINDOW_BYTES = (
    1 << 30
    # the largest window RFC 7323 §2.3 allows: a segment farther away than this is no part of the
    # stream
)


def distance(to: int, start: int) -> int:
    """How far `to` lies after `start` on the ring (negative: before): scalar."""
    return ((to - start + (RING >> 1)) & (RING - 1)) - (RING >> 1)


def distances(to: Column, start: Column | int) -> Column:
    """The same for columns of u32 (`start` may be one number for all): i32, same shape."""
    origin = np.uint32(start & (RING - 1)) if isinstance(start, int) else start
    return np.subtract(to, origin, dtype=np.uint32).view(np.int32)


def unwrap(numbers: Column, group: Column) -> Column:
    """u32 numbers, each less than 2³¹ from the one before it in its group → i64 offsets from the
    first of the group.

    `group` names each row's group; the rows of a group are adjacent.
    """
    if not len(numbers):
        return np.zeros(0, np.int64)
    steps = np.zeros(len(numbers), np.int64)
    steps[1:] = distances(numbers[1:], numbers[:-1])
    first = group_starts(group)
    steps[first] = 0
    total = np.cumsum(steps)
    sizes = np.diff(np.append(first, len(numbers)))
    return total - np.repeat(total[first], sizes)


def group_starts(group: Column) -> Column:
    """The rows at which a new group begins, where equal values are adjacent."""
    if not len(group):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
