"""The table of RFC 9112 §6.3 against its text, and both readers against the table.

`by_the_rfc` states the section rule by rule, in its order and with its exceptions; the table in the
code has another order and none. `ROWS` are the same rules as bytes, with the end of the body marked
by the message behind it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbtrace.http.h1.body_length import (
    CHUNKED,
    ENCODED,
    FRAMING,
    FRAMINGS,
    RESPONSE,
    RULES,
    codes,
    response_facts,
)
from lbtrace.http.h1.framing import framing_fields
from lbtrace.http.h1.head import field_line
from lbtrace.model.http import Framing
from tests.http.streams import Talk, get, hear, ok, story

METHODS = ("GET", "HEAD", "POST", "CONNECT", "OPTIONS")
STATUSES = (100, 101, 103, 200, 201, 204, 205, 206, 299, 304, 307, 404, 500)
CODINGS = (None, b"chunked", b"CHUNKED", b"gzip, chunked", b"gzip", b"chunked, gzip", b"identity")
LENGTHS = (None, b"0", b"5", b"5, 5", b"5, 7", b"x", b"+5", b"99999999999999999999")


def by_the_rfc(
    response: bool, method: str, status: int, coding: bytes | None, length: bytes | None
) -> Framing:
    """RFC 9112 §6.3, with what lbtrace does where a server would answer 400."""
    if response and method == "CONNECT" and 200 <= status < 300:  # 2
        return Framing.TUNNEL
    if response and status == 101:  # RFC 9110 §15.2.2: the new protocol begins behind the head
        return Framing.TUNNEL
    if response and (method == "HEAD" or 100 <= status < 200 or status in (204, 304)):  # 1
        return Framing.NONE
    if coding is not None:  # 3: Transfer-Encoding overrides Content-Length
        if coding.lower().split(b", ")[-1] == b"chunked":  # 4
            return Framing.CHUNKED
        if response:
            return Framing.UNTIL_CLOSE
    if length is not None and length.lstrip(b"+")[:1].isdigit() and len(length) < 20:  # 5 and 6
        return Framing.CONTENT_LENGTH
    return Framing.UNTIL_CLOSE if response else Framing.NONE  # 8 and 7


@given(
    st.booleans(),
    st.sampled_from(METHODS),
    st.sampled_from(STATUSES),
    st.sampled_from(CODINGS),
    st.sampled_from(LENGTHS),
    st.booleans(),
)
@example(True, "HEAD", 200, b"chunked", b"5", False)
@example(True, "CONNECT", 299, b"chunked", b"5", False)
@example(False, "POST", 0, b"gzip", b"5", False)
def test_the_table_says_what_the_rfc_says(
    response: bool,
    method: str,
    status: int,
    coding: bytes | None,
    length: bytes | None,
    turned: bool,
) -> None:
    lines = []
    if coding is not None:
        lines.append(field_line(b"Transfer-Encoding: " + coding))
    if length is not None:
        lines.append(field_line(b"content-length:" + length))
    stated = framing_fields(lines[::-1] if turned else lines, ())
    facts = stated.facts | (response_facts(status, method) if response else 0)
    assert FRAMING[facts] is by_the_rfc(response, method, status, coding, length)


def test_a_column_is_decided_as_each_of_its_messages() -> None:
    facts = np.arange(64)
    assert [FRAMINGS[code] for code in codes(facts).tolist()] == list(FRAMING)


def test_every_rule_decides_something() -> None:
    for rule in RULES:
        assert FRAMING[rule.facts] is rule.framing
        assert rule.source.startswith("RFC 9112 §6.3 rule")
    assert len({rule.facts for rule in RULES}) == len(RULES)


def test_an_unknown_method_changes_nothing_but_what_head_and_connect_would() -> None:
    for status in STATUSES:
        assert response_facts(status, None) == response_facts(status, "GET")
    assert response_facts(199, None) == response_facts(204, None) != response_facts(200, None)
    assert FRAMING[RESPONSE | ENCODED | CHUNKED] is Framing.CHUNKED


CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
NEXT = ok(b"n", "X-Next: 1")

# (request, response without what follows, framing of the response, bytes of its body)
RESPONSES = {
    "HEAD, sized": ("HEAD", b"200 OK\r\nContent-Length: 5\r\n\r\n", Framing.NONE, 0),
    "HEAD, chunked": ("HEAD", b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing.NONE, 0),
    "HEAD, nothing": ("HEAD", b"200 OK\r\nX: y\r\n\r\n", Framing.NONE, 0),
    "204": ("GET", b"204 No Content\r\nX: y\r\n\r\n", Framing.NONE, 0),
    "304, sized": ("GET", b"304 Not Modified\r\nContent-Length: 5\r\n\r\n", Framing.NONE, 0),
    "refused CONNECT": (
        "CONNECT",
        b"403 No\r\nContent-Length: 5\r\n\r\nhello",
        Framing.CONTENT_LENGTH,
        5,
    ),
    "chunked": (
        "GET",
        b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        Framing.CHUNKED,
        5,
    ),
    "both fields": (
        "GET",
        b"200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        Framing.CHUNKED,
        5,
    ),
    "a list of codings": (
        "GET",
        b"200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
        Framing.CHUNKED,
        5,
    ),
    "a list of equal lengths": (
        "GET",
        b"200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        Framing.CONTENT_LENGTH,
        5,
    ),
    "sized": ("GET", b"200 OK\r\nContent-Length: 5\r\n\r\nhello", Framing.CONTENT_LENGTH, 5),
    "no byte": ("GET", b"200 OK\r\nContent-Length: 0\r\n\r\n", Framing.CONTENT_LENGTH, 0),
}


def target(method: str, path: str) -> bytes:
    return get("a:1" if method == "CONNECT" else path, method=method)


@pytest.mark.parametrize("version", [b"HTTP/1.1 ", b"HTTP/1.0 "])
@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("row", RESPONSES)
def test_a_response_ends_where_the_table_says(row: str, careful: bool, version: bytes) -> None:
    method, rest, framed, length = RESPONSES[row]
    talk = Talk().client(target(method, "/a")).server(version + rest)
    heard = hear(talk.client(get("/n")).server(NEXT), careful=careful)
    assert [status for _, status in story(heard)] == [int(rest[:3]), 200]
    response, following = (exchange.response for exchange in heard.exchanges)
    assert response is not None
    assert following is not None
    assert (response.body.framing, response.body.length) == (framed, length)
    assert following.lines[-1].name == "X-Next"
    assert following.offset == len(version + rest)


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    ("rest", "framed"),
    [
        (b"200 OK\r\nX: y\r\n\r\nhello", Framing.UNTIL_CLOSE),
        (b"200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", Framing.UNTIL_CLOSE),
        (
            b"200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhello",
            Framing.UNTIL_CLOSE,
        ),
    ],
)
def test_a_response_of_no_stated_length_ends_with_the_connection(
    rest: bytes, framed: Framing, careful: bool
) -> None:
    talk = Talk().client(get("/a")).server(b"HTTP/1.1 " + rest)
    for closed in (False, True):
        heard = hear(talk.fin() if closed else talk, careful=careful)
        (exchange,) = heard.exchanges
        assert exchange.response is not None
        body = exchange.response.body
        assert (body.framing, body.length, body.complete) == (framed, 5, closed)


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    ("method", "status"), [("CONNECT", b"200 OK"), ("CONNECT", b"204 Fine"), ("GET", b"101 Go")]
)
def test_behind_a_tunnel_no_message_follows(method: str, status: bytes, careful: bool) -> None:
    talk = Talk().client(get("a:1" if method == "CONNECT" else "/", "Upgrade: x", method=method))
    talk.server(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\nUpgrade: x\r\n\r\n\1\2\3\4\5")
    heard = hear(talk.client(b"\5\4\3\2\1"), careful=careful)
    (exchange,) = heard.exchanges
    assert exchange.response is not None
    assert exchange.response.body.framing is Framing.TUNNEL


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_response_has_no_body(status: bytes, careful: bool) -> None:
    odd = b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n"
    heard = hear(Talk().client(get("/a")).server(odd + ok(b"x")), careful=careful)
    (exchange,) = heard.exchanges
    assert [interim.status for interim in exchange.interim] == [int(status[:3])]
    assert exchange.response is not None
    assert exchange.response.offset == len(odd)


REQUESTS = {
    "nothing": (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", Framing.NONE, 0),
    "sized": (b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", Framing.CONTENT_LENGTH, 5),
    "chunked": (
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        Framing.CHUNKED,
        5,
    ),
    "both fields": (
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + CHUNKS,
        Framing.CHUNKED,
        5,
    ),
    "HTTP/1.0, chunked": (
        b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        Framing.CHUNKED,
        5,
    ),
    "not chunked, sized": (
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        Framing.CONTENT_LENGTH,
        5,
    ),
    "not chunked": (b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", Framing.NONE, 0),
    "GET, sized": (b"GET /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", Framing.CONTENT_LENGTH, 5),
    "HEAD, sized": (
        b"HEAD /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        Framing.CONTENT_LENGTH,
        5,
    ),
    "huge": (b"POST /a HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", Framing.NONE, 0),
}


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("row", REQUESTS)
def test_a_request_ends_where_the_table_says(row: str, careful: bool) -> None:
    raw, framed, length = REQUESTS[row]
    silent = raw.startswith(b"HEAD")
    talk = Talk().client(raw).server(ok() if silent else ok(b"a"))
    heard = hear(talk.client(get("/n")).server(NEXT), careful=careful)
    assert story(heard) == [("/a", 200), ("/n", 200)]
    request, following = (exchange.request for exchange in heard.exchanges)
    assert request is not None
    assert following is not None
    assert (request.body.framing, request.body.length) == (framed, length)
    assert following.offset == len(raw)
