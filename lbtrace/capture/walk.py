"""Where every record of a file begins, found faster than one at a time.

A capture file is a chain: each record tells where the next begins, p₁ = next(p₀), p₂ = next(p₁), …
until `next` refuses. Walking it is sequential, so plain Python pays for every record. `walk`
guesses K later starts, walks K chains in lock-step with numpy, and then keeps a guessed chain only
when the certain chain before it lands exactly on its start. A chain is a function of its start
alone, therefore the result is exactly the sequential walk's; a wrong guess costs time, never truth.
Where the compiled core knows a format, it walks one record at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from lbtrace.capture.on_disk import Growing
from lbtrace.tables.packets import Column

SEQUENTIAL_RECORDS = 4096  # records walked one by one before guessing pays
CHAIN_RECORDS = 256  # records a guessed chain should have
MAX_CHAINS = 2048
MIN_CHAINS = 12  # chains left in lock-step that are cheaper to finish one by one


class Chain(Protocol):
    """How records of a format follow each other. STOP (-1) is the answer where no whole record
    begins.
    """

    def sequence(
        self, start: int, most: int, until: Callable[[int], bool] | None
    ) -> tuple[list[int], int, bool]:
        """Up to `most` record starts from `start`, the position after the last, and whether that is
        where `next` refuses.
        """

    def steps(self, start: int) -> tuple[Column, int, bool] | None:
        """`sequence` of as many records as please the compiled core; None where it is not there, or
        does not know the format.
        """

    def many(self, positions: Column) -> Column:
        """next() of each position, STOP where it refuses."""

    def guess(self, position: int, known: int) -> int:
        """A likely record start at or soon after `position`, STOP when none is seen; may be wrong.
        A record starts at `known`.
        """


STOP = -1


def walk(
    chain: Chain, start: int, size: int, progress: Callable[[float], None]
) -> tuple[Column, int]:
    """The record starts from `start` on, i64, and the position where the chain refuses."""
    found = Growing("i8")
    at = start
    while (some := chain.steps(at)) is not None:
        positions, at, stopped = some
        found.append(positions)
        if stopped:
            return found.column(), at
        progress(at / size)
    chains = 16
    while True:
        few, after, stopped = chain.sequence(at, SEQUENTIAL_RECORDS, None)
        found.append(np.array(few, dtype=np.int64))
        average = max((after - at) // SEQUENTIAL_RECORDS, 1)
        at = after
        if stopped:
            break
        while True:
            count = min(chains, MAX_CHAINS, (size - at) // (average * CHAIN_RECORDS))
            if count < 2 * MIN_CHAINS:
                chains = 32
                break
            part, after, stopped = _lockstep(chain, at, found.last, count, average * CHAIN_RECORDS)
            found.append(part)
            average = max((after - at) // max(len(part), 1), 1)
            at = after
            progress(at / size)
            chains *= 2
            if stopped:
                return found.column(), at
    return found.column(), at


def _lockstep(
    chain: Chain, start: int, known: int, count: int, stride: int
) -> tuple[Column, int, bool]:
    starts = [start]
    for i in range(1, count + 1):
        if (guess := chain.guess(start + i * stride, known)) > starts[-1]:
            starts.append(guess)
    if len(starts) < 2:
        positions, after, stopped = chain.sequence(start, SEQUENTIAL_RECORDS, None)
        return np.array(positions, dtype=np.int64), after, stopped
    limits = np.array(starts[1:], dtype=np.int64)
    heads = np.array(starts[:-1], dtype=np.int64)
    ends, refused, steps, owners = _advance(chain, heads, limits)
    all_steps = np.concatenate(steps)
    all_owners = np.concatenate(owners)
    order = np.argsort(all_owners, kind="stable")
    all_steps = all_steps[order]
    bounds = np.concatenate(([0], np.cumsum(np.bincount(all_owners, minlength=len(heads)))))
    return _stitch(chain, starts, ends, refused, all_steps, bounds)


def _advance(
    chain: Chain, heads: Column, limits: Column
) -> tuple[Column, Column, list[Column], list[Column]]:
    """Walk every chain until its limit: (where each stands, whether it was refused there, the
    steps, whose step each is).
    """
    ends = heads.copy()
    refused = np.zeros(len(heads), dtype=bool)
    active = np.arange(len(heads), dtype=np.uint16)
    at, limit = heads, limits.astype(np.uint64)
    steps: list[Column] = [heads[:0]]
    owners: list[Column] = [active[:0]]
    while len(active) > MIN_CHAINS or (len(active) and not len(steps) > CHAIN_RECORDS * 4):
        after = chain.many(at)
        going = after.view(np.uint64) < limit  # STOP, as an unsigned number, is beyond every limit
        if not going.all():
            stopped = after == STOP
            refused[active[stopped]] = True
            ends[active] = np.where(stopped, at, after)
            good = ~stopped
            steps.append(at[good])
            owners.append(active[good])
            active, at, limit = active[going], after[going], limit[going]
            continue
        steps.append(at)
        owners.append(active)
        at = after
    ends[active] = at
    return ends, refused, steps, owners


def _stitch(
    chain: Chain, starts: list[int], ends: Column, refused: Column, steps: Column, bounds: Column
) -> tuple[Column, int, bool]:
    """Follow the certain chain through the guessed ones."""
    index = {position: i for i, position in enumerate(starts)}
    last = starts[-1]
    kept: list[Column] = []
    i = 0
    while True:
        kept.append(steps[bounds[i] : bounds[i + 1]])
        at = int(ends[i])
        if refused[i]:
            return np.concatenate(kept), at, True
        while at not in index:
            if at > last:
                return np.concatenate(kept), at, False
            positions, at, stopped = chain.sequence(
                at, SEQUENTIAL_RECORDS, lambda p: p in index or p > last
            )
            kept.append(np.array(positions, dtype=np.int64))
            if stopped:
                return np.concatenate(kept), at, True
        if at == last:
            return np.concatenate(kept), at, False
        i = index[at]
