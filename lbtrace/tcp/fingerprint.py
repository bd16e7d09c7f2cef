"""SYN and SYN-ACK segments → SynOptions: their TCP options, which tell stacks apart (RFC 9293 §3.2,
RFC 7323).

All SYNs of a capture walk through their options in step: one numpy pass per option position, at
most 40. An option that is cut off, has an impossible length, or runs past the header ends the walk
of its row; what was read before it stands. End of Option List (0) is not listed among the kinds.
Invariant: never raises, whatever the bytes are.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lbtrace import compiled
from lbtrace.tables.columns import distinct
from lbtrace.tables.connections import NONE, SynOptions
from lbtrace.tables.packets import Column, SegmentTable

TCP_BYTES = 20  # of a header without options
_MAX_OPTION_BYTES = 40  # data offset is 4 bits: a header of at most 60 bytes
_MSS, _SCALE, _SACK, _TIMESTAMP = 2, 3, 4, 8
_CHUNK_ROWS = 1 << 16  # at a time: 4 MB of header bytes


def syn_options(table: SegmentTable, rows: Column) -> SynOptions:
    """The options of each row (rows of SYN or SYN-ACK segments)."""
    found = [
        _chunk(table, rows[at : at + _CHUNK_ROWS])
        for at in range(0, max(len(rows), 1), _CHUNK_ROWS)
    ]
    kinds, mss, scale, sack, stamp = (np.concatenate(parts) for parts in zip(*found, strict=True))
    layouts, options = _layouts(kinds)
    return SynOptions(
        ttl=table.ttl[rows],
        window=table.window[rows],
        mss=mss,
        window_scale=scale,
        sack_permitted=sack,
        timestamp=stamp,
        options=options,
        layouts=layouts,
    )


def _layouts(kinds: Column) -> tuple[list[tuple[int, ...]], Column]:
    """Rows of kinds → the distinct ones, without the zeros at their ends, and of each row which of
    them it is.
    """
    few = not kinds[:, 8:].any()  # then a row is one number
    rows = (
        np.ascontiguousarray(kinds[:, :8]).view(np.uint64).ravel()
        if few
        else kinds.view(f"S{_MAX_OPTION_BYTES}").ravel()
    )
    different = distinct(rows)
    layouts = [tuple(bytes(row.tobytes()).rstrip(b"\0")) for row in different]
    return layouts, np.searchsorted(different, rows).astype(np.uint32)


def _chunk(table: SegmentTable, rows: Column) -> tuple[Column, Column, Column, Column, Column]:
    """The kinds of options (rows of 40), MSS, window scale, SACK permitted, and time stamp of some
    rows.
    """
    count = len(rows)
    kinds = np.zeros((count, _MAX_OPTION_BYTES), np.uint8)
    mss = np.full(count, NONE, np.int32)
    scale = np.full(count, NONE, np.int16)
    stamp = np.full(count, NONE, np.int64)
    sack = np.zeros(count, bool)
    if compiled.core is not None:
        given = table.buffer[rows], table.payload[rows], table.header[rows]
        found = mss, scale, stamp, sack
        compiled.core.options(tuple(table.buffers), given, kinds.ravel(), found)
        return kinds, mss, scale, sack, stamp
    octets, size = _headers(table, rows)
    at = np.zeros(count, np.int64)
    live = np.flatnonzero(size > 0)
    for step in range(_MAX_OPTION_BYTES):
        if not len(live):
            break
        here, limit = at[live], size[live]
        kind = octets[live, here]
        length = np.where(
            kind == 1, 1, octets[live, np.minimum(here + 1, _MAX_OPTION_BYTES)]
        ).astype(np.int64)
        whole = (kind == 1) | ((kind > 1) & (length >= 2) & (here + length <= limit))
        live, here, kind, length = live[whole], here[whole], kind[whole], length[whole]
        kinds[live, step] = kind
        _take(octets, live, here, (kind == _MSS) & (length == 4), 2, mss)
        _take(octets, live, here, (kind == _SCALE) & (length == 3), 1, scale)
        _take(octets, live, here, (kind == _TIMESTAMP) & (length == 10), 4, stamp)
        sack[live[kind == _SACK]] = True
        at[live] = here + length
        live = live[at[live] < size[live]]
    return kinds, mss, scale, sack, stamp


def _headers(table: SegmentTable, rows: Column) -> tuple[Column, Column]:
    """The option bytes of each row in a (rows, 41) matrix (the last column is always 0), and how
    many there are.
    """
    octets = np.zeros((len(rows), _MAX_OPTION_BYTES + 1), np.uint8)
    size = np.zeros(len(rows), np.int64)
    which = table.buffer[rows]
    for number in distinct(which).tolist():
        data = np.frombuffer(table.buffers[number], np.uint8)
        here = np.flatnonzero(which == number)
        start = table.payload[rows[here]].astype(np.int64) - table.header[rows[here]]
        good = (start >= 0) & (start + TCP_BYTES <= len(data))
        here, start = here[good], start[good]
        stated = (data[start + 12] >> 4).astype(np.int64) * 4 - TCP_BYTES
        # a snapshot length may have cut the options
        captured = table.payload[rows[here]].astype(np.int64) - start - TCP_BYTES
        captured = np.minimum(captured, len(data) - start - TCP_BYTES)
        length = np.clip(stated, 0, np.clip(captured, 0, _MAX_OPTION_BYTES))
        width = int(length.max()) if len(length) else 0
        if width:
            found = _windows(data, start + TCP_BYTES, width)
            octets[here, :width] = np.where(np.arange(width) < length[:, None], found, 0)
        size[here] = length
    return octets, size


def _windows(data: Column, at: Column, width: int) -> Column:
    """`width` bytes at each position, a matrix; zeros beyond the end of the data."""
    windows = sliding_window_view(data, width)
    found: Column = windows[np.minimum(at, len(windows) - 1)]
    for i in np.flatnonzero(at >= len(windows)).tolist():
        rest = data[int(at[i]) :]
        found[i] = 0
        found[i, : len(rest)] = rest
    return found


def _take(
    octets: Column, rows: Column, here: Column, mask: Column, width: int, into: Column
) -> None:
    """Write the big-endian number of `width` bytes behind the kind and length bytes of the masked
    options into their rows.
    """
    chosen, place = rows[mask], here[mask] + 2
    value = np.zeros(len(chosen), np.int64)
    for i in range(width):
        value = value << 8 | octets[chosen, place + i]
    into[chosen] = value
