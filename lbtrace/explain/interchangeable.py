"""The groups of pairs that nothing tells apart → sets: their members, with those that were left
without a partner, and the pairs that were fixed when the set was.

A pair is fixed by a set if both came from one choice among assignments, and every one that is
as good has the pair (Dulmage and Mendelsohn 1958). A set with too many possible pairs to look at
each (`nesting.EDGES`) has no fixed pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lbtrace.match.pairing import Pairing
from lbtrace.tables.columns import Column, group_starts, spans
from lbtrace.tables.pair_sets import Role, SetTable
from lbtrace.tables.pairs import NONE, PairTable


class _Items(NamedTuple):
    """Items of sets, each with its group."""

    group: Column
    role: Role
    point: Column
    id: Column


def sets(state: Pairing, pairs: PairTable) -> SetTable:
    """Every set that has pairs, by the number of its group."""
    grouped = np.flatnonzero(pairs.group != NONE)
    if not len(grouped):
        return SetTable.empty()
    at = spans(pairs.first[grouped], pairs.attempts[grouped])
    of_attempt = np.repeat(pairs.group[grouped], pairs.attempts[grouped])
    group = pairs.group[grouped]
    items = [
        _Items(group, Role.CLIENT, pairs.client_point[grouped], pairs.client[grouped]),
        _left_without(state, of_client=True),
        _Items(of_attempt, Role.BACKEND, pairs.backend_point[at], pairs.backend[at]),
        _left_without(state, of_client=False),
        _fixed(state),
    ]
    return _table([held for held in items if len(held.group)], set(group.tolist()))


def _left_without(state: Pairing, of_client: bool) -> _Items:
    """The members that have no partner."""
    facts = state.client if of_client else state.backend
    held: Mapping[int, int] = state.left_out if of_client else state.left_over
    left = [
        (group, n)
        for n, group in held.items()
        if group >= 0 and (n not in state.caused if of_client else state.owner[n] < 0)
    ]
    group, numbers = np.array(left, np.int64).reshape(-1, 2).T
    role = Role.CLIENT if of_client else Role.BACKEND
    return _Items(group, role, facts.point[numbers], facts.id[numbers])


def _fixed(state: Pairing) -> _Items:
    """Per set the pairs that stand alone and come from the choice that it comes from."""
    row = {c: i for i, c in enumerate(sorted(state.caused))}
    alone: dict[int, list[int]] = {}
    groups: dict[int, set[int]] = {}
    for c, choice in state.choice.items():
        if c in state.group:
            groups.setdefault(choice, set()).add(state.group[c])
        else:
            alone.setdefault(choice, []).append(row[c])
    rows = [
        (group, number)
        for choice, members in groups.items()
        for group in members
        for number in alone.get(choice, ())
    ]
    group, numbers = np.array(rows, np.int64).reshape(-1, 2).T
    return _Items(group, Role.FIXED, np.zeros(len(group), np.int64), numbers)


def _table(items: list[_Items], wanted: set[int]) -> SetTable:
    """Items in any order → the sets that have pairs."""
    group, point, number = (
        np.concatenate([getattr(held, name) for held in items]) for name in ("group", "point", "id")
    )
    role = np.concatenate([np.full(len(held.group), held.role, np.uint8) for held in items])
    order = np.lexsort((number, point, role, group))
    order = order[np.isin(group[order], np.fromiter(wanted, np.int64, len(wanted)))]
    starts = group_starts(group[order])
    return SetTable(
        group=group[order][starts],
        first=np.append(starts, len(order)),
        role=role[order],
        point=point[order],
        id=number[order],
    )
