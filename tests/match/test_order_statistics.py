"""Exchanges that nothing tells apart, dealt to several backends: the offset of each is among those
that are allowed.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.order_statistics import _both, surrounded

spans = st.lists(
    st.tuples(st.integers(0, 10**8), st.integers(1, 10**6), st.integers(1, 10**6), st.booleans()),
    min_size=4,
    max_size=60,
)


@given(st.integers(-(10**12), 10**12), spans)
def test_the_offset_is_among_the_allowed(
    offset: int, spans: list[tuple[int, int, int, bool]]
) -> None:
    x = np.array([s[0] for s in spans])
    y = x + 500
    a, p = x - [s[1] for s in spans], y + [s[2] for s in spans]
    here = np.array([s[3] for s in spans])
    if here.any():
        found = surrounded([(a, p, x[here] - offset, y[here] - offset)])
        assert found is not None
        assert found.low[0] <= offset <= found.high[0]


def test_two_offsets_that_fit_are_spanned() -> None:
    """Every 10 ms a request in front; the point that got every other one could be shifted by 10 ms,
    but not by more.
    """
    a = np.arange(20) * 10_000_000
    x = a[2:18:2] + 1000
    found = surrounded([(a, a + 5000, x, x + 1000)])
    assert found is not None
    assert found.low[0] <= 0 <= found.high[0]
    assert found.high[0] - found.low[0] >= 10_000_000


def test_what_fits_nowhere_is_no_clock() -> None:
    a = np.array([0, 10_000, 20_000, 30_000])
    x = np.array([0, 1_000_000])
    assert surrounded([(a, a + 500, x, x + 100)]) is None


unions = st.lists(st.integers(-40, 40), max_size=12, unique=True).map(sorted)


@given(unions, unions)
def test_what_two_unions_have_in_common_is_what_each_point_says(
    one: list[int], other: list[int]
) -> None:
    """Disjoint intervals, their ends included, made of numbers in order."""
    first, second = (list(zip(ends[0::2], ends[1::2], strict=False)) for ends in (one, other))
    common = _both(first, second)
    assert common == sorted(common)
    for point in range(-40, 41):
        inside = [any(a <= point <= b for a, b in union) for union in (first, second, common)]
        assert inside[2] == (inside[0] and inside[1])
