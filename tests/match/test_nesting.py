"""The sweeps against what cannot be wrong: every possible pair looked at."""

from bisect import insort
from itertools import permutations
from random import Random
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match import nesting
from lbtrace.match.nesting import components, exchangeable, largest, pair
from tests.compiled import CORE, needs_core, on_both
from tests.laws import examples

intervals = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=0, max_size=9)


def possible(front: list[tuple[int, int]], back: list[tuple[int, int]]) -> list[list[int]]:
    return [[j for j, (x, w) in enumerate(back) if a <= x and x + w <= a + v] for a, v in front]


def columns(spans: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [s[0] for s in spans], [s[0] + s[1] for s in spans]


@given(intervals, intervals)
def test_pair_is_a_largest_matching(
    front: list[tuple[int, int]], back: list[tuple[int, int]]
) -> None:
    got = pair(*columns(front), *columns(back))
    options = possible(front, back)
    assert all(c < 0 or b in options[c] for b, c in enumerate(got))
    used = [c for c in got if c >= 0]
    assert len(used) == len(set(used))
    assert len(used) == sum(m >= 0 for m in largest(options, len(back)))


@given(intervals, intervals)
def test_components_are_the_connected_ones(
    front: list[tuple[int, int]], back: list[tuple[int, int]]
) -> None:
    options = possible(front, back)
    found = components(*columns(front), *columns(back))
    of_c = {c: n for n, (cs, _) in enumerate(found) for c in cs}
    of_b = {b: n for n, (_, bs) in enumerate(found) for b in bs}
    for c, bs in enumerate(options):
        assert all(of_c[c] == of_b[b] for b in bs)
    for cs, bs in found:  # nothing joined that no chain of possible pairs joins
        reached, todo = set(), [cs[0]]
        while todo:
            c = todo.pop()
            if c in reached:
                continue
            reached.add(c)
            todo += [d for b in options[c] for d in range(len(front)) if b in options[d]]
        assert reached == set(cs)
        assert {b for c in cs for b in options[c]} == set(bs)


def drawn_at_random(count: int, seed: int, room: int) -> list[tuple[int, int]]:
    """Intervals that begin and end within so many moments."""
    draw = Random(seed)
    return [(draw.randrange(room), draw.randrange(room // 3 + 1)) for _ in range(count)]


@examples(60)
@given(
    st.sampled_from([0, 1, 5, 40, 1500, 4000]),
    st.sampled_from([0, 1, 5, 40, 1500]),
    st.sampled_from([1, 10, 300, 20_000, 10**6]),
    st.integers(0, 99),
)
def test_both_roads_find_the_same(clients: int, backends: int, room: int, seed: int) -> None:
    """Many begin or end at one moment, or none; the lists of a shelf are split and joined."""
    front, back = drawn_at_random(clients, seed, room), drawn_at_random(backends, seed + 1, room)
    times = *columns(front), *columns(back)
    with patch.object(nesting, "_MANY", 0):
        plain, compiled = on_both(lambda: (pair(*times), components(*times)))
    assert plain == compiled


@needs_core
def test_an_interval_that_is_not_there_is_refused() -> None:
    assert CORE is not None
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    for function in (CORE.nested, CORE.components):
        for order in (np.array([1]), np.array([-1])):
            with pytest.raises(IndexError):
                function(one, one, one, one, order, one)
            with pytest.raises(IndexError):
                function(one, one, one, one, one, order)
        with pytest.raises(ValueError, match="1 items"):
            function(one, two, one, one, one, one)
        with pytest.raises(ValueError, match="2 items"):
            function(one, one, two, two, one, one)


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.sets(st.integers(0, n - 1)), min_size=n, max_size=n)
    )
)
def test_alone_in_its_part_is_certain(options: list[set[int]]) -> None:
    """A client whose part is itself has the same partner in every perfect matching; the others have
    not.
    """
    n = len(options)
    perfect = [m for m in permutations(range(n)) if all(m[i] in options[i] for i in range(n))]
    if not perfect:
        assert -1 in largest([sorted(o) for o in options], n)
        return
    mate = largest([sorted(o) for o in options], n)
    part = exchangeable([sorted(o) for o in options], mate)
    for i in range(n):
        assert (part.count(part[i]) == 1) == (len({m[i] for m in perfect}) == 1)


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_without_a_partner_is_a_partner_for_everyone(
    clients: int, backends: int, data: st.DataObject
) -> None:
    """The nodes that stand for "none" say the same as one partner more for each who is left over,
    possible for all on the other side.
    """
    options = [sorted(data.draw(st.sets(st.integers(0, backends - 1)))) for _ in range(clients)]
    mate = largest(options, backends)
    spare_c = [i for i, j in enumerate(mate) if j < 0]
    spare_b = [j for j in range(backends) if j not in mate]
    padded = [[*own, *range(backends, backends + len(spare_c))] for own in options] + [
        list(range(backends)) for _ in spare_b
    ]
    full = [*(j if j >= 0 else backends + spare_c.index(i) for i, j in enumerate(mate)), *spare_b]
    short, long = exchangeable(options, mate, backends), exchangeable(padded, full)
    assert [short.index(part) for part in short] == [long.index(part) for part in long]


@given(
    st.lists(st.tuples(st.sampled_from(["add", "take", "take_all", "drop"]), st.integers(0, 20)))
)
def test_a_shelf_is_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    with patch.object(nesting, "_SHORT", 2):
        shelf, plain = nesting._Shelf(), list[tuple[int, int]]()
        for number, (step, value) in enumerate(steps):
            least = (value, -1)
            kept = [item for item in plain if item < least]
            rest = plain[len(kept) :]
            if step == "add":
                shelf.add((value, number))
                insort(plain, (value, number))
            elif step == "take":
                assert shelf.take(least) == (rest[0] if rest else None)
                plain = kept + rest[1:]
            elif step == "take_all":
                assert shelf.take_all(least) == rest
                plain = kept
            else:
                shelf.drop(least)
                plain = rest
            assert [item for held in shelf.lists for item in held] == plain
            assert [held[-1] for held in shelf.lists] == shelf.last


def test_the_first_that_can_make_room_makes_it() -> None:
    """Both that were asked before have another option; the order of the options is kept."""
    assert largest([[0, 2], [1, 3], [0, 1]], 4) == [2, 1, 0]
    assert largest([[0, 1], [0]], 2) == [1, 0]
    assert largest([[0], [0]], 1) == [0, -1]
