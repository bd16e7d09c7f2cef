"""Numbers and texts become the values of a sentence, each with its unit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison.claims import Measured, Quantity, ns, size, values
from lbtrace.model.net import Side
from lbtrace.model.report import Unit, Value

NUMBERS = st.integers(-(2**63), 2**63)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)
QUANTITIES = st.builds(ns, NUMBERS) | st.builds(size, NUMBERS)
MEASURED = NUMBERS | st.text() | QUANTITIES | st.none()


def _unit(measured: Measured) -> Unit:
    if isinstance(measured, Quantity):
        return measured.unit
    return "text" if isinstance(measured, str) else "count"


@given(st.dictionaries(NAMES, MEASURED))
def test_every_value_that_was_measured_is_there_in_order_with_its_unit(
    measured: dict[str, Measured],
) -> None:
    assert values(**measured) == tuple(
        Value(name, m.number if isinstance(m, Quantity) else m, _unit(m))
        for name, m in measured.items()
        if m is not None
    )


@given(NUMBERS)
def test_a_number_keeps_its_unit(number: int) -> None:
    assert values(a=ns(number), b=size(number), c=number) == (
        Value("a", number, "ns"),
        Value("b", number, "bytes"),
        Value("c", number, "count"),
    )


def test_zero_and_the_empty_text_are_values() -> None:
    assert values(count=0, text="", waited=ns(0)) == (
        Value("count", 0, "count"),
        Value("text", ""),
        Value("waited", 0, "ns"),
    )


def test_a_side_is_a_text() -> None:
    assert values(side=Side.CLIENT) == (Value("side", "client"),)
