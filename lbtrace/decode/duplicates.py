"""Packets a mirror shows more than once → which rows are copies.

A mirror session that copies both directions of a port or two VLANs, or "any" on a host with
bridges, shows every packet twice: the same packet (addresses, ports, identification, TCP header,
length), at most milliseconds apart, perhaps with another tag or a TTL less by one. A retransmission
is another packet: it has another identification and comes a round trip later; a keep-alive comes
seconds later.

Decision, over the whole capture: copies are taken out only when at least `SHARE_PERCENT` of the
packets that carry data, SYN or FIN are copies; else they all stay, and TCP sees them as
retransmissions. Where the identification says nothing (IPv6, 0, or the same throughout a flow) a
copy must follow within `CLOSE_NS` and its first TCP options (the timestamps) must be equal too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lbtrace.tables.packets import FIN, SYN, Column
from lbtrace.tables.views import Views

SHARE_PERCENT = 35
FEWEST = 4
WINDOW_NS = 20_000_000
CLOSE_NS = 2_000_000
WINDOW = 1 << 17  # rows looked at together
OVERLAP = 1 << 13  # rows before them that may be what they copy
SAMPLE = 4096  # rows of each of the SAMPLES places that a long capture is tried at first
SAMPLES = 16

Columns = Mapping[str, Column]  # as in decode: one entry per SegmentTable column, and ip_id


def find_duplicates(columns: Columns, views: Sequence[Views]) -> Column:
    """Row numbers of copies to be left out; empty when the capture as a whole is not doubled."""
    n = len(columns["seq"])
    nothing = np.empty(0, dtype=np.int64)
    if n > WINDOW:
        places = np.linspace(0, n - SAMPLE, SAMPLES).astype(int).tolist()
        if not _doubled([_candidates_in(columns, views, at, at + SAMPLE) for at in places]):
            return nothing
    found = [_candidates_in(columns, views, at, min(at + WINDOW, n)) for at in range(0, n, WINDOW)]
    return np.sort(np.concatenate([rows for rows, _, _ in found])) if _doubled(found) else nothing


def _candidates_in(
    columns: Columns, views: Sequence[Views], low: int, high: int
) -> tuple[Column, int, int]:
    """Rows low … high that equal an earlier row (perhaps a little before low), how many of them
    tell, how many rows tell at all.
    """
    before = max(low - OVERLAP, 0)
    part = {name: column[before:high] for name, column in columns.items()}
    telling = (part["wire_length"] > 0) | (part["flags"] & (SYN | FIN) != 0)
    rows = _candidates(part, views)
    rows = rows[rows >= low - before]
    return rows + before, int(telling[rows].sum()), int(telling[low - before :].sum())


def _doubled(found: list[tuple[Column, int, int]]) -> bool:
    seen = sum(copied for _, copied, _ in found)
    return seen >= FEWEST and seen * 100 >= SHARE_PERCENT * sum(telling for _, _, telling in found)


def _candidates(columns: Columns, views: Sequence[Views]) -> Column:
    """Rows that equal an earlier row nearby."""
    key = _mixed(columns)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    before, after = order[equal], order[equal + 1]
    apart = np.abs(columns["time_ns"][after] - columns["time_ns"][before])
    near = apart <= WINDOW_NS
    for name in ("flow", "forward", "seq", "ack", "flags", "window", "wire_length", "ip_id"):
        near &= columns[name][after] == columns[name][before]
    before, after, apart = before[near], after[near], apart[near]
    sure = _telling_ids(columns)[after]
    close = (apart <= CLOSE_NS) & _same_options(columns, views, before, after)
    found: Column = after[sure | close]
    return found


def _mixed(columns: Columns) -> Column:
    key = columns["flow"].astype(np.uint64) << np.uint64(1) | columns["forward"].astype(np.uint64)
    words = (
        columns["seq"].astype(np.uint64) << np.uint64(32) | columns["ack"].astype(np.uint64),
        columns["wire_length"].astype(np.uint64) << np.uint64(32)
        | columns["ip_id"].astype(np.uint64) << np.uint64(16)
        | columns["window"].astype(np.uint64) ^ columns["flags"].astype(np.uint64),
    )
    for word in words:
        key = (key ^ key >> np.uint64(29)) * np.uint64(0x9E3779B97F4A7C15) + word
    mixed: Column = (key ^ key >> np.uint64(32)) * np.uint64(0xD6E8FEB86659FD93)
    return mixed


def _telling_ids(columns: Columns) -> Column:
    """Whether the identification of a row tells packets apart: not 0, and others occur in its
    direction of the flow.
    """
    way = columns["flow"].astype(np.int64) * 2 + columns["forward"]
    ids = columns["ip_id"].astype(np.int64)
    distinct = np.unique(way << 16 | ids)
    counted = np.bincount(distinct >> 16, minlength=int(way.max(initial=0)) + 1)
    telling: Column = (ids != 0) & (counted[way] > 1)
    return telling


def _same_options(
    columns: Columns, views: Sequence[Views], before: Column, after: Column
) -> Column:
    """Whether the first 12 bytes of TCP options agree, as far as both have them."""
    same = np.ones(len(after), dtype=bool)
    both = np.ones(len(after), dtype=bool)
    words: list[tuple[Column, Column]] = []
    for rows in (before, after):
        first, second = np.zeros(len(rows), dtype=np.uint64), np.zeros(len(rows), dtype=np.uint32)
        has = columns["header"][rows] >= 32
        for number in np.unique(columns["buffer"][rows]).tolist():
            mine = has & (columns["buffer"][rows] == number)
            if number < len(views) and mine.any():
                at = columns["payload"][rows[mine]] - columns["header"][rows[mine]]
                first[mine], second[mine] = views[number].u64[at + 20], views[number].u32[at + 28]
        both &= has
        words.append((first, second))
    same &= ~both | ((words[0][0] == words[1][0]) & (words[0][1] == words[1][1]))
    return same
