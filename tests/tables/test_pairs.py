"""Pairs as columns: nothing an ExchangePair says is lost on the way there and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.pairing import (
    Attempt,
    AttemptOutcome,
    Clue,
    Confidence,
    ExchangePair,
    Reason,
    Ref,
    Tier,
)
from lbtrace.tables.pairs import OUTCOMES, PairTable

place = st.integers(0, 2**40)
ref = st.builds(Ref, st.integers(0, 3), place)
pair = st.builds(
    ExchangePair,
    client=ref,
    attempts=st.lists(st.builds(Attempt, ref, st.sampled_from(AttemptOutcome)), max_size=4).map(
        tuple
    ),
    tier=st.sampled_from(Tier),
    confidence=st.sampled_from(Confidence),
    group=st.none() | place,
    reasons=st.lists(st.builds(Reason, st.sampled_from(Clue), st.text(max_size=2)), max_size=2).map(
        tuple
    ),
)


@given(st.lists(pair, max_size=6))
def test_there_and_back(pairs: list[ExchangePair]) -> None:
    table = PairTable.of(pairs)
    assert list(table) == pairs
    assert table == tuple(pairs)
    assert [table[i] for i in range(len(table))] == pairs
    assert [table[-1 - i] for i in range(len(table))] == pairs[::-1]
    assert table[1:3] == pairs[1:3]
    assert PairTable.of(table) is table


@given(st.lists(pair, min_size=1, max_size=6))
def test_columns_say_what_the_pairs_say(pairs: list[ExchangePair]) -> None:
    table = PairTable.of(pairs)
    assert table.known.tolist() == [p.confidence is not Confidence.LOW for p in pairs]
    assert table.attempts.tolist() == [len(p.attempts) for p in pairs]
    for p, last in zip(pairs, table.last.tolist(), strict=True):
        assert (last >= 0) == bool(p.attempts)
        if p.attempts:
            assert (table.backend_point[last], table.backend[last]) == p.attempts[-1].backend
            assert OUTCOMES[table.outcome[last]] is p.attempts[-1].outcome


@given(st.lists(pair, max_size=4), st.lists(pair, max_size=4))
def test_equal_pairs_are_equal_tables(one: list[ExchangePair], other: list[ExchangePair]) -> None:
    assert (PairTable.of(one) == PairTable.of(other)) == (one == other)


@given(st.lists(pair, min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=8))
def test_some_are_taken_with_all_they_say(pairs: list[ExchangePair], which: list[int]) -> None:
    rows = [i % len(pairs) for i in which]
    assert list(PairTable.of(pairs).taken(np.array(rows, np.int64))) == [pairs[i] for i in rows]
