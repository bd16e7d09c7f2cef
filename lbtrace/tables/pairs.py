"""The pairs of a Correlation as columns: one row per pair, one item per attempt.

As objects, each pair is a handful of tuples, and there are as many as exchanges. So code that needs
all of them reads the columns, and `table[i]` makes one ExchangePair. Exchanges are named as in
`Ref`: capture point, and id in the trace of that point. `SideTable.numbers` makes of them the
numbers that count through all points of a side.

Invariant: `list(PairTable.of(pairs)) == list(pairs)`. None is NONE (−1) in a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, Final

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
from lbtrace.tables.columns import Column, running, spans
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import RowTable, bounds, column, item, shared, table

Reasons = tuple[Reason, ...]
NONE: Final = -1
OUTCOMES: Final = tuple(AttemptOutcome)
ANSWERED: Final = OUTCOMES.index(AttemptOutcome.ANSWERED)
LOW: Final = Confidence.LOW.rank
_OUTCOME = {outcome: i for i, outcome in enumerate(OUTCOMES)}
_TIER = tuple(Tier(i) if i else Tier.ORDER for i in range(len(Tier) + 1))  # by its number


@table
class PairTable(RowTable[ExchangePair]):
    """One row per pair, as in `ExchangePair`. Its items are the attempts of each pair, in order."""

    client_point: Column = column("i8", "capture point of the client exchange")
    client: Column = column("i8", "id of the client exchange in the trace of that point")
    tier: Column = column("u1", "the evidence that decided it, as `Tier`")
    confidence: Column = column("u1", "rank of the confidence")
    group: Column = column("i8", "the set of interchangeable pairs it is in", none=NONE)
    reason: Column = column("i8", "pieces of evidence", "index in `reasons`")
    first: Column = bounds("the first attempt of each pair")
    backend_point: Column = item("i8", "capture point of the backend exchange")
    backend: Column = item("i8", "id of the backend exchange in the trace of that point")
    outcome: Column = item("u1", "how the attempt ended", "index in OUTCOMES")
    reasons: Sequence[Reasons] = shared("pieces of evidence, strongest first: (kind, value)")

    @classmethod
    def of(cls, pairs: Sequence[ExchangePair]) -> PairTable:
        """The columns of pairs made elsewhere."""
        if isinstance(pairs, cls):
            return pairs
        tried = list(chain.from_iterable(p.attempts for p in pairs))
        known: dict[Reasons, int] = {}
        values: dict[str, list[Any]] = {
            "client_point": [p.client.point for p in pairs],
            "client": [p.client.id for p in pairs],
            "tier": [p.tier for p in pairs],
            "confidence": [p.confidence.rank for p in pairs],
            "group": [p.group for p in pairs],
            "reason": [known.setdefault(p.reasons, len(known)) for p in pairs],
            "backend_point": [t.backend.point for t in tried],
            "backend": [t.backend.id for t in tried],
            "outcome": [_OUTCOME[t.outcome] for t in tried],
        }
        return cls(
            **{name: cls.declared[name].column(column) for name, column in values.items()},
            first=running(np.array([len(p.attempts) for p in pairs], np.int64)),
            reasons=list(known),
        )

    @property
    def known(self) -> Column:
        """Which pairs count as knowledge: not those of LOW confidence."""
        known: Column = self.confidence != LOW
        return known

    @property
    def attempts(self) -> Column:
        """How many attempts each has."""
        return np.diff(self.first)

    @property
    def last(self) -> Column:
        """The last attempt (an item) of each pair: the answered one, if one was answered;
        NONE for a pair without attempts.
        """
        return np.where(self.attempts > 0, self.first[1:] - 1, NONE)

    def make(self, rows: Column) -> list[ExchangePair]:
        """The pairs of these rows."""
        sizes = self.attempts[rows]
        flat = spans(self.first[rows], sizes)
        backends = rows_of(Ref, (self.backend_point[flat].tolist(), self.backend[flat].tolist()))
        tried = rows_of(Attempt, (backends, [OUTCOMES[i] for i in self.outcome[flat].tolist()]))
        (group,) = self.values(["group"], rows)
        columns = (
            rows_of(Ref, (self.client_point[rows].tolist(), self.client[rows].tolist())),
            [tuple(tried[begin:end]) for begin, end in pairwise(running(sizes).tolist())],
            [_TIER[i] for i in self.tier[rows].tolist()],
            [CONFIDENCES[i] for i in self.confidence[rows].tolist()],
            group,
            [self.reasons[i] for i in self.reason[rows].tolist()],
        )
        return rows_of(ExchangePair, columns)
