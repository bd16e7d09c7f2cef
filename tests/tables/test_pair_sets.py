"""Sets as columns: nothing a PairSet says is lost on the way there and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.pairing import PairSet, Ref
from lbtrace.tables.pair_sets import Role, SetTable

number = st.integers(0, 2**40)
refs = st.lists(st.builds(Ref, st.integers(0, 3), number), max_size=4).map(tuple)
pair_set = st.builds(PairSet, number, refs, refs, st.lists(number, max_size=3).map(tuple))


@given(st.lists(pair_set, max_size=5))
def test_there_and_back(sets: list[PairSet]) -> None:
    table = SetTable.of(sets)
    assert table.faults() == []
    assert table == sets
    assert SetTable.of(table) is table
    for row, held in enumerate(sets):
        points, ids = table.members(row, Role.BACKEND)
        assert list(zip(points.tolist(), ids.tolist(), strict=True)) == list(held.backends)
