"""Values that look drawn at random."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.drawn import LOOKED_AT, drawn, drawn_parts

UUID = "9f8b1c2e-3d4a-4b6c-8d7e-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    "value",
    [
        UUID,
        "7f3a9c0d51e24b86",
        "Root=1-67891234-9f8b1c2e3d4a4b6c8d7e0a1b",
        "dGhpcyBpcyByYW5kb20xMjM=",
        "1a2b3c4d5e6f7g",
    ],
)
def test_ids_look_drawn(value: str) -> None:
    assert drawn(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "hello world",
        "application/json; charset=utf-8",
        "thisisaverylongwordwithoutanydigit",  # no digit
        "max-age=31536000",
        "2026-11-30",
    ],
)
def test_words_numbers_and_dates_do_not(value: str) -> None:
    assert not drawn(value)


@given(st.text(alphabet="0123456789abcdef", min_size=16, max_size=64))
def test_sixteen_digits_of_base_sixteen_are_an_id(value: str) -> None:
    """A number of sixteen digits is one too: nothing else has it."""
    assert drawn(value) == any(c.isdigit() for c in value)


@given(st.sampled_from([UUID, "7f3a9c0d51e24b86"]), st.sampled_from(["", "edge-", '"', "id="]))
def test_what_stands_around_an_id_is_no_part_of_it(value: str, before: str) -> None:
    assert value in drawn_parts(f"{before}{value};q=1")


def test_the_beginning_of_a_value_tells() -> None:
    """The cost of a value does not grow with its length."""
    assert not drawn("h " * LOOKED_AT + UUID)
    assert drawn_parts(", ".join([UUID] * LOOKED_AT)) == {UUID}
