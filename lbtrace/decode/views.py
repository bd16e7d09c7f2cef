"""A buffer seen as integers at every position, without a copy, so that header fields of many
packets are gathered in one step.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.packets import Buffer, Column


class Views:
    """`u16[offsets]` gathers big-endian values at any byte offsets; the caller keeps offsets inside
    the buffer.
    """

    __slots__ = ("_data", "u8", "u16", "u32", "u64")

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self.u8 = _view(data, "u1")
        self.u16 = _view(data, ">u2")
        self.u32 = _view(data, ">u4")
        self.u64 = _view(data, ">u8")

    def headers(self, at: Column, size: int) -> Column:
        """`size` bytes at each position as a contiguous (n, size) array: one pass over the buffer
        for all fields of a header.
        """
        whole: Column = _view(self._data, f"V{size}")[at].view(np.uint8).reshape(-1, size)
        return whole


def _view(data: Buffer, kind: str) -> Column:
    size = np.dtype(kind).itemsize
    if len(data) < size:
        return np.empty(0, dtype=kind)
    return np.ndarray((len(data) - size + 1,), dtype=kind, buffer=data, strides=(1,))
