"""The sweeps against what cannot be wrong: every possible pair looked at."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate.nesting import components, exchangeable, largest, pair

intervals = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=0, max_size=9)


def possible(front: list[tuple[int, int]], back: list[tuple[int, int]]) -> list[list[int]]:
    return [[j for j, (x, w) in enumerate(back) if a <= x and x + w <= a + v] for a, v in front]


def columns(spans: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [s[0] for s in spans], [s[0] + s[1] for s in spans]


@given(intervals, intervals)
def test_pair_is_a_largest_matching(front: list[tuple[int, int]], back: list[tuple[int, int]]) -> None:
    got = pair(*columns(front), *columns(back))
    options = possible(front, back)
    assert all(c < 0 or b in options[c] for b, c in enumerate(got))
    used = [c for c in got if c >= 0]
    assert len(used) == len(set(used))
    assert len(used) == sum(m >= 0 for m in largest(options, len(back)))


@given(intervals, intervals)
def test_components_are_the_connected_ones(front: list[tuple[int, int]], back: list[tuple[int, int]]) -> None:
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


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.sets(st.integers(0, n - 1)), min_size=n, max_size=n)))
def test_alone_in_its_part_is_certain(options: list[set[int]]) -> None:
    """A client whose part is itself has the same partner in every perfect matching; the others have not."""
    n = len(options)
    perfect = [m for m in permutations(range(n)) if all(m[i] in options[i] for i in range(n))]
    if not perfect:
        assert -1 in largest([sorted(o) for o in options], n)
        return
    mate = largest([sorted(o) for o in options], n)
    part = exchangeable([sorted(o) for o in options], mate)
    for i in range(n):
        assert (part.count(part[i]) == 1) == (len({m[i] for m in perfect}) == 1)
