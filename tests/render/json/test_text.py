"""Pieces of JSON are read back as what was written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.render.json.text import encode, named, numbers, or_null, quoted, quoted_or_null

integers = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.none() | st.text())
def test_a_text_or_nothing(text: str | None) -> None:
    written = quoted_or_null(text)
    assert written.isascii()
    assert json.loads(written) == text
    if text is not None:
        assert written == quoted(text)


@given(st.none() | integers)
def test_a_number_or_nothing(number: int | None) -> None:
    assert json.loads(or_null(number)) == number


@given(st.lists(st.integers(-2, 2) | integers), st.none() | st.integers(-2, 2))
def test_columns_of_numbers(values: list[int], missing: int | None) -> None:
    written = [json.loads(text) for text in numbers(np.array(values, np.int64), missing)]
    assert written == [None if v == missing else v for v in values]


def test_columns_of_names() -> None:
    assert named(("false", "true"), np.array([True, False, True])) == ["true", "false", "true"]


def test_an_object_is_one_line_of_ascii() -> None:
    assert encode({"a": ["\u202e\n", None]}) == '{"a":["\\u202e\\n",null]}'
    with pytest.raises(ValueError, match="JSON"):
        encode(float("nan"))


def test_a_file_name_that_is_no_utf8_is_valid_json() -> None:
    name = b"caf\xe9\xf0\x9f\x98\x80\xff\\.pcap".decode("utf-8", "surrogateescape")
    text = encode({"path": name})
    assert json.loads(text)["path"] == "caf\\xe9\U0001f600\\xff\\.pcap"
    assert json.loads(text)["path"].encode("utf-8")
    assert json.loads(encode("\\udc80")) == "\\udc80"  # six characters of ASCII
    # the halves of a pair stay together
    assert json.loads(encode("\U0010fc80\U0001fc80")) == "\U0010fc80\U0001fc80"
