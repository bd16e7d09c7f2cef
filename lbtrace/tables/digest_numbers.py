"""Digests of bodies → numbers, the same on both sides. Equal digests have equal numbers.

A digest is 128 bits (`model.http.Body.digest`). All digests of a capture are sorted once by their
halves, as integers. Texts are made only when somebody asks for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from lbtrace.tables.columns import Column, distinct_in_order

KIND = "V16"  # a digest in a column
NO_DIGEST = 0


class DigestNumbers(Sequence[str]):
    """Digests → numbers from 1, in the order of their first use; NO_DIGEST stands for none. As a
    sequence: number → digest as hexadecimal digits, "" for none.
    """

    def __init__(self) -> None:
        self._known: Column = np.zeros(0, KIND)  # digest n stands at n − 1
        self._texts: list[str] = []  # made when one of them is asked for

    def __len__(self) -> int:
        return len(self._known) + 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if len(self._texts) != len(self):
            digits = self._known.tobytes().hex()
            self._texts = ["", *(digits[k : k + 32] for k in range(0, len(digits), 32))]
        return self._texts[index]

    def of(self, digests: Column) -> Column:
        """The number of each digest of a column. All digests known so far are sorted once more."""
        if not len(digests):
            return np.zeros(0, np.int64)
        every = np.concatenate((self._known, digests))
        halves = np.ascontiguousarray(every).view("<u8").reshape(-1, 2)
        first, number = distinct_in_order(halves[:, 0], halves[:, 1])
        before = len(self._known)
        self._known = every[first]
        found: Column = number[before:] + 1
        return found

    def of_texts(self, digests: Sequence[str | None]) -> Column:
        """The same of digests as hexadecimal digits."""
        there = [digest for digest in digests if digest is not None]
        found = np.full(len(digests), NO_DIGEST)
        found[[digest is not None for digest in digests]] = self.of(
            np.frombuffer(bytes.fromhex("".join(there)), KIND)
        )
        return found
