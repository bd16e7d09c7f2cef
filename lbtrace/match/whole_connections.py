"""Sets of interchangeable pairs, where the balancer gives each client connection a backend
connection of its own → pairs of whole connections, and the exchanges on them.

A layer 4 proxy can do nothing else, and some that read HTTP do the same. That it does so is learned
from the pairs that stand alone: many, on several connections, and no exception. Then the k-th
exchange of a client connection is the k-th of its backend connection. So two connections can be one
only if they carry as many exchanges, and each of them lies inside its own. Which connections are
whose is settled as for exchanges: one pair that every largest assignment has is fixed (`nesting`),
and in the others the k-th exchanges are a set.

Invariant: who is in a set is changed only together with everybody else in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lbtrace.match import nesting
from lbtrace.match.exchange_times import Facts, may_be_answer
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.model.pairing import Clue, Confidence, Reason, Tier
from lbtrace.tables.columns import Column

KEPT_TOGETHER = 20  # exchanges after the first of their connection: by chance, 1 in 2^20
SEVERAL = 3  # connections that show it


def resolve(state: Pairing, line: Timeline) -> None:
    """Settle sets by connections, where the balancer keeps those apart."""
    if not state.group or not line.known:
        return
    places = _place(state.client), _place(state.backend)
    if _kept_together(state, *places):
        _Wholes(state, line, *places).settle()


def _place(facts: Facts) -> Column:
    """Per exchange, which of its connection's it is, from 0."""
    order, follows = facts.table.next_on_connection
    at = np.arange(len(order))
    place = np.zeros(len(order), np.int64)
    place[order] = at - np.maximum.accumulate(np.where(follows, 0, at))
    return place


def _kept_together(state: Pairing, mine: Column, theirs: Column) -> bool:
    """Whether all pairs that stand alone are of connections that belong together, each at the same
    place of both, and they are many.
    """
    alone = [
        (c, bs[0])
        for c, bs in state.caused.items()
        if c not in state.group and len(bs) == 1 and state.confidence[c] is not Confidence.LOW
    ]
    c, b = np.array(alone, np.int64).reshape(-1, 2).T
    if not len(c) or (mine[c] != theirs[b]).any():
        return False
    front, back = state.client.connection[c], state.backend.connection[b]
    ends = {(x, y) for x, y in zip(front.tolist(), back.tolist(), strict=True)}
    several = len({x for x, _ in ends}) == len({y for _, y in ends}) == len(ends) >= SEVERAL
    return several and len(c) - len(ends) >= KEPT_TOGETHER


class _Whole(NamedTuple):
    """A pair of connections. Those of one part, which its first client connection names, can be
    exchanged.
    """

    front: int
    back: int
    part: int


@dataclass(slots=True)
class _Wholes:
    """The sets, by the connections of their members."""

    state: Pairing
    line: Timeline
    mine: Column
    theirs: Column
    group_of: dict[int, int] = field(default_factory=dict)  # of backend exchanges
    fronts: dict[int, list[int]] = field(default_factory=dict)  # connection → its exchanges
    backs: dict[int, list[int]] = field(default_factory=dict)
    size: Counter[int] = field(default_factory=Counter)  # group → its client exchanges

    def settle(self) -> None:
        """Settle what can be."""
        state = self.state
        self.size = Counter(state.group.values())
        for c, group in state.group.items():
            self.group_of.update(dict.fromkeys(state.caused[c], group))
        self.group_of.update((b, g) for b, g in state.left_over.items() if state.owner[b] < 0)
        self.fronts = _exchanges(state.client, state.group)
        self.backs = _exchanges(state.backend, self.group_of)
        self._drop_doubtful()
        found = [self._assigned(fronts, backs) for fronts, backs in self._in_time()]
        self._enter(self._together([held for held in found if held]))

    def _drop_doubtful(self) -> None:
        """Leave out connections that were not captured whole, or that have an exchange neither in a
        set nor in a pair, and with them everybody in their sets.
        """
        state = self.state
        bad = {g for c, g in state.group.items() if len(state.caused[c]) != 1}
        bad |= set(state.left_out.values())
        sides = (
            (self.fronts, state.group, _clean(state.client), state.caused.__contains__),
            (self.backs, self.group_of, _clean(state.backend), self._known),
        )
        for held, groups, clean, known in sides:
            for connection, numbers in list(held.items()):
                if not clean[connection] or not all(map(known, numbers)):
                    bad |= _groups(numbers, groups)
        before = -1
        while len(bad) > before:
            before = len(bad)
            for held, groups, _, _ in sides:
                for connection, numbers in list(held.items()):
                    if _groups(numbers, groups) & bad:
                        bad |= _groups(numbers, groups)
                        del held[connection]

    def _known(self, b: int) -> bool:
        return self.state.owner[b] >= 0 or b in self.group_of

    def _in_time(self) -> list[tuple[list[int], list[int]]]:
        """Connections that can be each other's, as far as their first and last times show."""
        fronts, backs, line = list(self.fronts), list(self.backs), self.line
        mine = [self.fronts[x] for x in fronts]
        theirs = [self.backs[y] for y in backs]
        found = nesting.components(
            [line.client_asked[cs[0]] for cs in mine],
            [line.client_answered[cs[-1]] for cs in mine],
            [line.backend_asked[bs[0]] for bs in theirs],
            [line.backend_answered[bs[-1]] for bs in theirs],
        )
        return [([fronts[i] for i in x], [backs[j] for j in y]) for x, y in found]

    def _possible(self, front: int, back: int) -> bool:
        """Whether each exchange of a backend connection can be that of a client connection at the
        same place.
        """
        mine, theirs = self.fronts[front], self.backs[back]
        return len(mine) == len(theirs) and all(map(self._fits, mine, theirs))

    def _fits(self, c: int, b: int) -> bool:
        state = self.state
        if c not in state.group or b not in self.group_of:
            return state.owner[b] == c
        return (
            state.group[c] == self.group_of[b]
            and self.line.inside(c, b)
            and may_be_answer(state.client.exchange(c), state.backend.exchange(b))
        )

    def _assigned(self, fronts: list[int], backs: list[int]) -> list[_Whole]:
        """A largest assignment of connections, nobody left out; empty where there is none."""
        if len(fronts) != len(backs) or len(fronts) * len(backs) > nesting.EDGES:
            return []
        possible = [[j for j, y in enumerate(backs) if self._possible(x, y)] for x in fronts]
        mate = nesting.largest(possible, len(backs))
        if any(j < 0 for j in mate):
            return []
        part = nesting.exchangeable(possible, mate, len(backs))
        first = [fronts[part.index(part[i])] for i in range(len(fronts))]
        return [_Whole(x, backs[mate[i]], first[i]) for i, x in enumerate(fronts)]

    def _together(self, found: list[list[_Whole]]) -> list[_Whole]:
        """Of several assignments those that leave no set with somebody outside."""
        while True:
            members = Counter(g for held in found for g in self._members(held))
            left = [
                held
                for held in found
                if all(self.size[g] == members[g] for g in set(self._members(held)))
            ]
            if len(left) == len(found):
                return [whole for held in found for whole in held]
            found = left

    def _members(self, held: list[_Whole]) -> list[int]:
        """The set of each client exchange that is in one."""
        group = self.state.group
        return [group[c] for x in held for c in self.fronts[x.front] if c in group]

    def _enter(self, held: list[_Whole]) -> None:
        """Pairs of connections → pairs of exchanges, in place of the sets."""
        state = self.state
        sets: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for whole in held:
            for c, b in zip(self.fronts[whole.front], self.backs[whole.back], strict=True):
                if c in state.group:
                    sets[whole.part, int(self.mine[c])].append((c, b))
        for some in sets.values():
            for c, _ in some:
                state.remove(c)
        for some in sets.values():
            alone = len(some) == 1
            group = None if alone else state.new_group()
            tier = Tier.TIME if alone else Tier.ORDER
            why = Reason(Clue.WHOLE_CONNECTION if alone else Clue.ONE_OF_ALIKE, _size(some))
            for c, b in some:
                state.left_over.pop(b, None)
                state.add(c, [b], tier, Confidence.MEDIUM, (why,), group)
                state.spare[c] = (False, False)


def _size(some: list[tuple[int, int]]) -> str:
    """Of how many pairs one is; "" where it stands alone."""
    return "" if len(some) == 1 else str(len(some))


def _groups(numbers: list[int], groups: Mapping[int, int]) -> set[int]:
    """The sets that some exchanges are in."""
    return {groups[n] for n in numbers if n in groups}


def _exchanges(facts: Facts, numbers: dict[int, int]) -> dict[int, list[int]]:
    """The connections of these exchanges → all their exchanges, in order."""
    wanted = sorted({int(facts.connection[n]) for n in numbers})
    found = facts.table.by_connection.lists(np.array(wanted, np.int64))
    return dict(zip(wanted, found, strict=True))


def _clean(facts: Facts) -> Column:
    """Which connections were captured from their start, without a missing byte."""
    table = facts.table
    fine: Column = table.of_connections("syns") > 0
    for server in (False, True):
        fine &= table.of_ends("missing", server) == 0
    return fine
