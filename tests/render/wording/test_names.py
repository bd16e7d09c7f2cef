"""Every member of every enumeration has its words."""

from __future__ import annotations

from enum import Enum

import pytest

from lbtrace.model.pairing import (
    Clock,
    ClockRefusal,
    ClockStep,
    Clue,
    Confidence,
    Reason,
    Ref,
    Unpaired,
    UnpairedDetail,
    UnpairedReason,
)
from lbtrace.render.wording import names

TABLES = [
    value
    for value in vars(names).values()
    if isinstance(value, dict) and value and all(isinstance(k, Enum) for k in value)
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(next(iter(table))).__name__)
def test_tables_are_complete(table: dict[Enum, str]) -> None:
    assert set(table) == set(type(next(iter(table))))
    assert all(table.values())


def test_there_are_tables() -> None:
    assert len(TABLES) >= 10


@pytest.mark.parametrize("side", ["client", "backend"])
@pytest.mark.parametrize("detail", UnpairedDetail)
def test_a_detail_names_its_value_and_the_other_side(side: str, detail: UnpairedDetail) -> None:
    unpaired = Unpaired(
        side, Ref(0, 0), UnpairedReason.UNKNOWN, Confidence.LOW, detail, "the {value}"
    )
    text = names.unpaired_detail(unpaired)
    template = names.UNPAIRED_DETAIL[detail]
    assert ("the {value}" in text) is ("{}" in template)
    if "{other}" in template:
        assert {"client": "backend", "backend": "client"}[side] in text


def test_without_a_detail_there_is_no_text() -> None:
    unpaired = Unpaired("backend", Ref(0, 0), UnpairedReason.HEALTH_CHECK, Confidence.HIGH)
    assert names.unpaired_detail(unpaired) == ""


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        (Clock(0, 0), ""),
        (Clock(0, 0, refused=ClockRefusal.NO_PAIR), "no pair of exchanges bounds it"),
        (
            Clock(0, 0, refused=ClockRefusal.CONTRADICTED, pairs=9, outliers=4),
            "4 of 9 pairs contradict every offset",
        ),
        (
            Clock(
                0, 0, refused=ClockRefusal.CLOCK_SET, step=ClockStep(2_000_400_000, 29_440_000_000)
            ),
            "the client's clock was set forward, or the backend's back, by 2.000 s, 29.4 s or more "
            "after the first pair",
        ),
        (
            Clock(0, 0, refused=ClockRefusal.CLOCK_SET, step=ClockStep(-90_000_000, 0)),
            "the client's clock was set back, or the backend's forward, by 0.090 s, 0.0 s or more "
            "after the first pair",
        ),
    ],
)
def test_a_refused_clock_says_why(clock: Clock, text: str) -> None:
    assert names.clock_refusal(clock) == text


@pytest.mark.parametrize("clue", Clue)
def test_a_reason_names_its_field_and_value(clue: Clue) -> None:
    kind, value = names.reason(Reason(clue, "7f{}", "x-{}"))
    assert ("x-{}" in kind) is ("{}" in names.CLUE[clue][0])
    assert ("7f{}" in value) is ("{}" in names.CLUE[clue][1])
    assert kind
    assert value
