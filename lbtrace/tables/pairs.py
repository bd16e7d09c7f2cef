"""The pairs of a Correlation: one row per pair, one per attempt, and a Sequence that makes an
ExchangePair for who asks for one.

Hundreds of thousands of pairs are a few columns; as objects each is a handful of tuples. Who counts
over all of them reads the columns, who shows one asks for `table[i]`. Client and backend are told
as in `Ref`: capture point, and id in that point's trace; `SideTable.numbers` makes of them the
numbers of the exchanges through all points of a side.

Invariant: `tuple(PairTable.of(pairs)) == tuple(pairs)`. What an ExchangePair says with None is here
NONE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import overload

import numpy as np

from lbtrace.model.pairing import (
    CONFIDENCES,
    Attempt,
    AttemptOutcome,
    Confidence,
    ExchangePair,
    Reason,
    Ref,
    Tier,
)
from lbtrace.tables.columns import Column, OnDemand, rows_of, running, spans

Reasons = tuple[Reason, ...]
NONE = -1
OUTCOMES = tuple(AttemptOutcome)
ANSWERED = OUTCOMES.index(AttemptOutcome.ANSWERED)
LOW = Confidence.LOW.rank
_OUTCOME = {outcome: i for i, outcome in enumerate(OUTCOMES)}
_TIER = tuple(Tier(i) if i else Tier.ORDER for i in range(len(Tier) + 1))  # by its number


@dataclass(slots=True, eq=False)
class PairTable(Sequence[ExchangePair]):
    """One row per pair, as in `ExchangePair`. Pair i has the attempts `first[i]` to `first[i + 1]`
    of the columns of attempts.
    """

    client_point: Column  # i64
    client: Column  # i64, id in the trace of that point
    tier: Column  # u1, as `Tier`
    confidence: Column  # u1, its rank
    group: Column  # i64 or NONE
    reason: Column  # i64, index in `reasons`
    first: Column  # i64, pairs + 1
    backend_point: Column  # i64; this and the next two: one row per attempt
    backend: Column  # i64, id in the trace of that point
    outcome: Column  # u1, index in OUTCOMES
    reasons: Sequence[Reasons]
    objects: OnDemand[ExchangePair] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.objects = OnDemand(len(self), self._made)

    @classmethod
    def of(cls, pairs: Sequence[ExchangePair]) -> PairTable:
        """The columns of pairs made elsewhere."""
        if isinstance(pairs, cls):
            return pairs
        tried = list(chain.from_iterable(p.attempts for p in pairs))
        n, m = len(pairs), len(tried)
        known: dict[Reasons, int] = {}
        return cls(
            client_point=np.fromiter((p.client.point for p in pairs), np.int64, n),
            client=np.fromiter((p.client.id for p in pairs), np.int64, n),
            tier=np.fromiter((p.tier for p in pairs), np.uint8, n),
            confidence=np.fromiter((p.confidence.rank for p in pairs), np.uint8, n),
            group=np.fromiter((NONE if p.group is None else p.group for p in pairs), np.int64, n),
            reason=np.fromiter(
                (known.setdefault(p.reasons, len(known)) for p in pairs), np.int64, n
            ),
            first=running(np.fromiter((len(p.attempts) for p in pairs), np.int64, n)),
            backend_point=np.fromiter((t.backend.point for t in tried), np.int64, m),
            backend=np.fromiter((t.backend.id for t in tried), np.int64, m),
            outcome=np.fromiter((_OUTCOME[t.outcome] for t in tried), np.uint8, m),
            reasons=list(known),
        )

    @property
    def known(self) -> Column:
        """bool: which count as knowledge, those that are not of LOW confidence."""
        known: Column = self.confidence != LOW
        return known

    @property
    def attempts(self) -> Column:
        """How many attempts each has."""
        return np.diff(self.first)

    @property
    def last(self) -> Column:
        """Per pair the row of its last attempt, which is the one that was answered if any was; NONE
        for a pair without attempts.
        """
        return np.where(self.attempts > 0, self.first[1:] - 1, NONE)

    def taken(self, rows: Column) -> PairTable:
        """These pairs, in this order."""
        sizes = self.attempts[rows]
        at = spans(self.first[rows], sizes)
        pairs = {
            name: getattr(self, name)[rows]
            for name in ("client_point", "client", "tier", "confidence", "group", "reason")
        }
        tries = {name: getattr(self, name)[at] for name in ("backend_point", "backend", "outcome")}
        return PairTable(**pairs, first=running(sizes), **tries, reasons=self.reasons)

    def __len__(self) -> int:
        return len(self.client)

    @overload
    def __getitem__(self, index: int) -> ExchangePair: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ExchangePair, ...]: ...
    def __getitem__(self, index: int | slice) -> ExchangePair | tuple[ExchangePair, ...]:
        if isinstance(index, slice):
            return tuple(self.objects[i] for i in range(len(self))[index])
        return self.objects[index]

    def __iter__(self) -> Iterator[ExchangePair]:
        return iter(self.objects.all())

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Sequence)
            and len(self) == len(other)
            and all(map(ExchangePair.__eq__, self, other))
        )

    __hash__ = None  # type: ignore[assignment]

    def _made(self, rows: Column) -> list[ExchangePair]:
        """The pairs of these rows."""
        sizes = self.attempts[rows]
        flat = spans(self.first[rows], sizes)
        backends = rows_of(Ref, (self.backend_point[flat].tolist(), self.backend[flat].tolist()))
        tried = rows_of(Attempt, (backends, [OUTCOMES[i] for i in self.outcome[flat].tolist()]))
        columns = (
            rows_of(Ref, (self.client_point[rows].tolist(), self.client[rows].tolist())),
            [tuple(tried[begin:end]) for begin, end in pairwise(running(sizes).tolist())],
            [_TIER[i] for i in self.tier[rows].tolist()],
            [CONFIDENCES[i] for i in self.confidence[rows].tolist()],
            [None if i == NONE else i for i in self.group[rows].tolist()],
            [self.reasons[i] for i in self.reason[rows].tolist()],
        )
        return rows_of(ExchangePair, columns)
