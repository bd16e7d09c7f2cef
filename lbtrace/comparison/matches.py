"""What belongs together, as columns: pairs of exchanges (`Matches`) and of connections
(`ConnectionMatches`).

A capture has as many pairs as exchanges, and most of what is asked of them is a count. So a finding
masks and counts columns, and only the few pairs it shows become objects: `matches[0]` makes one
`Match`, `matches.where(mask)` is a selection, in the same order.

Pairs of LOW confidence are never counted as knowledge. Interchangeable pairs are: what is said of
the whole set does not depend on who is whose, and whoever asks about single pairs leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Self, TypeVar, overload

import numpy as np

from lbtrace.comparison.sides import Sides
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

BASES = {basis: i for i, basis in enumerate(ConnectionBasis)}
ALONE = NONE  # the group of a pair that is not interchangeable
_Row = TypeVar("_Row", bound=tuple[object, ...])


class Match(NamedTuple):
    """A pair with both exchanges and their connections at hand. `back` is the attempt that was
    answered, else the last one.
    """

    place: int  # in Correlation.pairs
    pair: ExchangePair
    front: Exchange
    back: Exchange
    front_connection: Connection
    back_connection: Connection
    backend: Ref  # of `back`
    outcome: AttemptOutcome

    @property
    def requests(self) -> tuple[Request, Request]:
        """In front and behind, of a match that has both."""
        assert self.front.request is not None
        assert self.back.request is not None
        return self.front.request, self.back.request

    @property
    def responses(self) -> tuple[Response, Response]:
        """In front and behind, of a match that has both."""
        assert self.front.response is not None
        assert self.back.response is not None
        return self.front.response, self.back.response


@table
class _Pairs(Table, Sequence[_Row]):
    """Two columns that belong together, numbered as in the tables of their sides, and what else a
    kind of pairs says of them.
    """

    sides: Sides = shared("the two sides")
    front: Column = column("i8", "number on the client side")
    back: Column = column("i8", "number on the backend side")

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
class Matches(_Pairs[Match]):
    """One row per pair, in the order of Correlation.pairs: a client exchange, the backend exchange
    answered or else the last one.
    """

    place: Column = column("i8", "place in Correlation.pairs")
    outcome: Column = column("u1", "how `back` ended, as in a PairTable")
    attempts: Column = column("i8", "how many attempts the pair has")
    tier: Column = column("u1", "the evidence that decided it, as `Tier`")
    rank: Column = column("i8", "rank of the confidence")
    group: Column = column("i8", "the set of interchangeable pairs it is in", none=ALONE)

    @property
    def front_connection(self) -> Column:
        """The client connection of each."""
        connection: Column = self.sides.sides[0].connection[self.front]
        return connection

    @property
    def back_connection(self) -> Column:
        """The backend connection of each."""
        connection: Column = self.sides.sides[1].connection[self.back]
        return connection

    @property
    def answered(self) -> Column:
        """Whether the response the client got is the one in `back`."""
        answered: Column = self.outcome == ANSWERED
        return answered

    def ended(self, *outcomes: AttemptOutcome) -> Column:
        """Which `back` ended in one of these ways."""
        return np.isin(self.outcome, [OUTCOMES.index(outcome) for outcome in outcomes])

    @property
    def alone(self) -> Column:
        """Whether nobody else could be the partner."""
        alone: Column = self.group == ALONE
        return alone

    def row(self, index: int) -> Match:
        """One of them as an object."""
        sides, place, backend = (
            self.sides,
            int(self.place[index]),
            self.sides.sides[1].ref(int(self.back[index])),
        )
        pair = sides.correlation.pairs[place]
        front, back = (
            sides.exchange(Side.CLIENT, pair.client),
            sides.exchange(Side.BACKEND, backend),
        )
        return Match(
            place,
            pair,
            front,
            back,
            sides.connection(Side.CLIENT, Ref(pair.client.point, front.connection)),
            sides.connection(Side.BACKEND, Ref(backend.point, back.connection)),
            backend,
            OUTCOMES[self.outcome[index]],
        )


class ConnectionMatch(NamedTuple):
    """A pair of connections with both connections at hand."""

    client: Ref
    backend: Ref
    front: Connection
    back: Connection


@table
class ConnectionMatches(_Pairs[ConnectionMatch]):
    """One row per pair of connections."""

    basis: Column = column("i8", "why they belong together, number in BASES")
    rank: Column = column("i8", "rank of the confidence")

    def by(self, *bases: ConnectionBasis) -> Column:
        """Which were paired on one of these grounds."""
        return np.isin(self.basis, [BASES[basis] for basis in bases])

    def row(self, index: int) -> ConnectionMatch:
        """One of them as an object."""
        sides = self.sides
        client, backend = (
            t.connection_ref(int(c[index]))
            for t, c in zip(sides.sides, (self.front, self.back), strict=True)
        )
        return ConnectionMatch(
            client,
            backend,
            sides.connection(Side.CLIENT, client),
            sides.connection(Side.BACKEND, backend),
        )


class Paired(Sides):
    """Two sides with what belongs together as columns."""

    @cached_property
    def tried(self) -> Matches:
        """Every pair that has a backend exchange."""
        return matches_of(self)

    @cached_property
    def matches(self) -> Matches:
        """Every pair that counts as knowledge and has a backend exchange, in the order of
        Correlation.pairs.
        """
        return self.tried.where(self.tried.rank > Confidence.LOW.rank)

    @cached_property
    def distinct_matches(self) -> Matches:
        """The matches that stand alone: nobody else could be their partner."""
        return self.matches.where(self.matches.alone)

    @cached_property
    def request_heads(self) -> Matches:
        """The matches both of whose requests have whole heads: what was cut is unknown, never
        different.
        """
        (client, backend), m = self.sides, self.matches
        return m.where(client.requests.whole_heads[m.front] & backend.requests.whole_heads[m.back])

    @cached_property
    def response_heads(self) -> Matches:
        """The answered matches both of whose responses have whole heads."""
        (client, backend), m = self.sides, self.matches
        return m.where(
            client.responses.whole_heads[m.front]
            & backend.responses.whole_heads[m.back]
            & m.answered
        )

    @cached_property
    def connection_matches(self) -> ConnectionMatches:
        """Every pair of connections that counts as knowledge."""
        every = connection_matches_of(self, self.correlation.connection_pairs)
        return every.where(every.rank > Confidence.LOW.rank)

    @cached_property
    def joined(self) -> ConnectionMatches:
        """Every two connections known to belong together, as such or by their exchanges; each two
        once.
        """
        matches = self.distinct_matches
        by_exchanges = ConnectionMatches(
            self,
            matches.front_connection,
            matches.back_connection,
            np.full(len(matches), BASES[ConnectionBasis.EXCHANGES]),
            matches.rank,
        )
        both = ConnectionMatches.joined([self.connection_matches, by_exchanges])
        first, _ = first_met(both.front * (int(both.back.max(initial=0)) + 1) + both.back)
        return both.where(first)


def matches_of(sides: Sides) -> Matches:
    """The pairs that have a backend exchange, as columns."""
    pairs = PairTable.of(sides.correlation.pairs)
    client, backend = sides.sides
    tried = np.flatnonzero(pairs.attempts)
    last = pairs.last[tried]
    return Matches(
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


def connection_matches_of(sides: Sides, pairs: Sequence[ConnectionPair]) -> ConnectionMatches:
    """Pairs of connections as columns."""
    return ConnectionMatches(
        sides,
        sides.connection_numbers(Side.CLIENT, [pair.client for pair in pairs]),
        sides.connection_numbers(Side.BACKEND, [pair.backend for pair in pairs]),
        np.array([BASES[pair.basis] for pair in pairs], np.int64),
        np.array([pair.confidence.rank for pair in pairs], np.int64),
    )


def confidence_of(matches: Matches) -> Confidence:
    """What at least half of the pairs reach: the confidence of a statement about all of them.
    Interchangeable pairs count as MEDIUM at least.
    """
    if not len(matches):
        return Confidence.LOW
    ranks = np.maximum(matches.rank, ~matches.alone)
    many = np.bincount(ranks, minlength=len(CONFIDENCES)).tolist()
    half = (len(ranks) - 1) // 2
    for rank in reversed(range(len(CONFIDENCES))):
        half -= many[rank]
        if half < 0:
            return CONFIDENCES[rank]
    return Confidence.LOW
