"""Endpoints of segments → flow numbers, without an object per packet.

A flow is an unordered pair of endpoints. Five 64-bit words name it: two per packed address (an IPv4
address leaves the first of them 0) and one for both ports and the family. They are kept in an open
hash table that is searched for all rows of a batch at once, by a seeded mix of the words; every row
is compared word by word with the flow it finds, so a collision costs time and never merges two
flows. Flows are numbered by first appearance.
"""

from __future__ import annotations

import os
import socket
from typing import TypeAlias

import numpy as np

from lbtrace import compiled
from lbtrace.decode.rows import V6_BIT, SegmentRows
from lbtrace.tables.packets import Column, FlowTable

WORDS = 5
Words: TypeAlias = tuple[Column | None, Column, Column | None, Column, Column]  # None: all 0
_SEED = np.frombuffer(os.urandom(8 * WORDS), dtype=np.uint64) | np.uint64(1)


def flow_table(words: Column) -> FlowTable:
    """The words of flows, one row each → their endpoints; each address is written out once."""
    low_a, low_b, high_a, high_b, ports = words.T
    six = ports >= np.uint64(V6_BIT)
    a, b, both = (
        np.concatenate((low_a, high_a)),
        np.concatenate((low_b, high_b)),
        np.concatenate((six, six)),
    )
    order = np.lexsort((b, a, both)) if six.any() else np.argsort(b)
    a, b, both = a[order], b[order], both[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1]) | (both[1:] != both[:-1])
    number = np.empty(len(order), np.uint32)
    number[order] = np.cumsum(fresh) - 1
    addresses = [
        _text(*key)
        for key in zip(a[fresh].tolist(), b[fresh].tolist(), both[fresh].tolist(), strict=True)
    ]
    low_port, high_port = (ports >> np.uint64(16)).astype(np.uint16), ports.astype(np.uint16)
    return FlowTable(addresses, number[: len(words)], low_port, number[len(words) :], high_port)


def _text(a: int, b: int, six: bool) -> str:
    if six:
        return socket.inet_ntop(socket.AF_INET6, a.to_bytes(8, "big") + b.to_bytes(8, "big"))
    return f"{b >> 24}.{b >> 16 & 255}.{b >> 8 & 255}.{b & 255}"


def _lower_first(rows: SegmentRows) -> tuple[Words, Column]:
    """The words of the flows of some rows, and whether the lower end sent them."""
    source = rows.ports >> np.uint64(16) & np.uint64(0xFFFF)
    target = rows.ports & np.uint64(0xFFFF)
    backward = (rows.source_b > rows.target_b) | (
        (rows.source_b == rows.target_b) & (source > target)
    )
    low_a = high_a = None  # the upper halves of IPv6 addresses
    if rows.ports.max() >> np.uint64(32):
        backward = (rows.source_a > rows.target_a) | ((rows.source_a == rows.target_a) & backward)
        low_a = np.where(backward, rows.target_a, rows.source_a)
        high_a = np.where(backward, rows.source_a, rows.target_a)
    low_b = np.where(backward, rows.target_b, rows.source_b)
    high_b = np.where(backward, rows.source_b, rows.target_b)
    swapped = rows.ports & ~np.uint64(0xFFFFFFFF) | target << np.uint64(16) | source
    ports = np.where(backward, swapped, rows.ports)
    return (low_a, low_b, high_a, high_b, ports), ~backward


class FlowBook:
    """Numbers flows as they appear."""

    def __init__(self) -> None:
        self.count = 0
        self._words = np.zeros((WORDS, 1024), dtype=np.uint64)
        # the number of a flow + 1, 0: free; a flow is in the first place free from `_place`
        self._slots = np.zeros(1024, dtype=np.uint32)

    @property
    def words(self) -> Column:
        """The words of all flows, one row each."""
        return np.ascontiguousarray(self._words[:, : self.count].T)

    def of_rows(self, rows: SegmentRows) -> tuple[Column, Column]:
        """Rows of segments → their flow numbers, u32, and whether the lower end sent them."""
        if compiled.core is None:
            words, forward = _lower_first(rows)
            return self.number(words), forward
        flow, forward = np.empty(len(rows), np.uint32), np.empty(len(rows), bool)
        self._make_room(len(rows))
        given = rows.source_a, rows.source_b, rows.target_a, rows.target_b, rows.ports
        self.count = compiled.core.flows(
            tuple(map(np.ascontiguousarray, given)),
            self._words.reshape(-1),
            self._slots,
            _SEED,
            self.count,
            flow,
            forward,
        )
        return flow, forward

    def number(self, words: Words) -> Column:
        """The five word columns of some rows → their flow numbers, u32."""
        n = len(words[4])
        self._make_room(n)
        flow = np.empty(n, dtype=np.uint32)
        rows, at = np.arange(n), self._place(words)
        known = self.count
        begun: list[Column] = []  # rows that are the first of their flow, and their places
        places: list[Column] = []
        while len(rows):
            found = self._slots[at]
            free = np.flatnonzero(found == 0)
            if len(free):
                first, where = self._claim(words, rows[free], at[free])
                begun.append(first)
                places.append(where)
                found = self._slots[at]
            found -= np.uint32(1)
            same = np.ones(len(rows), dtype=bool)
            for stored, word in zip(self._words, words, strict=True):
                if word is not None:
                    same &= stored[found] == (word if len(rows) == n else word[rows])
            flow[rows[same]] = found[same]
            rows, at = rows[~same], at[~same] + 1 & len(self._slots) - 1
        return (
            self._in_order(flow, known, np.concatenate(begun), np.concatenate(places))
            if begun
            else flow
        )

    def _place(self, words: Words) -> Column:
        """Where the flow of each row is looked for first."""
        mixed = words[4] * _SEED[4]
        # a word of 0 adds nothing, so a missing column is a column of 0
        for word, seed in zip(words[:4], _SEED, strict=False):
            if word is not None:
                mixed += (word ^ word >> np.uint64(31)) * seed
        mixed = (mixed ^ mixed >> np.uint64(29)) * _SEED[4]
        place: Column = (mixed >> np.uint64(65 - len(self._slots).bit_length())).astype(np.int64)
        return place

    def _make_room(self, rows: int) -> None:
        """For so many flows more, with half of the places still free."""
        most = self.count + rows
        if most > self._words.shape[1]:
            grown = np.zeros((WORDS, max(most, 2 * self._words.shape[1])), dtype=np.uint64)
            grown[:, : self.count] = self._words[:, : self.count]
            self._words = grown
        if 2 * most <= len(self._slots):
            return
        self._slots = np.zeros(1 << (4 * most - 1).bit_length(), dtype=np.uint32)
        low_a, low_b, high_a, high_b, ports = self._words[:, : self.count]
        at, flows = (
            self._place((low_a, low_b, high_a, high_b, ports)),
            np.arange(1, self.count + 1, dtype=np.uint32),
        )
        while len(flows):
            free = np.flatnonzero(self._slots[at] == 0)
            self._slots[at[free]] = flows[free]
            homeless = self._slots[at] != flows
            flows, at = flows[homeless], at[homeless] + 1 & len(self._slots) - 1

    def _claim(self, words: Words, rows: Column, at: Column) -> tuple[Column, Column]:
        """Rows whose places are free: the first row of each place begins a flow; these rows, and
        their places.
        """
        # with repeated places numpy keeps the last value assigned
        self._slots[at[::-1]] = np.arange(len(rows), 0, -1)
        wins = self._slots[at] == np.arange(1, len(rows) + 1)
        rows, at = rows[wins], at[wins]
        low, self.count = self.count, self.count + len(rows)
        self._slots[at] = np.arange(low + 1, self.count + 1)
        for stored, word in zip(self._words, words, strict=True):
            if word is not None:
                stored[low : self.count] = word[rows]
        return rows, at

    def _in_order(self, flow: Column, known: int, first: Column, places: Column) -> Column:
        """Flows that are new are numbered by their first rows, whenever they found their places."""
        if bool((first[1:] > first[:-1]).all()):
            return flow
        order = np.argsort(first)
        rank = np.empty(len(order), dtype=np.uint32)
        rank[order] = np.arange(known, self.count)
        self._words[:, known : self.count] = self._words[:, known + order]
        self._slots[places] = rank + 1
        new = np.flatnonzero(flow >= known)
        flow[new] = rank[flow[new] - known]
        return flow
