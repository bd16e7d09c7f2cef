"""Two sides and their Correlation → what a Ref, or a number in the columns of a side, stands for.

Exchanges and connections have two addresses: a Ref (capture point and id), which is what a
Correlation says, and a number that counts through the points of the side, which is what columns are
indexed by (`SideTable`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from lbtrace.model.http import Exchange
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, Correlation, Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import both_sides

NO_EXCHANGE = -1


@dataclass(frozen=True)
class Sides:
    """The capture points of both sides and what was found to belong together."""

    clients: Sequence[Trace]
    backends: Sequence[Trace]
    correlation: Correlation
    tables: tuple[SideTable, SideTable] | None = field(
        default=None, compare=False, repr=False
    )  # when they are at hand

    @cached_property
    def sides(self) -> tuple[SideTable, SideTable]:
        """The client side and the backend side as columns, in one numbering of what they share."""
        return self.tables or both_sides(self.clients, self.backends)

    @cached_property
    def answers(self) -> dict[tuple[object, ...], Any]:
        """What was worked out of it already (`once`)."""
        return {}

    @cached_property
    def _family(self) -> list[Sides]:
        """This one, and all that were made from it, and it from them."""
        return [self]

    def with_correlation(self, correlation: Correlation) -> Self:
        """The same sides, with something else found to belong together."""
        made = replace(self, correlation=correlation, tables=self.sides)
        vars(made)["_family"] = self._family
        self._family.append(made)
        return made

    def let_go(self) -> None:
        """Let go of what was worked out, here and where this was made from or into, with the tables
        of both sides: several times the captures' heads. Nothing can be asked any more. Answers
        refer to who gave them, so Python would keep them until it looks for cycles.
        """
        for table in self.sides:
            table.words.close()
        for each in self._family:
            vars(each).clear()

    def traces(self, side: Side) -> Sequence[Trace]:
        """The capture points of a side."""
        return self.clients if side is Side.CLIENT else self.backends

    def steady(self, *sides: Side) -> bool:
        """Whether no clock of these sides' captures, of both without any, was seen to be set: a
        clock that was set tells no durations.
        """
        return all(trace.steady for side in sides or Side for trace in self.traces(side))

    @property
    def captured(self) -> tuple[Side, ...]:
        """The sides of which there is a capture. Of the other one nothing may be said."""
        return tuple(side for side in Side if self.traces(side))

    @property
    def alone(self) -> bool:
        """Whether only one side was captured. It need not be the side it is read as, so nothing may
        name it.
        """
        return len(self.captured) == 1

    def table(self, side: Side) -> SideTable:
        """The columns of a side."""
        return self.sides[side is Side.BACKEND]

    def exchange(self, side: Side, ref: Ref) -> Exchange:
        """The exchange a Ref names."""
        return self.traces(side)[ref.point].exchanges[ref.id]

    def connection(self, side: Side, ref: Ref) -> Connection:
        """The connection a Ref of a connection names."""
        return self.traces(side)[ref.point].connections[ref.id]

    def numbers(self, side: Side, refs: Sequence[Ref]) -> Column:
        """The numbers of the exchanges that Refs name."""
        points, ids = zip(*refs, strict=True) if refs else ((), ())
        return self.table(side).numbers(np.array(points, np.int64), np.array(ids, np.int64))

    def connection_numbers(self, side: Side, refs: Sequence[Ref]) -> Column:
        """The numbers of the connections that Refs name."""
        first = self.table(side).first_connection
        return np.array([first[point] + id_ for point, id_ in refs], np.int64)

    def same_endpoints(self, clients: Column, backends: Column) -> Column:
        """Per client connection and backend connection (their numbers): whether both ends have the
        same address and port.
        """
        client, backend = self.sides
        same: Column = (client.servers[clients] == backend.servers[backends]) & (
            client.sources[clients] == backend.sources[backends]
        )
        return same

    def clock(self, client_point: int, backend_point: int) -> Clock | None:
        """The clock between two capture points, None when it was refused."""
        for clock in self.correlation.clocks:
            if clock.client_point == client_point and clock.backend_point == backend_point:
                return None if clock.refused else clock
        return None


def following(table: SideTable, wanted: Column) -> Column:
    """Per exchange of a side: the next one on its connection that is wanted (bool per exchange), or
    NO_EXCHANGE.
    """
    order, _ = table.next_on_connection
    none = len(order)
    place = np.where(wanted[order], np.arange(none), none)
    after = np.append(np.minimum.accumulate(place[::-1])[::-1][1:], none)[:none]
    found = np.append(order, NO_EXCHANGE)[after]
    connection = np.append(table.connection, NO_EXCHANGE)
    out = np.empty(none, np.int64)
    out[order] = np.where(connection[found] == connection[order], found, NO_EXCHANGE)
    return out
