"""What programs wrote for people is quoted in one line, and never with a secret in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http_fields.quoting import LONGEST, short
from tests.laws import examples


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("too_many_pings", "too_many_pings"),
        ("  no\r\nhealthy   upstream ", "no healthy upstream"),
        ("session abcdefghij0123456789 expired", "session … expired"),
        ("abcdefghijklmnopqrstuvwxyz is a word", "abcdefghijklmnopqrstuvwxyz is a word"),
        ("bell \x07", ""),
        ("a" * 200, "a" * 119 + "…"),
    ],
)
def test_what_is_quoted(text: str, quoted: str) -> None:
    assert short(text) == quoted


@examples(100)
@given(st.text())
def test_it_is_one_short_printable_line(text: str) -> None:
    assert short(text).isprintable()
    assert len(short(text)) <= LONGEST
