"""Endpoints of segments → flow numbers, without an object per packet.

A flow is an unordered pair of endpoints. Five 64-bit words name it: two per packed address (an IPv4 address leaves the
first of them 0) and one for both ports and the family. A seeded mix of the words is looked up; then every row is
compared word by word with the flow it was given, so a collision costs time and never merges two flows. Flows are
numbered by first appearance.
"""

from __future__ import annotations

import os
import socket
from typing import TypeAlias

import numpy as np

from lbtrace.tables import Column, FlowTable

V6 = np.uint64(1 << 32)
WORDS = 5
Words: TypeAlias = tuple[Column | None, Column, Column | None, Column, Column]  # None: all 0
_SEED = np.frombuffer(os.urandom(8 * WORDS), dtype=np.uint64) | np.uint64(1)


def table(words: Column) -> FlowTable:
    """The words of flows, one row each → their endpoints; each address is written out once."""
    low_a, low_b, high_a, high_b, ports = words.T
    six = ports >= V6
    a, b, both = np.concatenate((low_a, high_a)), np.concatenate((low_b, high_b)), np.concatenate((six, six))
    order = np.lexsort((b, a, both)) if six.any() else np.argsort(b)
    a, b, both = a[order], b[order], both[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1]) | (both[1:] != both[:-1])
    number = np.empty(len(order), np.uint32)
    number[order] = np.cumsum(fresh) - 1
    addresses = [_text(*key) for key in zip(a[fresh].tolist(), b[fresh].tolist(), both[fresh].tolist(), strict=True)]
    low_port, high_port = (ports >> np.uint64(16)).astype(np.uint16), ports.astype(np.uint16)
    return FlowTable(addresses, number[: len(words)], low_port, number[len(words) :], high_port)


def _text(a: int, b: int, six: bool) -> str:
    if six:
        return socket.inet_ntop(socket.AF_INET6, a.to_bytes(8, "big") + b.to_bytes(8, "big"))
    return f"{b >> 24}.{b >> 16 & 255}.{b >> 8 & 255}.{b & 255}"


class FlowBook:
    """Numbers flows as they appear."""

    def __init__(self) -> None:
        self.count = 0
        self._known: dict[int, int] = {}
        self._collided: dict[tuple[int, ...], int] = {}
        self._words = np.zeros((WORDS, 1024), dtype=np.uint64)

    @property
    def words(self) -> Column:
        """The words of all flows, one row each."""
        return np.ascontiguousarray(self._words[:, : self.count].T)

    def number(self, words: Words) -> Column:
        """The five word columns of some rows → their flow numbers, u32."""
        n = len(words[4])
        mixed = words[4] * _SEED[4]
        for word, seed in zip(words[:4], _SEED, strict=False):  # a word of 0 adds nothing, so a missing column is a column of 0
            if word is not None:
                mixed += (word ^ word >> np.uint64(31)) * seed
        mixed ^= mixed >> np.uint64(29)
        distinct, where = np.unique(mixed, return_inverse=True)
        first = np.empty(len(distinct), dtype=np.int64)
        first[where[::-1]] = np.arange(n - 1, -1, -1)
        ids = np.empty(len(distinct), dtype=np.uint32)
        order = np.argsort(first)
        known = self._known
        fresh: list[int] = []
        for slot, key, row in zip(order.tolist(), distinct[order].tolist(), first[order].tolist(), strict=True):
            number = known.get(key)
            if number is None:
                number = known[key] = self.count + len(fresh)
                fresh.append(row)
            ids[slot] = number
        self._add(words, fresh)
        flow: Column = ids[where]
        same = np.ones(n, dtype=bool)
        for i, word in enumerate(words):
            if word is not None:
                same &= self._words[i][flow] == word
        for row in np.flatnonzero(~same).tolist():
            flow[row] = self._separate(words, row)
        return flow

    def _add(self, words: Words, rows: list[int]) -> None:
        while self.count + len(rows) > self._words.shape[1]:
            self._words = np.concatenate([self._words, np.zeros_like(self._words)], axis=1)
        for i, word in enumerate(words):
            if word is not None:
                self._words[i, self.count : self.count + len(rows)] = word[rows]
        self.count += len(rows)

    def _separate(self, words: Words, row: int) -> int:
        key = tuple(0 if word is None else int(word[row]) for word in words)
        if key not in self._collided:
            self._collided[key] = self.count
            self._add(words, [row])
        return self._collided[key]
