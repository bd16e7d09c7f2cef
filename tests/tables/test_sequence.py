"""Sequence numbers on the ring: the laws of distance and unwrapping."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.sequence import add, distance, distances, sums, unwrap

u32 = st.integers(0, 2**32 - 1)


@given(u32, u32)
def test_a_distance_leads_back(a: int, b: int) -> None:
    step = distance(a, b)
    assert -(2**31) <= step < 2**31
    assert add(b, step) == a


@given(u32, st.integers(-(2**31), 2**31 - 1))
def test_a_step_is_the_distance_it_makes(a: int, step: int) -> None:
    assert 0 <= add(a, step) < 2**32
    assert distance(add(a, step), a) == step


def test_the_ring_is_halved_between_before_and_after() -> None:
    assert distance(2**31 - 1, 0) == 2**31 - 1
    assert distance(2**31, 0) == -(2**31)
    assert (add(2**32 - 1, 1), add(0, -1)) == (0, 2**32 - 1)


@given(st.lists(st.tuples(u32, u32), min_size=1))
def test_columns_agree_with_scalars(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(c, np.uint32) for c in zip(*pairs, strict=True))
    assert distances(a, b).tolist() == [distance(*p) for p in pairs]
    assert distances(a, pairs[0][1]).tolist() == [distance(x, pairs[0][1]) for x, _ in pairs]
    assert sums(a, b).tolist() == [add(*p) for p in pairs]
    assert sums(a, b.astype(np.int64) - 2**31).tolist() == [add(x, y - 2**31) for x, y in pairs]
    assert sums(a, -1).tolist() == [add(x, -1) for x, _ in pairs]
    assert sums(a, b).dtype == np.uint32


@given(st.lists(st.tuples(u32, st.lists(st.integers(-(2**30), 2**30))), min_size=1))
def test_unwrapping_undoes_the_ring(groups: list[tuple[int, list[int]]]) -> None:
    offsets, of, numbers = [], [], []
    for g, (isn, steps) in enumerate(groups):
        walk = np.cumsum([0, *steps]).tolist()
        offsets += walk
        of += [g] * len(walk)
        numbers += [(isn + w) % 2**32 for w in walk]
    assert unwrap(np.array(numbers, np.uint32), np.array(of)).tolist() == offsets
