"""What belongs together, as columns: pairs of exchanges (`Pairs`) and of connections
(`ConnectionPairs`).

A capture has as many pairs as exchanges, and most questions about them are counts. So a finding
masks and counts columns, and only the few pairs it shows become objects: `pairs[0]` makes one
`Pair`, and `pairs.where(mask)` selects some, in the same order.

Pairs of LOW confidence are no knowledge and are left out. Interchangeable pairs are kept: a
statement about their whole set is true whichever of them belongs to which. A question about single
pairs leaves them out (`distinct_pairs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Self, TypeVar, overload

import numpy as np

from lbtrace.comparison.sides import NO_EXCHANGE, Sides
from lbtrace.model.http import Exchange, Request, Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    CONFIDENCES,
    AttemptOutcome,
    Confidence,
    ConnectionBasis,
    ConnectionPair,
    ExchangePair,
    Ref,
)
from lbtrace.model.stream import Connection
from lbtrace.tables.columns import Column, first_met
from lbtrace.tables.pairs import ANSWERED, NONE, OUTCOMES, PairTable
from lbtrace.tables.table import Table, column, shared, table
from lbtrace.tables.words import joint

BASES = {basis: i for i, basis in enumerate(ConnectionBasis)}
ALONE = NONE  # the group of a pair that is not interchangeable
_Row = TypeVar("_Row", bound=tuple[object, ...])


class Pair(NamedTuple):
    """An ExchangePair with both exchanges and their connections. `backend` is the attempt that was
    answered, else the last one.
    """

    place: int  # in Correlation.pairs
    found: ExchangePair
    client: Exchange
    backend: Exchange
    client_connection: Connection
    backend_connection: Connection
    backend_ref: Ref
    outcome: AttemptOutcome  # of `backend`

    @property
    def client_ref(self) -> Ref:
        """Where the client exchange is."""
        return self.found.client

    @property
    def requests(self) -> tuple[Request, Request]:
        """The client's and the backend's, of a pair that has both."""
        assert self.client.request is not None
        assert self.backend.request is not None
        return self.client.request, self.backend.request

    @property
    def responses(self) -> tuple[Response, Response]:
        """The client's and the backend's, of a pair that has both."""
        assert self.client.response is not None
        assert self.backend.response is not None
        return self.client.response, self.backend.response


@table
class _TwoColumns(Table, Sequence[_Row]):
    """What belongs together, numbered as in the tables of the two sides."""

    sides: Sides = shared("the two sides")
    client: Column = column("i8", "number on the client side")
    backend: Column = column("i8", "number on the backend side")

    def row(self, index: int) -> _Row:
        """One of them as an object."""
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> _Row: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> _Row | Self:
        if isinstance(index, slice):
            return self.taken(np.arange(len(self))[index])
        return self.row(index)

    def __iter__(self) -> Iterator[_Row]:
        return map(self.row, range(len(self)))


@table
class Pairs(_TwoColumns[Pair]):
    """One row per pair, in the order of Correlation.pairs: a client exchange, and the backend
    exchange that was answered, else the last one.
    """

    place: Column = column("i8", "place in Correlation.pairs")
    outcome: Column = column("u1", "how `backend` ended, as in a PairTable")
    attempts: Column = column("i8", "how many attempts the pair has")
    tier: Column = column("u1", "the evidence that decided it, as `Tier`")
    rank: Column = column("i8", "rank of the confidence")
    group: Column = column("i8", "the set of interchangeable pairs it is in", none=ALONE)

    @property
    def client_connection(self) -> Column:
        """The client connection of each."""
        connection: Column = self.sides.sides[0].connection[self.client]
        return connection

    @property
    def backend_connection(self) -> Column:
        """The backend connection of each."""
        connection: Column = self.sides.sides[1].connection[self.backend]
        return connection

    @property
    def answered(self) -> Column:
        """Whether the response the client got is the one in `backend`."""
        answered: Column = self.outcome == ANSWERED
        return answered

    def ended(self, *outcomes: AttemptOutcome) -> Column:
        """Whether `backend` ended in one of these ways."""
        return np.isin(self.outcome, [OUTCOMES.index(outcome) for outcome in outcomes])

    @property
    def alone(self) -> Column:
        """Whether the pair is not interchangeable with others."""
        alone: Column = self.group == ALONE
        return alone

    def row(self, index: int) -> Pair:
        """One of them as an object."""
        sides, place = self.sides, int(self.place[index])
        found, ref = sides.correlation.pairs[place], sides.sides[1].ref(int(self.backend[index]))
        client = sides.exchange(Side.CLIENT, found.client)
        backend = sides.exchange(Side.BACKEND, ref)
        return Pair(
            place,
            found,
            client,
            backend,
            sides.connection(Side.CLIENT, Ref(found.client.point, client.connection)),
            sides.connection(Side.BACKEND, Ref(ref.point, backend.connection)),
            ref,
            OUTCOMES[self.outcome[index]],
        )


class PairedConnections(NamedTuple):
    """Two connections that belong together."""

    client_ref: Ref
    backend_ref: Ref
    client: Connection
    backend: Connection


@table
class ConnectionPairs(_TwoColumns[PairedConnections]):
    """One row per pair of connections."""

    basis: Column = column("i8", "why they belong together, number in BASES")
    rank: Column = column("i8", "rank of the confidence")

    def by(self, *bases: ConnectionBasis) -> Column:
        """Which were paired on one of these grounds."""
        return np.isin(self.basis, [BASES[basis] for basis in bases])

    def row(self, index: int) -> PairedConnections:
        """One of them as an object."""
        client, backend = (
            table.connection_ref(int(connections[index]))
            for table, connections in zip(
                self.sides.sides, (self.client, self.backend), strict=True
            )
        )
        return PairedConnections(
            client,
            backend,
            self.sides.connection(Side.CLIENT, client),
            self.sides.connection(Side.BACKEND, backend),
        )


class PairedSides(Sides):
    """Two sides with what belongs together as columns."""

    @cached_property
    def all_pairs(self) -> Pairs:
        """Every pair that has a backend exchange, whatever its confidence."""
        return pairs_of(self)

    @cached_property
    def pairs(self) -> Pairs:
        """Every pair that counts as knowledge and has a backend exchange, in the order of
        Correlation.pairs.
        """
        return self.all_pairs.where(self.all_pairs.rank > Confidence.LOW.rank)

    @cached_property
    def asked_pairs(self) -> Pairs:
        """Those of `pairs` whose request the client capture holds: what a sentence about requests
        counts, so that it never counts more than there are on the page.
        """
        return self.pairs.where(self.sides[0].requests.there[self.pairs.client])

    @cached_property
    def causes(self) -> Column:
        """Per backend exchange the client exchange that it is known to be an attempt for;
        NO_EXCHANGE without one.
        """
        table = PairTable.of(self.correlation.pairs)
        return self._attempted(table.taken(np.flatnonzero(table.known)))

    @cached_property
    def possible_causes(self) -> Column:
        """The same, however sure that is: what makes a finding say less, never more."""
        return self._attempted(PairTable.of(self.correlation.pairs))

    def _attempted(self, table: PairTable) -> Column:
        """Per backend exchange the client exchange that one of these pairs names for it."""
        client, backend = self.sides
        asked = client.numbers(table.client_point, table.client)
        out = np.full(len(backend), NO_EXCHANGE, np.int64)
        tried = backend.numbers(table.backend_point, table.backend)
        out[tried] = np.repeat(asked, table.attempts)
        return out

    @cached_property
    def distinct_pairs(self) -> Pairs:
        """The pairs that are not interchangeable."""
        return self.pairs.where(self.pairs.alone)

    @cached_property
    def request_heads(self) -> Pairs:
        """The pairs whose two request heads were captured whole: what was cut is unknown, never
        different.
        """
        (client, backend), pairs = self.sides, self.pairs
        return pairs.where(
            client.requests.whole_heads[pairs.client] & backend.requests.whole_heads[pairs.backend]
        )

    @cached_property
    def response_heads(self) -> Pairs:
        """The answered pairs whose two response heads were captured whole."""
        (client, backend), pairs = self.sides, self.pairs
        return pairs.where(
            client.responses.whole_heads[pairs.client]
            & backend.responses.whole_heads[pairs.backend]
            & pairs.answered
        )

    @cached_property
    def connection_pairs(self) -> ConnectionPairs:
        """Every pair of connections that counts as knowledge."""
        every = connection_pairs_of(self, self.correlation.connection_pairs)
        return every.where(every.rank > Confidence.LOW.rank)

    @cached_property
    def joined_connections(self) -> ConnectionPairs:
        """The connections that belong together, because they were paired as connections or because
        their exchanges were; each two once.
        """
        pairs = self.distinct_pairs
        by_exchanges = ConnectionPairs(
            self,
            pairs.client_connection,
            pairs.backend_connection,
            np.full(len(pairs), BASES[ConnectionBasis.EXCHANGES]),
            pairs.rank,
        )
        both = ConnectionPairs.joined([self.connection_pairs, by_exchanges])
        first, _ = first_met(joint(both.client, both.backend))
        return both.where(first)


def pairs_of(sides: Sides) -> Pairs:
    """The pairs that have a backend exchange, as columns."""
    pairs = PairTable.of(sides.correlation.pairs)
    client, backend = sides.sides
    tried = np.flatnonzero(pairs.attempts)
    last = pairs.last[tried]
    return Pairs(
        sides,
        client.numbers(pairs.client_point[tried], pairs.client[tried]),
        backend.numbers(pairs.backend_point[last], pairs.backend[last]),
        tried,
        pairs.outcome[last],
        pairs.attempts[tried],
        pairs.tier[tried],
        pairs.confidence[tried].astype(np.int64),
        pairs.group[tried],
    )


def connection_pairs_of(sides: Sides, pairs: Sequence[ConnectionPair]) -> ConnectionPairs:
    """Pairs of connections as columns."""
    return ConnectionPairs(
        sides,
        sides.connection_numbers(Side.CLIENT, [pair.client for pair in pairs]),
        sides.connection_numbers(Side.BACKEND, [pair.backend for pair in pairs]),
        np.array([BASES[pair.basis] for pair in pairs], np.int64),
        np.array([pair.confidence.rank for pair in pairs], np.int64),
    )


def confidence_of(pairs: Pairs) -> Confidence:
    """The confidence of a statement about all of these pairs: what at least half of them reach.
    Interchangeable pairs count as MEDIUM at least; LOW when there are none.
    """
    if not len(pairs):
        return Confidence.LOW
    interchangeable = ~pairs.alone
    ranks = np.maximum(pairs.rank, interchangeable * Confidence.MEDIUM.rank)
    middle = len(ranks) // 2
    return CONFIDENCES[int(np.partition(ranks, middle)[middle])]
