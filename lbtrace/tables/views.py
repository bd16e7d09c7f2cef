"""A buffer seen as integers at every byte position, without a copy, so that the header fields of
many packets or records are gathered in one step.

Invariant: a view has an entry for each position at which a whole value fits, and no other; whoever
gathers keeps the positions inside.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.columns import Column
from lbtrace.tables.packets import Buffer


def strided(data: Buffer, kind: str) -> Column:
    """The values of dtype `kind` at every position: `strided(data, ">u2")[offsets]` gathers."""
    size = np.dtype(kind).itemsize
    if len(data) < size:
        return np.empty(0, dtype=kind)
    return np.ndarray((len(data) - size + 1,), dtype=kind, buffer=data, strides=(1,))


class Views:
    """Big-endian integers (network order) of a buffer: `u16[offsets]` gathers those at any byte
    offsets.
    """

    __slots__ = ("_data", "u8", "u16", "u32", "u64")

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self.u8 = strided(data, "u1")
        self.u16 = strided(data, ">u2")
        self.u32 = strided(data, ">u4")
        self.u64 = strided(data, ">u8")

    def headers(self, at: Column, size: int) -> Column:
        """`size` bytes at each position as a contiguous (n, size) array: one pass over the buffer
        for all fields of a header.
        """
        whole: Column = strided(self._data, f"V{size}")[at].view(np.uint8).reshape(-1, size)
        return whole
