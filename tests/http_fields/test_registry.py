"""The registry of fields: every row is complete, and every constant names a row."""

from __future__ import annotations

import pytest

from lbtrace import http_fields
from lbtrace.http_fields import (
    FORWARDING,
    Meaning,
    field,
    fields_of,
    is_forwarding,
    names,
    spelling,
)

CONSTANTS = {
    name: value
    for name, value in vars(http_fields).items()
    if name.isupper() and name[0] != "_" and isinstance(value, str) and value[-1:] != "-"
}


def test_each_row_has_a_constant_of_its_name() -> None:
    expected = {name.lstrip(":").replace("-", "_").upper(): name for name in names()}
    assert expected == CONSTANTS


@pytest.mark.parametrize("name", names())
def test_a_row_is_complete(name: str) -> None:
    row = field(name)
    assert row is not None
    assert name == row.spelling.lower() == spelling(name).lower()
    assert row.source


@pytest.mark.parametrize("meaning", list(Meaning))
def test_each_meaning_has_fields(meaning: Meaning) -> None:
    assert fields_of(meaning)


def test_the_fields_of_several_meanings_are_their_union() -> None:
    both = fields_of(Meaning.CONNECTION, Meaning.FRAMING)
    assert both == fields_of(Meaning.CONNECTION) | fields_of(Meaning.FRAMING)
    assert both == fields_of(Meaning.CONNECTION | Meaning.FRAMING)


def test_connection_specific_fields_are_those_of_the_specification() -> None:
    """RFC 9110 §7.6.1, and RFC 7540 §3.2.1 for the last."""
    named = {"connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade"}
    assert fields_of(Meaning.CONNECTION) == named | {"http2-settings"}


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("forwarded", True),
        ("x-forwarded-for", True),
        ("x-forwarded-prefix", True),  # not known, but of the family
        ("x-real-ip", True),
        ("via", True),
        ("host", False),
        ("x-request-id", False),
    ],
)
def test_forwarding_fields(name: str, states: bool) -> None:
    assert is_forwarding(name) is states


def test_what_states_the_client_or_a_proxy_is_added_by_proxies() -> None:
    assert fields_of(FORWARDING) < http_fields.ADDED_BY_PROXIES
