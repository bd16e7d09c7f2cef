"""What is found in bytes, and what is looked for."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.redact.search import (
    LEAST,
    CredentialSearch,
    can_be_searched,
    encoded,
    forms,
    in_huffman_code,
)

SECRETS = st.lists(st.binary(min_size=LEAST, max_size=20), max_size=5, unique=True)


@given(SECRETS, st.lists(st.binary(max_size=30), max_size=6), st.data())
def test_each_credential_is_found_wherever_it_stands(
    secrets: list[bytes], between: list[bytes], data: st.DataObject
) -> None:
    parts = [p for text in between for p in (text, data.draw(st.sampled_from([b"", *secrets])))]
    held = b"".join(parts)
    found = list(CredentialSearch(secrets).found(held))
    assert all(held.startswith(secret, at) for at, secret in found)
    assert bool(found) == any(secret in held for secret in secrets)
    left = bytearray(held)
    for at, secret in found:
        left[at : at + len(secret)] = bytes(len(secret))
    assert all(secret not in left for secret in secrets if any(secret))


def test_one_that_lies_over_the_border_of_two_parts_is_found() -> None:
    secret = b"31d4d96e-session"
    for begin in ((1 << 20) - 5, 1 << 20, (1 << 20) - len(secret)):
        held = bytes(begin) + secret + bytes(100)
        assert list(CredentialSearch([secret]).found(held)) == [(begin, secret)]


def test_the_longest_is_found_first() -> None:
    search = CredentialSearch([b"31d4d96e", b"31d4d96e-session"])
    assert list(search.found(b"sid=31d4d96e-session")) == [(4, b"31d4d96e-session")]


ALIKE = st.text("ab", max_size=6).map(lambda end: b"eyJhbGci" + end.encode())


@given(st.lists(ALIKE, min_size=1, max_size=8), st.lists(ALIKE, max_size=4))
def test_the_longest_of_those_that_begin_alike_is_found(
    secrets: list[bytes], said: list[bytes]
) -> None:
    for text in said:
        held = b"=" + text + b"."
        at_one = [s for s in secrets if held.startswith(s, 1)]
        expected = [(1, max(at_one, key=len))] if at_one else []
        assert list(CredentialSearch(secrets).found(held)) == expected


def test_a_place_is_not_compared_with_each_of_many_that_begin_alike() -> None:
    """As signed tokens do: 20 000 of them, each of which stands somewhere."""
    secrets = [b"eyJhbGciOiJIUzI1NiJ9.%06d" % n for n in range(20_000)]
    held = b" ".join(secrets)
    assert [secret for _, secret in CredentialSearch(secrets).found(held)] == secrets


@pytest.mark.parametrize(
    "ordinary",
    [b"short", b"dashboard", b"1234567890", b"text/html", b"192.168.100.200", b"x-api-key"],
)
def test_ordinary_text_is_not_looked_for(ordinary: bytes) -> None:
    assert not can_be_searched(ordinary, frozenset())


def test_a_host_that_is_said_is_not_looked_for() -> None:
    assert can_be_searched(b"www.example.com", frozenset())
    assert not can_be_searched(b"www.example.com", frozenset({b"www.example.com"}))


def test_other_spellings() -> None:
    basic = b64encode(b"alice:correct horse")
    assert forms(basic) == {basic, b"alice:correct horse", b"correct horse"}
    assert forms(b"a%2Fb%3D") == {b"a%2Fb%3D", b"a/b="}


@given(st.text("abcdefXYZ019._-", min_size=16, max_size=30), st.text("abc:= ", max_size=9))
def test_a_credential_inside_a_string_in_huffman_code_is_found(secret: str, before: str) -> None:
    held = encoded(f"{before}{secret}; more".encode())
    codes = in_huffman_code(secret.encode())
    assert codes
    assert list(CredentialSearch(codes).found(held))
