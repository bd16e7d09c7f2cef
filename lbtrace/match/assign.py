"""Possible pairs, each with its evidence in bits → the heaviest assignment, and what each of its
pairs is worth.

The *margin* of a pair is what the best assignment without it weighs less than the best with it. It
is the cheapest alternating cycle through the pair (Berge 1957): its client takes another's partner,
that one takes another's, and so on until somebody takes the partner that was given up, or one that
was spare, or stays without one where another client was spare. All cycles together are shortest
paths in a small graph (Floyd 1962, Warshall 1962), so the margin is exact.

Pairs that share a cycle cheaper than `least` can be exchanged: they are one set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbtrace.tables.columns import Column

IMPOSSIBLE = -np.inf


@dataclass(slots=True)
class Assignment:
    """Per client its backend (−1: none), the margin of that pair in bits, and its set; and the set
    of each backend that is left over (−1: none).
    """

    mate: list[int]
    margin: list[float]
    part: list[int]
    left_in: list[int]


def assign(weights: Column, least: float) -> Assignment:
    """Bits per (client, backend), IMPOSSIBLE where they are no pair → the heaviest assignment."""
    mate = heaviest(weights)
    paired = [c for c, b in enumerate(mate) if b >= 0]
    spare_c = [c for c, b in enumerate(mate) if b < 0]
    taken = set(mate)
    spare_b = [b for b in range(weights.shape[1]) if b not in taken]
    cost = _exchanges(weights, mate, paired, spare_c, spare_b)
    far = _shortest(cost)
    cycle = far + far.T
    margin = [0.0] * len(mate)
    rows = cost.copy()
    np.fill_diagonal(rows, np.inf)
    around = (rows + far.T).min(axis=1) if len(rows) else np.zeros(0)
    for i, c in enumerate(paired):
        margin[c] = float(around[i])
    part_of = _sets(cycle < least - 1e-9)
    part = [-1] * len(mate)
    for i, c in enumerate(paired + spare_c):
        part[c] = part_of[i]
    left_in = [-1] * weights.shape[1]
    for i, b in enumerate(spare_b, len(mate)):
        left_in[b] = part_of[i]
    return Assignment(mate, margin, part, left_in)


def _exchanges(
    weights: Column,
    mate: Sequence[int],
    paired: Sequence[int],
    spare_c: Sequence[int],
    spare_b: Sequence[int],
) -> Column:
    """What each step of an exchange costs. Nodes: the pairs, the spare clients, the spare backends,
    and nobody.

    A pair or a spare client steps to whoever has the backend that its client takes. A pair steps to
    nobody when its client stays without a backend. Nobody steps to whoever's backend stays without
    a client, or to a spare client, whose place is taken; a spare backend does so through nobody.
    """
    n, k = len(mate), len(paired)
    nobody = n + len(spare_b)
    held = np.array([weights[c, mate[c]] for c in paired] + [0.0] * len(spare_c))
    order = [*paired, *spare_c]
    columns = [mate[c] for c in paired] + list(spare_b)
    cost = np.full((nobody + 1, nobody + 1), np.inf)
    cost[:n, list(range(k)) + list(range(n, nobody))] = (
        held[:, None] - weights[np.ix_(order, columns)]
    )
    cost[:k, nobody] = held[:k]
    cost[nobody, :n] = 0.0
    cost[n:nobody, nobody] = 0.0
    np.fill_diagonal(cost, 0.0)
    return cost


def _shortest(cost: Column) -> Column:
    """The cheapest way from each node to each."""
    far = cost.copy()
    for via in range(len(far)):
        np.minimum(far, far[:, via, None] + far[None, via], out=far)
    return far


def _sets(together: Column) -> list[int]:
    """A symmetric relation → the connected part each node is in."""
    part = [-1] * len(together)
    for root in range(len(together)):
        if part[root] >= 0:
            continue
        part[root], waiting = root, [root]
        while waiting:
            for other in np.flatnonzero(together[waiting.pop()]).tolist():
                if part[other] < 0:
                    part[other] = root
                    waiting.append(other)
    return part


def heaviest(weights: Column) -> list[int]:
    """Bits per (client, backend) → per client its backend, −1 for none: a heaviest assignment.

    Successive shortest paths with potentials (Kuhn 1955, Tomizawa 1971), O(n² · m). To stay without
    a partner weighs nothing.
    """
    n, m = weights.shape
    cost = np.concatenate([np.where(np.isfinite(weights), -weights, 1e12), np.zeros((n, n))], 1)
    width = m + n
    price, fee = np.zeros(n), np.zeros(width + 1)  # potentials; the last column is the root
    holder = np.full(width + 1, -1)
    for c in range(n):
        holder[width] = c
        at = width
        least, before = np.full(width, np.inf), np.full(width, width)
        seen = np.zeros(width + 1, bool)
        while holder[at] >= 0:
            seen[at] = True
            row = int(holder[at])
            loss = cost[row] - price[row] - fee[:width]
            closer = ~seen[:width] & (loss < least)
            least[closer], before[closer] = loss[closer], at
            open_ = np.where(seen[:width], np.inf, least)
            to = int(open_.argmin())
            step = open_[to]
            price[holder[seen]] += step
            fee[seen] -= step
            least[~seen[:width]] -= step
            at = to
        while at != width:
            previous = int(before[at])
            holder[at] = holder[previous]
            at = previous
    mate = [-1] * n
    for b in range(m):
        if holder[b] >= 0 and np.isfinite(weights[holder[b], b]):
            mate[int(holder[b])] = b
    return mate
