"""TCP sequence numbers (RFC 9293 §3.4): all mod 2³² arithmetic of lbtrace is on this page.

Sequence numbers lie on a ring of 2³². Two of them have a signed distance in −2³¹ … 2³¹−1, which is
right as long as the two segments really are less than 2 GiB apart. Offsets in a stream are plain
64-bit integers: byte 0 is the one after the SYN, and a stream may be longer than the ring.

Invariants, for u32 a and b: `add(b, distance(a, b)) == a`; `distance(add(a, n), a) == n` for every
n that is a distance.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.columns import Column, group_starts

RING = 1 << 32
# the largest window RFC 7323 §2.3 allows: a segment farther away is no part of the stream
MAX_WINDOW_BYTES = 1 << 30


def add(number: int, by: int) -> int:
    """The sequence number `by` bytes after another (before it, when negative)."""
    return (number + by) % RING


def sums(numbers: Column, by: Column | int) -> Column:
    """The same for a column of u32 (`by` may be one number for all): u32, same shape."""
    step = np.uint32(by % RING) if isinstance(by, int) else by.astype(np.uint32)
    return np.add(numbers, step, dtype=np.uint32)


def distance(to: int, start: int) -> int:
    """How far `to` lies after `start` on the ring (negative: before)."""
    return add(to - start, RING >> 1) - (RING >> 1)


def distances(to: Column, start: Column | int) -> Column:
    """The same for columns of u32 (`start` may be one number for all): i32, same shape."""
    origin = np.uint32(start % RING) if isinstance(start, int) else start
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
