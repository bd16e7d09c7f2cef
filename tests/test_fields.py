"""What field lines say: names without regard to case, and the addresses written in a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.fields import (
    addresses_in,
    field_lines,
    field_value,
    has_whole_head,
    is_canonical,
    is_public,
)
from lbtrace.model.http import Body, Framing, HeaderLine, Mark, Request

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
    assert field_value(ASKED, "Cookie") is None


def test_a_head_that_was_cut_is_not_whole() -> None:
    assert has_whole_head(ASKED)
    assert not has_whole_head(ASKED._replace(marks=(Mark.HEAD_TRUNCATED,)))


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("203.0.113.7", ("203.0.113.7",)),
        ("203.0.113.7:4711, 10.0.0.1", ("203.0.113.7", "10.0.0.1")),
        ('for="[2001:DB8::1]:4711";proto=http, for=198.51.100.2', ("2001:db8::1", "198.51.100.2")),
        ("fe80::1", ("fe80::1",)),
        ("::ffff:192.0.2.1", ("192.0.2.1",)),
        ("::1", ("::1",)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", ()),
        ("1.2.3.400", ()),
        ("12345::1", ()),
        ("unknown, _hidden", ()),
    ],
)
def test_addresses_in_a_value(value: str, addresses: tuple[str, ...]) -> None:
    assert addresses_in(value) == addresses


@given(st.ip_addresses().filter(lambda a: a.version == 4 or a.ipv4_mapped is None))
def test_any_address_is_found_as_it_is_written(address: object) -> None:
    assert addresses_in(f"by=x;for={address},") == (str(address),)


@pytest.mark.parametrize("part", ["a", "1", ":", "a:", "1.", "[a", "a.:"])
def test_a_long_value_is_read_in_one_pass(part: str) -> None:
    """Where every position were looked at from every other, this would take minutes."""
    assert set(addresses_in(part * (200_000 // len(part)))) <= {"1.1.1.1"}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("Content-Type", True), ("Dnt", True), ("DNT", False), ("content-type", False)],
)
def test_canonical_names(name: str, canonical: bool) -> None:
    assert is_canonical(name) is canonical


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("10.0.0.1", False), ("fe80::1", False), ("nobody", False)],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public
