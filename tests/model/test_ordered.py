"""Ordered enums: the order is that of definition, and the members stay strings."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable

import pytest

from lbtrace.model.ordered import OrderedStrEnum
from lbtrace.model.pairing import CONFIDENCES, Confidence
from lbtrace.model.report import Severity

ORDERS = [
    (Confidence, ["low", "medium", "high", "certain"]),
    (Severity, ["info", "low", "medium", "high", "critical"]),
]


@pytest.mark.parametrize(("kind", "values"), ORDERS)
def test_members_are_in_order(kind: type[OrderedStrEnum], values: list[str]) -> None:
    members = [kind(value) for value in values]
    assert [member.rank for member in members] == list(range(len(values)))
    assert sorted(map(kind, sorted(values))) == members
    assert (min(members), max(members)) == (members[0], members[-1])


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize(("kind", "values"), ORDERS)
def test_members_compare_as_their_ranks(
    kind: type[OrderedStrEnum], values: list[str], compare: Callable[[object, object], bool]
) -> None:
    for one, other in itertools.product(kind, repeat=2):
        expected = compare(one.rank, other.rank)
        assert compare(one, other) is expected
        assert compare(one, other.value) is expected


def test_members_are_the_strings_they_are_written_as() -> None:
    high: str = Confidence.HIGH
    assert f"{high}" == high == "high"
    assert {high: 1}["high"] == 1


def test_a_string_that_is_no_member_has_no_order() -> None:
    with pytest.raises(ValueError, match="sure"):
        _ = Confidence.HIGH > "sure"


def test_ranks_index_the_members() -> None:
    assert [CONFIDENCES[member.rank] for member in Confidence] == list(Confidence)
