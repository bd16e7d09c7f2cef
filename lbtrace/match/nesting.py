"""Client intervals and backend intervals on one time line → which backend interval lies inside
which client interval.

A backend exchange (x = its request's latest start, y = its answer's earliest start, both by the
client's clock) can be caused by a client exchange (a = its request's start, p = its answer's start)
when a ≤ x and y ≤ p: dominance in the plane. Two sweeps, each O(n log n):

    pair()        a largest matching: backend exchanges by x; each takes the client exchange that
                  fits with the smallest p. Taking the tightest keeps the wider ones for those that
                  need them (the exchange argument for matching points in the plane).
    components()  sets connected by "could be": only within such a set can anything be exchanged.

`exchangeable()` cuts small sets further: when a set is balanced, an edge that lies in every perfect
matching is certain, and what is left of the set are the strongly connected parts of the alternating
graph (Dulmage & Mendelsohn 1958).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from lbtrace import compiled
from lbtrace.tables.columns import Column

EDGES = 4000  # a set with more possible pairs than this stays whole
_SHORT = 512  # a list of this length is quickly moved
_MANY = 32  # intervals: columns of fewer cost more than they save


class _Shelf:
    """Pairs of numbers in ascending order, kept as short lists one after another: putting one in
    moves few others.
    """

    def __init__(self) -> None:
        self.lists: list[list[tuple[int, int]]] = []
        self.last: list[tuple[int, int]] = []  # of each list

    def add(self, item: tuple[int, int]) -> None:
        """Put one in its place."""
        k = bisect_left(self.last, item)
        if k == len(self.last):
            if not k or len(self.lists[-1]) >= _SHORT:
                self.lists.append([item])
                self.last.append(item)
            else:
                self.lists[-1].append(item)
                self.last[-1] = item
            return
        held = self.lists[k]
        insort(held, item)
        if len(held) > 2 * _SHORT:
            self.lists[k : k + 1] = held[:_SHORT], held[_SHORT:]
            self.last[k : k + 1] = held[_SHORT - 1], held[-1]

    def take(self, least: tuple[int, int]) -> tuple[int, int] | None:
        """Take out the smallest that is not less than `least`."""
        k = bisect_left(self.last, least)
        if k == len(self.last):
            return None
        held = self.lists[k]
        found = held.pop(bisect_left(held, least))
        if held:
            self.last[k] = held[-1]
        else:
            del self.lists[k], self.last[k]
        return found

    def take_all(self, least: tuple[int, int]) -> list[tuple[int, int]]:
        """Take out all that are not less than `least`."""
        k = bisect_left(self.last, least)
        if k == len(self.last):
            return []
        at = bisect_left(self.lists[k], least)
        found = self.lists[k][at:]
        for held in self.lists[k + 1 :]:
            found += held
        rest = self.lists[k][:at]
        self.lists[k:], self.last[k:] = ([rest], [rest[-1]]) if rest else ([], [])
        return found

    def drop(self, least: tuple[int, int]) -> None:
        """Forget all that are less than `least`."""
        k = bisect_left(self.last, least)
        if k:
            del self.lists[:k], self.last[:k]
        if self.lists and self.lists[0][0] < least:
            del self.lists[0][: bisect_left(self.lists[0], least)]


Times: TypeAlias = Sequence[int] | Column


def in_columns(count: int) -> bool:
    """Whether the times of so many intervals are best given as columns."""
    return compiled.core is not None and count >= _MANY


def _in_order(a: Times, p: Times, x: Times, y: Times) -> tuple[Column, ...]:
    """The times as columns, and the orders in which clients and backends are taken."""
    times = tuple(np.array(held, np.int64) for held in (a, p, x, y))
    return *times, np.argsort(times[0], kind="stable"), np.lexsort((times[3], times[2]))


def pair(a: Times, p: Times, x: Times, y: Times) -> list[int]:
    """For every backend exchange the client exchange it is matched with, -1 for none. A largest
    matching.
    """
    core = compiled.core
    if core is not None and in_columns(len(a) + len(x)):
        matched = np.frombuffer(core.nested(*_in_order(a, p, x, y)), np.int64)
        found: list[int] = matched.tolist()
        return found
    order_c = sorted(range(len(a)), key=a.__getitem__)
    order_b = sorted(range(len(x)), key=lambda i: (x[i], y[i]))
    waiting = _Shelf()  # (p, client)
    got = [-1] * len(x)
    slack = max((before - after for before, after in zip(x, y, strict=True)), default=0)
    at = 0
    for b in order_b:
        while at < len(order_c) and a[order_c[at]] <= x[b]:
            waiting.add((p[order_c[at]], order_c[at]))
            at += 1
        best = waiting.take((y[b], -1))
        if best is not None:
            got[b] = best[1]
        waiting.drop((x[b] - slack, -1))  # later ones begin later, so these fit none of them
    return got


def components(a: Times, p: Times, x: Times, y: Times) -> list[tuple[list[int], list[int]]]:
    """Sets of (clients, backends) connected by possible pairs. Members without any possible partner
    are left out.
    """
    core = compiled.core
    if core is not None and in_columns(len(a) + len(x)):
        return core.components(*_in_order(a, p, x, y))
    order_c = sorted(range(len(a)), key=a.__getitem__)
    order_b = sorted(range(len(x)), key=lambda i: (x[i], y[i]))
    open_sets = _Shelf()  # (largest p in the set, set number)
    clients: list[list[int]] = []
    backends: list[list[int]] = []
    at = 0
    for b in order_b:
        while at < len(order_c) and a[order_c[at]] <= x[b]:
            open_sets.add((p[order_c[at]], len(clients)))
            clients.append([order_c[at]])
            backends.append([])
            at += 1
        joined = open_sets.take_all((y[b], -1))
        if len(joined) == 1:
            backends[joined[0][1]].append(b)
            open_sets.add(joined[0])
        elif joined:
            target = max(
                (number for _, number in joined), key=lambda k: len(clients[k]) + len(backends[k])
            )
            for _, number in joined:
                if number != target:
                    clients[target] += clients[number]
                    backends[target] += backends[number]
                    clients[number], backends[number] = [], []
            backends[target].append(b)
            open_sets.add((joined[-1][0], target))
    return [(c, b) for c, b in zip(clients, backends, strict=True) if b]


def edges(
    clients: Sequence[int],
    backends: Sequence[int],
    a: Sequence[int],
    p: Sequence[int],
    x: Sequence[int],
    y: Sequence[int],
) -> list[list[int]] | None:
    """Per client of a set the backends it could have caused; None when there are more than
    EDGES.
    """
    if len(clients) * len(backends) > EDGES:
        return None
    return [[b for b in backends if a[c] <= x[b] and y[b] <= p[c]] for c in clients]


def exchangeable(
    possible: Sequence[Sequence[int]], mate: Sequence[int], count: int = 0
) -> list[int]:
    """A set with a largest matching (client i ↔ mate[i], -1 for none; `count` backends) → the part
    each client is in, and after the clients each backend that is left over. Alone in its part, a
    mate is certain.

    Client i can do with mate[j] when that is possible for it: an arc i → j. Who stays without a
    partner is exchangeable too: "none" is a partner that is possible for everyone on the other
    side. Those arcs would be a product, so they run through one node for each side.
    """
    of = {b: i for i, b in enumerate(mate) if b >= 0}
    spare_c = [i for i, b in enumerate(mate) if b < 0]
    for b in range(count):
        if b not in of:
            of[b] = len(of) + len(spare_c)  # the next number after the clients
    arcs = [[of[b] for b in options if b in of] for options in possible]
    members = len(of) + len(spare_c)
    to_spare, to_all = members, members + 1
    for own in arcs if spare_c else ():
        own.append(to_spare)
    arcs += [[to_all] for _ in range(members - len(mate))]
    return _connected([*arcs, spare_c, list(of.values())])[:members]


def _connected(arcs: Sequence[Sequence[int]]) -> list[int]:
    """Arcs of a graph → the strongly connected part each node is in (Tarjan 1972, without
    recursion).
    """
    walk = _DepthFirst(arcs)
    for root in range(len(arcs)):
        if walk.index[root] < 0:
            walk.through(root)
    return walk.part


class _DepthFirst:
    """A walk along the arcs, depth first, that numbers the nodes and closes the parts."""

    def __init__(self, arcs: Sequence[Sequence[int]]) -> None:
        self.arcs = arcs
        self.index = [-1] * len(arcs)  # when each node was entered, -1 if it was not yet
        self.low = [0] * len(arcs)  # the first entered that is known to be in its part
        self.part = [-1] * len(arcs)  # -1 while it is open
        self._open: list[int] = []
        self._entered = self._parts = 0

    def through(self, root: int) -> None:
        """Everything that can be reached from a node."""
        work = [(root, 0)]  # a node, and which of its arcs comes next
        while work:
            v, k = work.pop()
            if k == 0:
                self._enter(v)
            elif self.part[self.arcs[v][k - 1]] < 0:
                self.low[v] = min(self.low[v], self.low[self.arcs[v][k - 1]])
            way = self._not_entered(v, k)
            if way is not None:
                work += [(v, way + 1), (self.arcs[v][way], 0)]
            elif self.low[v] == self.index[v]:
                self._close(v)

    def _enter(self, v: int) -> None:
        self.index[v] = self.low[v] = self._entered
        self._entered += 1
        self._open.append(v)

    def _not_entered(self, v: int, k: int) -> int | None:
        """The first arc from the k-th on that leads to a new node; those before it lead back."""
        own = self.arcs[v]
        for way in range(k, len(own)):
            w = own[way]
            if self.index[w] < 0:
                return way
            if self.part[w] < 0:
                self.low[v] = min(self.low[v], self.index[w])
        return None

    def _close(self, v: int) -> None:
        """All that was entered since v, and is open, is one part."""
        w = -1
        while w != v:
            w = self._open.pop()
            self.part[w] = self._parts
        self._parts += 1


def largest(possible: Sequence[Sequence[int]], count: int) -> list[int]:
    """Options per client → a largest matching, -1 for none (augmenting paths, Kuhn 1955; options
    are tried in order, so order is kept where it can be).
    """
    mate = [-1] * len(possible)
    of = [-1] * count
    for i in range(len(possible)):
        came: dict[int, int] = {}  # backend → client it was reached from
        queue = [i]
        end = -1
        for c in queue:
            for b in possible[c]:
                if b in came:
                    continue
                came[b] = c
                if of[b] < 0:
                    end = b
                    break
                queue.append(of[b])
            if end >= 0:
                break
        while end >= 0:
            c = came[end]
            of[end] = c
            end, mate[c] = mate[c], end
    return mate
