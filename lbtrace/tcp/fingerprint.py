"""SYN and SYN-ACK segments → SynFingerprint: what the options say about the stack that sent them (RFC 9293 §3.2, RFC 7323).

All SYNs of a capture walk through their options in step: one numpy pass per option position, at most 40. An option that is cut
off, has an impossible length, or runs past the header ends the walk of its row; what was read before it stands. End of Option
List (0) is not listed among the kinds. Invariant: never raises, whatever the bytes are.
"""

from __future__ import annotations

import numpy as np

from lbtrace.model.net import SynFingerprint
from lbtrace.tables import Column, SegmentTable
from lbtrace.tcp.columns import masked, rows_of

_MAX_OPTIONS = 40  # data offset is 4 bits: a header of at most 60 bytes
_MSS, _SCALE, _SACK, _TIMESTAMP = 2, 3, 4, 8
_CHUNK = 1 << 16  # rows at a time: 4 MB of header bytes


def fingerprints(table: SegmentTable, rows: Column) -> list[SynFingerprint]:
    """One fingerprint per row (rows of SYN or SYN-ACK segments)."""
    found: list[SynFingerprint] = []
    for at in range(0, len(rows), _CHUNK):
        found += _chunk(table, rows[at : at + _CHUNK])
    return found


def _chunk(table: SegmentTable, rows: Column) -> list[SynFingerprint]:
    octets, size = _headers(table, rows)
    count = len(rows)
    kinds = np.zeros((count, _MAX_OPTIONS), np.uint8)
    mss = np.full(count, -1, np.int64)
    scale = np.full(count, -1, np.int64)
    stamp = np.full(count, -1, np.int64)
    sack = np.zeros(count, bool)
    at = np.zeros(count, np.int64)
    live = np.flatnonzero(size > 0)
    for step in range(_MAX_OPTIONS):
        if not len(live):
            break
        here, limit = at[live], size[live]
        kind = octets[live, here]
        length = np.where(kind == 1, 1, octets[live, np.minimum(here + 1, _MAX_OPTIONS)]).astype(np.int64)
        whole = (kind == 1) | ((kind > 1) & (length >= 2) & (here + length <= limit))
        live, here, kind, length = live[whole], here[whole], kind[whole], length[whole]
        kinds[live, step] = kind
        _take(octets, live, here, (kind == _MSS) & (length == 4), 2, mss)
        _take(octets, live, here, (kind == _SCALE) & (length == 3), 1, scale)
        _take(octets, live, here, (kind == _TIMESTAMP) & (length == 10), 4, stamp)
        sack[live[kind == _SACK]] = True
        at[live] = here + length
        live = live[at[live] < size[live]]
    layouts: dict[bytes, tuple[int, ...]] = {}
    options = [layouts.get(k) or layouts.setdefault(k, tuple(k)) for k in kinds.view(f"S{_MAX_OPTIONS}").ravel().tolist()]
    columns = (
        table.ttl[rows].tolist(),
        table.window[rows].tolist(),
        masked(mss, mss < 0),
        masked(scale, scale < 0),
        sack.tolist(),
        masked(stamp, stamp < 0),
        options,
    )
    return rows_of(SynFingerprint, columns)


def _headers(table: SegmentTable, rows: Column) -> tuple[Column, Column]:
    """The option bytes of each row in a (rows, 41) matrix (the last column is always 0), and how many there are."""
    octets = np.zeros((len(rows), _MAX_OPTIONS + 1), np.uint8)
    size = np.zeros(len(rows), np.int64)
    which = table.buffer[rows]
    for number in np.unique(which).tolist():
        data = np.frombuffer(table.buffers[number], np.uint8)
        mine = np.flatnonzero(which == number)
        start = table.tcp[rows[mine]].astype(np.int64)
        good = (start >= 0) & (start + 20 <= len(data))
        mine, start = mine[good], start[good]
        length = (data[start + 12] >> 4).astype(np.int64) * 4 - 20
        captured = table.payload[rows[mine]].astype(np.int64) - start - 20  # a snapshot length may have cut the options
        length = np.clip(length, 0, np.clip(np.minimum(captured, len(data) - start - 20), 0, _MAX_OPTIONS))
        width = int(length.max()) if len(length) else 0
        columns = np.arange(width)
        places = start[:, None] + 20 + columns
        np.minimum(places, len(data) - 1, out=places)
        octets[mine, :width] = np.where(columns < length[:, None], data[places], 0)
        size[mine] = length
    return octets, size


def _take(octets: Column, rows: Column, here: Column, mask: Column, width: int, into: Column) -> None:
    """Write the big-endian number of `width` bytes behind the kind and length bytes of the masked options into their rows."""
    chosen, place = rows[mask], here[mask] + 2
    value = np.zeros(len(chosen), np.int64)
    for i in range(width):
        value = value << 8 | octets[chosen, place + i]
    into[chosen] = value
