"""Field lines of a message: names without regard to case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http_fields.lines import (
    field_lines,
    field_value,
    is_canonical,
    lowered,
    sorted_by_go,
)
from lbtrace.model.http import Body, Framing, HeaderLine, Request

LINES = (
    HeaderLine("Via", "a", "Via: a"),
    HeaderLine("Host", "x", "Host: x"),
    HeaderLine("via", "b", "via: b"),
)
ASKED = Request(
    "GET", "/", "HTTP/1.1", LINES, Body(Framing.NONE, 0, None, True, None), 1, 1, 1, 0, 0, 0
)


def test_lines_of_a_name_keep_their_order_and_their_spelling() -> None:
    assert [line.raw for line in field_lines(ASKED, "VIA")] == ["Via: a", "via: b"]
    assert field_value(ASKED, "VIA") == "a, b"
    assert field_value(ASKED, "host") == "x"
    assert field_value(ASKED, "Post") is None
    assert field_value(ASKED, "Cookie") is None


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("Content-Type", True), ("Dnt", True), ("DNT", False), ("content-type", False)],
)
def test_canonical_names(name: str, canonical: bool) -> None:
    assert is_canonical(name) is canonical


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        ("Host User-Agent Content-Length Accept Zone Accept-Encoding", "Accept Zone"),
        ("host transfer-encoding accept-encoding zone", "accept-encoding zone"),
        ("Host", ""),
    ],
)
def test_what_go_sorts(head: str, rest: str) -> None:
    assert sorted_by_go(head.split()) == rest.split()


@given(st.text(alphabet="Aa-Zz", max_size=8))
def test_names_are_compared_in_lower_case(name: str) -> None:
    assert lowered(name) == lowered(name.upper()) == name.lower()
