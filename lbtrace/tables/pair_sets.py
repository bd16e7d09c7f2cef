"""The sets of a Correlation as columns: one row per set, one item per member.

There can be as many members as exchanges, so no object is made of one until it is asked for.

Invariant: `list(SetTable.of(sets)) == list(sets)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import chain

import numpy as np

from lbtrace.model.pairing import PairSet, Ref
from lbtrace.tables.columns import Column, running
from lbtrace.tables.table import RowTable, bounds, column, item, table


class Role(IntEnum):
    """What an item of a set is."""

    CLIENT = 0  # a client exchange
    BACKEND = 1  # a backend exchange
    FIXED = 2  # a pair: `id` is its index, `point` is 0


@table
class SetTable(RowTable[PairSet]):
    """One row per set, as in `PairSet`. Its items are client exchanges, then backend exchanges,
    then fixed pairs.
    """

    group: Column = column("i8", "the number that its pairs bear")
    first: Column = bounds("the first item of each set")
    role: Column = item("u1", "what the item is", "`Role`")
    point: Column = item("i8", "capture point of an exchange, 0 for a pair")
    id: Column = item("i8", "id of an exchange in the trace of that point, index of a pair")

    @classmethod
    def of(cls, sets: Sequence[PairSet]) -> SetTable:
        """The columns of sets made elsewhere."""
        if isinstance(sets, cls):
            return sets
        rows = [
            [
                *((Role.CLIENT, *ref) for ref in s.clients),
                *((Role.BACKEND, *ref) for ref in s.backends),
                *((Role.FIXED, 0, number) for number in s.fixed),
            ]
            for s in sets
        ]
        role, point, number = np.array(list(chain(*rows)), np.int64).reshape(-1, 3).T
        return cls(
            group=np.array([s.group for s in sets], np.int64),
            first=running(np.array([len(items) for items in rows], np.int64)),
            role=role.astype(np.uint8),
            point=point,
            id=number,
        )

    def members(self, row: int, role: Role) -> tuple[Column, Column]:
        """(point, id) of the items of a set that have a role."""
        span = slice(int(self.first[row]), int(self.first[row + 1]))
        wanted = self.role[span] == role
        return self.point[span][wanted], self.id[span][wanted]

    def make(self, rows: Column) -> list[PairSet]:
        """The sets of these rows."""
        return [
            PairSet(
                int(self.group[row]),
                self._refs(row, Role.CLIENT),
                self._refs(row, Role.BACKEND),
                tuple(self.members(row, Role.FIXED)[1].tolist()),
            )
            for row in rows.tolist()
        ]

    def _refs(self, row: int, role: Role) -> tuple[Ref, ...]:
        points, ids = self.members(row, role)
        return tuple(map(Ref, points.tolist(), ids.tolist()))
