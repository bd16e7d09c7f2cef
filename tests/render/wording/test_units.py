"""Numbers with units → text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.report import Value
from lbtrace.render.wording import units


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 s"),
        (1, "1 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (1_234_567, "1.23 ms"),
        (12_345_678, "12.3 ms"),
        (123_456_789, "123 ms"),
        (-2_500_000, "-2.5 ms"),
        (999_999, "1 ms"),
        (59_999_000_000, "1 min"),
        (90_000_000_000, "1.5 min"),
        (7_200_000_000_000, "2 h"),
        (47 * 3_600_000_000_000, "47 h"),
        (30 * 86_400_000_000_000, "30 days"),
    ],
)
def test_duration(ns: int, text: str) -> None:
    assert units.duration(ns) == text


@given(st.integers(1, 10**15))
def test_an_error_bar_is_never_too_short(ns: int) -> None:
    number, unit = units.half_width(ns).removeprefix("± ").split()
    factor = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}[
        unit
    ]
    assert float(number) * factor * 1.000001 >= ns


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        (4, 4, "1 : 1"),
        (1, 4, "1 : 4"),
        (2, 8, "1 : 4"),
        (4, 7, "1 : 1.8"),
        (4, 1, "4 : 1"),
        (100, 101, "100 : 101"),
    ],
)
def test_ratio(left: int, right: int, text: str) -> None:
    assert units.ratio(left, right) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value("n", 12345, "count"), "12 345"),
        (Value("n", 4321, "bytes"), "4.32 kB"),
        (Value("n", 42, "percent"), "42 %"),
        (Value("n", 1_200_000, "ns"), "1.2 ms"),
        (Value("n", "as it is"), "as it is"),
    ],
)
def test_values_by_unit(value: Value, text: str) -> None:
    assert units.value(value) == text


@given(st.integers(-(10**18), 10**18))
def test_a_duration_is_right_to_three_digits_or_half_a_day(ns: int) -> None:
    *digits, unit = units.duration(ns).split()
    units_ns = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
    day = 24 * units_ns["h"]
    error = abs(float("".join(digits)) * units_ns.get(unit, day) - ns)
    assert error <= (day / 2 if unit == "days" else abs(ns) / 199)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (37_512_000_000, "37.512 s"),
        (1_000_000_000, "1.000 s"),
        (-1_000_400_000, "-1.000 s"),
        (999_000_000, "999 ms"),
    ],
)
def test_an_offset_of_a_second_has_milliseconds(ns: int, text: str) -> None:
    assert units.offset(ns) == text


@pytest.mark.parametrize(("ppb", "text"), [(12_300, "12.3 ppm"), (-50, "-0.1 ppm"), (0, "0.0 ppm")])
def test_a_drift_is_in_parts_per_million(ppb: int, text: str) -> None:
    assert units.drift(ppb) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 pairs"),
        (1, "1 pair"),
        (2, "2 pairs"),
        (10_000, "10 000 pairs"),
        (9_999, "9999 pairs"),
    ],
)
def test_plural(number: int, text: str) -> None:
    assert units.plural(number, "pair") == text
