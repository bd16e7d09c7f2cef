"""Values of a file of expectations: bounds and words."""

from __future__ import annotations

from fractions import Fraction
from operator import eq, ge, gt, le, lt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.expect._wanted import Unfit, bound, duration, one_of, percent, truth

NUMBERS = st.integers(0, 10**9)
OPERATORS = {">=": ge, "<=": le, ">": gt, "<": lt, "==": eq}


@given(NUMBERS, NUMBERS, st.sampled_from([">=", "<=", ">", "<", "=="]))
def test_a_bound_compares_as_python_does(limit: int, seen: int, sign: str) -> None:
    if sign == "<" and not limit:
        return
    assert bound(f"{sign} {limit}").holds(seen) is OPERATORS[sign](seen, limit)


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([">=", "<=", ">", "<", "=="]))
def test_a_range_is_decided_only_if_all_of_it_agrees(
    limit: int, one: int, other: int, sign: str
) -> None:
    if sign == "<" and not limit:
        return
    wanted, (low, high) = bound(f"{sign} {limit}"), sorted((one, other))
    within = wanted.within(low, high)
    assert within is None or within is wanted.holds(low) is wanted.holds(high)
    if within is None:
        middle = min(max(int(wanted.number), low), high)
        assert len({wanted.holds(n) for n in (low, middle, high)}) == 2


def test_a_bare_number_means_exactly() -> None:
    assert bound(3).holds(3)
    assert not bound(3).holds(4)
    assert bound(2.5).holds(Fraction(5, 2))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("7ns", 7),
        ("7us", 7_000),
        ("7µs", 7_000),
        ("7ms", 7_000_000),
        ("7s", 7_000_000_000),
        ("7min", 420_000_000_000),
    ],
)
def test_a_time_is_nanoseconds(text: str, ns: int) -> None:
    assert duration(text).number == ns


def test_times_and_shares_have_units() -> None:
    assert duration("<= 5ms").number == 5_000_000
    assert duration("> 1.5 s").number == 1_500_000_000
    assert percent("<= 60%").number == Fraction(3, 5)


@pytest.mark.parametrize(
    "value", [True, None, [], "many", ">= x", "5ms", "< 0", "=> 3", "1e3", "²"]
)
def test_what_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(Unfit):
        bound(value)


@pytest.mark.parametrize("value", [5, "5", "<= 5 parsecs", "<= 5ms or so"])
def test_a_time_without_its_unit_is_refused(value: object) -> None:
    with pytest.raises(Unfit):
        duration(value)


def test_a_word_that_there_is_not_names_the_nearest() -> None:
    with pytest.raises(Unfit, match=r'Did you mean "unchanged"\?'):
        one_of("unchaned", ["unchanged", "absent"])


def test_truth_is_true_or_false() -> None:
    assert truth(True) is True
    with pytest.raises(Unfit):
        truth("yes")
