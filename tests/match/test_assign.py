"""The heaviest assignment and the margins of its pairs, against every assignment there is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.assign import IMPOSSIBLE, assign
from lbtrace.match.rare_values import MARGIN

Pairs = frozenset[tuple[int, int]]
Table = list[list[float]]
BITS = st.one_of(st.none(), st.integers(1, 30))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Bits per client and backend; some are no pair."""
    clients, backends = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rows = draw(
        st.lists(
            st.lists(BITS, min_size=backends, max_size=backends),
            min_size=clients,
            max_size=clients,
        )
    )
    return [[IMPOSSIBLE if bits is None else float(bits) for bits in row] for row in rows]


def every_assignment(table: Table, client: int = 0) -> Iterator[Pairs]:
    if client == len(table):
        yield frozenset()
        return
    for rest in every_assignment(table, client + 1):
        yield rest
        for backend, bits in enumerate(table[client]):
            if bits > 0 and backend not in {b for _, b in rest}:
                yield rest | {(client, backend)}


def weight(table: Table, pairs: Pairs) -> float:
    return sum(table[c][b] for c, b in pairs)


@given(tables())
def test_the_assignment_is_a_heaviest_one(table: Table) -> None:
    found = assign(np.array(table), MARGIN)
    pairs = frozenset((c, b) for c, b in enumerate(found.mate) if b >= 0)
    assert len({b for _, b in pairs}) == len(pairs)
    assert weight(table, pairs) == max(weight(table, p) for p in every_assignment(table))


@given(tables())
def test_a_margin_is_what_the_best_assignment_without_the_pair_lacks(table: Table) -> None:
    found = assign(np.array(table), MARGIN)
    best = max(weight(table, p) for p in every_assignment(table))
    for c, b in enumerate(found.mate):
        if b >= 0:
            without = max(weight(table, p) for p in every_assignment(table) if (c, b) not in p)
            assert abs(found.margin[c] - (best - without)) < 1e-6


@given(tables())
def test_pairs_of_one_set_can_be_exchanged_for_less_than_the_margin(table: Table) -> None:
    """Who stands alone in its set keeps its partner in all assignments that are nearly as heavy,
    or stays without one.
    """
    found = assign(np.array(table), MARGIN)
    best = max(weight(table, p) for p in every_assignment(table))
    near = [p for p in every_assignment(table) if best - weight(table, p) < MARGIN]
    sets = found.part + found.left_in
    for c, b in enumerate(found.mate):
        if b >= 0 and sets.count(found.part[c]) == 1:
            assert all(dict(p).get(c, b) == b for p in near)
