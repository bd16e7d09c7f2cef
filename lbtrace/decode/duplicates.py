"""Packets that a mirror shows more than once → which rows are copies.

A mirror session that copies both directions of a port or two VLANs, or "any" on a host with
bridges, shows every packet twice. A copy is the same packet (addresses, ports, identification, TCP
header, length), at most milliseconds later, perhaps with another tag or a smaller TTL. A
retransmission is another packet: it has another identification and comes a round trip later; a
keep-alive comes seconds later.

The identification says nothing for IPv6, where it is 0, and where it is the same throughout a flow.
A copy must then follow within MAX_APART_WITHOUT_ID_NS, and its first TCP options (the timestamps)
must be equal too.

What nobody sends again like that is a copy for certain, and left out always:

    a packet with a telling identification that no other packet of its direction has
    a packet with a telling identification and another TTL, tag or tunnel
    a SYN or SYN-ACK: it is sent again after a second (RFC 6298 §2)

Invariant: other copies are left out only when they are at least MIN_SHARE_PERCENT of the packets
with data, SYN or FIN of the flows that have copies; else they stay, and TCP sees them as
retransmissions. Other flows do not count: on a balancer, "any" may show what is behind it twice (a
bridge and its port) and what is in front once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lbtrace.tables.columns import among, distinct, ranks
from lbtrace.tables.packets import FIN, SYN, Column
from lbtrace.tables.views import Views

MIN_SHARE_PERCENT = 35
MIN_COPIES = 4
MAX_APART_NS = 20_000_000
MAX_APART_WITHOUT_ID_NS = 2_000_000
WINDOW_ROWS = 1 << 17  # looked at together
OVERLAP_ROWS = 1 << 13  # before them, that may be what they copy
SAMPLE_ROWS = 4096  # in each of the SAMPLES places of a long capture that are looked at first
SAMPLES = 16
OPTION_BYTES = 12  # of TCP that are compared; the timestamps are in them (RFC 7323 appendix A)

Columns = Mapping[str, Column]  # as in decode: one entry per SegmentTable column, and ip_id
# what a copy shares with what it copies, and no other packet of the same time
EQUAL = ("flow", "forward", "seq", "ack", "flags", "window", "wire_length", "ip_id")


class Copies(NamedTuple):
    """In some rows: which are copies, which of these for certain, how many of the copies carry
    data, SYN or FIN, and how many rows of the same flows do.
    """

    rows: Column
    certain: Column
    carrying: int
    all_carrying: int


def find_duplicates(
    columns: Columns, views: Sequence[Views], doubled: bool | None = None
) -> Column:
    """Row numbers of copies to be left out; empty when the capture as a whole is not doubled.
    `doubled`: whether it is, where these rows are only some of it; None: they tell it.
    """
    n = len(columns["seq"])
    nothing = np.empty(0, dtype=np.int64)
    if n > WINDOW_ROWS and doubled is None:
        places = np.linspace(0, n - SAMPLE_ROWS, SAMPLES).astype(int).tolist()
        sample = [copies_in(columns, views, at, at + SAMPLE_ROWS) for at in places]
        if not are_doubled(sample) and not any(len(part.certain) for part in sample):
            return nothing
    windows = range(0, n, WINDOW_ROWS)
    found = [copies_in(columns, views, at, min(at + WINDOW_ROWS, n)) for at in windows]
    every = are_doubled(found) if doubled is None else doubled
    parts = [copies.rows if every else copies.certain for copies in found]
    return np.sort(np.concatenate([nothing, *parts]))


def copies_in(columns: Columns, views: Sequence[Views], low: int, high: int) -> Copies:
    """The copies among rows low … high, of each other or of a row a little before."""
    before = max(low - OVERLAP_ROWS, 0)
    part = {name: column[before:high] for name, column in columns.items()}
    carries = (part["wire_length"] > 0) | (part["flags"] & (SYN | FIN) != 0)
    rows, certain = (found[found >= low - before] for found in _copies(part, views))
    flow = part["flow"]
    return Copies(
        rows + before,
        certain + before,
        int(carries[rows].sum()),
        int(carries[low - before :][among(flow[low - before :], flow[rows])].sum()),
    )


def are_doubled(found: Sequence[Copies]) -> bool:
    """Whether copies are so many that a mirror made them."""
    copies = sum(part.carrying for part in found)
    return copies >= MIN_COPIES and copies * 100 >= MIN_SHARE_PERCENT * sum(
        part.all_carrying for part in found
    )


def _copies(columns: Columns, views: Sequence[Views]) -> tuple[Column, Column]:
    """Rows that equal an earlier row nearby; and those of them that nobody sent again."""
    key = _mixed(columns)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    before, after = order[equal], order[equal + 1]
    apart = np.abs(columns["time_ns"][after] - columns["time_ns"][before])
    same = apart <= MAX_APART_NS
    for name in EQUAL:
        same &= columns[name][after] == columns[name][before]
    before, after, apart = before[same], after[same], apart[same]
    by_id = _telling_ids(columns)[after]
    alike = _same_options(columns, views, before, after)
    opening = alike & (columns["flags"][after] & SYN != 0)
    close = alike & (apart <= MAX_APART_WITHOUT_ID_NS)
    other = (columns["ttl"][after] != columns["ttl"][before]) | (
        columns["network"][after] != columns["network"][before]
    )
    certain = opening | by_id & (other | _of_one_packet(columns, key, after))
    return after[by_id | close | opening], after[certain]


def _of_one_packet(columns: Columns, key: Column, rows: Column) -> Column:
    """Whether all packets that have the identification of a row, in its direction of the flow, are
    the same packet. `key`: per row a number that equal packets share.
    """
    way = columns["flow"].astype(np.int64) * 2 + columns["forward"]
    named = way << 16 | columns["ip_id"].astype(np.int64)
    known = distinct(named[rows])
    of_those = np.flatnonzero(among(named, known))
    which = np.searchsorted(known, named[of_those])
    first = np.zeros(len(known), key.dtype)
    first[which] = key[of_those]
    several = which[key[of_those] != first[which]]
    one: Column = ~among(np.searchsorted(known, named[rows]), several)
    return one


def _mixed(columns: Columns) -> Column:
    """A number per row that rows with the same EQUAL columns share, and others hardly ever."""
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
    way = ranks(columns["flow"].astype(np.int64) * 2 + columns["forward"])
    ids = columns["ip_id"].astype(np.int64)
    told = distinct(way << 16 | ids)
    counted = np.bincount(told >> 16)
    telling: Column = (ids != 0) & (counted[way] > 1)
    return telling


def _same_options(
    columns: Columns, views: Sequence[Views], before: Column, after: Column
) -> Column:
    """Whether the first OPTION_BYTES of TCP options agree, where both packets have as many."""
    first, second = _options(columns, views, before), _options(columns, views, after)
    same: Column = (first == second).all(axis=1)
    header = columns["header"]
    same |= (header[before] < 20 + OPTION_BYTES) | (header[after] < 20 + OPTION_BYTES)
    return same


def _options(columns: Columns, views: Sequence[Views], rows: Column) -> Column:
    """The first OPTION_BYTES of TCP options, a matrix; zeros where a packet has fewer."""
    options = np.zeros((len(rows), OPTION_BYTES), dtype=np.uint8)
    has = columns["header"][rows] >= 20 + OPTION_BYTES
    buffer = columns["buffer"][rows]
    for number in distinct(buffer[has]).tolist():
        these = has & (buffer == number)
        if number < len(views):  # not the buffer of packets put together from fragments
            at = columns["payload"][rows[these]] - columns["header"][rows[these]] + 20
            options[these] = views[number].headers(at, OPTION_BYTES)
    return options
