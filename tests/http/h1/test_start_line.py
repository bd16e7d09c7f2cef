"""Start lines: read whatever they are, recognised only when they can be nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h1.start_line import (
    begins_request,
    begins_response,
    is_simple_request,
    may_begin_request,
    may_begin_response,
    parse_request_line,
    parse_status_line,
)
from tests.laws import examples

_METHODS = ("GET", "POST", "PROPFIND", "M-SEARCH", "VERSION-CONTROL")
_TARGETS = ("/", "/a?b=c", "*", "http://a/b", "a.example:443", "/%20")
_versions = st.sampled_from(["HTTP/1.0", "HTTP/1.1"])


@examples(100)
@given(st.sampled_from(_METHODS), st.sampled_from(_TARGETS), _versions)
def test_an_ordinary_request_line_comes_back_as_its_words(
    method: str, target: str, version: str
) -> None:
    line = parse_request_line(f"{method} {target} {version}".encode())
    assert line[:3] == (method, target, version)
    fits = target[0] == "/" or "://" in target
    assert line.weirds == (() if fits else ("odd-target",))


@examples(100)
@given(_versions, st.integers(100, 999), st.sampled_from(["", "OK", "Not Found", "caf\xe9"]))
def test_an_ordinary_status_line_comes_back_as_its_words(
    version: str, status: int, reason: str
) -> None:
    line = parse_status_line(f"{version} {status} {reason}".encode("latin-1"))
    assert line == (status, reason, version, ())
    assert parse_status_line(f"{version} {status}".encode()) == (status, "", version, ())


@examples(200)
@given(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw))
def test_any_line_is_read_and_what_begins_a_message_is_not_weird(raw: bytes) -> None:
    asked, answered = parse_request_line(raw), parse_status_line(raw)
    assert isinstance(asked.method, str)
    assert 0 <= answered.status <= 999
    if begins_response(raw + b"\r\n"):
        assert {"odd-status-line", "odd-version"}.isdisjoint(answered.weirds)
    if begins_request(raw + b"\r\n"):
        assert {"odd-method", "odd-version"}.isdisjoint(asked.weirds)


@pytest.mark.parametrize(
    ("raw", "parts", "weirds"),
    [
        (b"GET  /two HTTP/1.1", ("GET", "/two", "HTTP/1.1"), ("spaces-in-request-line",)),
        (b"GET /a b HTTP/1.1", ("GET", "/a b", "HTTP/1.1"), ("spaces-in-request-line",)),
        (b"GET\t/tab\tHTTP/1.1", ("GET", "/tab", "HTTP/1.1"), ("spaces-in-request-line",)),
        (b"HEAD  HTTP/1.0", ("HEAD", "", "HTTP/1.0"), ("spaces-in-request-line", "odd-target")),
        (b"GET /", ("GET", "/", "HTTP/0.9"), ("http-0.9-request",)),
        (b"GET", ("GET", "", ""), ("spaces-in-request-line", "odd-version", "odd-target")),
        (
            b"",
            ("", "", ""),
            ("spaces-in-request-line", "odd-version", "odd-method", "odd-target"),
        ),
        (b"G\x00T / HTTP/1.1", ("G\0T", "/", "HTTP/1.1"), ("odd-method", "nul-in-head")),
        (b"GET / HTTP/1.1\r", ("GET", "/", "HTTP/1.1\r"), ("odd-version", "bare-cr")),
        (b"GET /\n HTTP/1.1", ("GET", "/\n", "HTTP/1.1"), ("bare-lf",)),
        (b"GET / HTTP/1.2", ("GET", "/", "HTTP/1.2"), ("odd-version",)),
        (b"GET / http/1.1", ("GET", "/", "http/1.1"), ("odd-version",)),
        (b"CONNECT a:1 HTTP/1.1", ("CONNECT", "a:1", "HTTP/1.1"), ()),
        (b"CONNECT a HTTP/1.1", ("CONNECT", "a", "HTTP/1.1"), ("odd-target",)),
        (b"CONNECT http://a:1 HTTP/1.1", ("CONNECT", "http://a:1", "HTTP/1.1"), ("odd-target",)),
        (b"OPTIONS * HTTP/1.1", ("OPTIONS", "*", "HTTP/1.1"), ()),
        (b"PRI * HTTP/2.0", ("PRI", "*", "HTTP/2.0"), ("odd-version",)),
    ],
)
def test_odd_request_lines(
    raw: bytes, parts: tuple[str, str, str], weirds: tuple[str, ...]
) -> None:
    assert parse_request_line(raw) == (*parts, weirds)


@pytest.mark.parametrize(
    ("raw", "status", "reason", "weirds"),
    [
        (b"HTTP/1.1 99 x", 0, "x", ("odd-status-line",)),
        (b"HTTP/1.1 099 x", 99, "x", ("odd-status-line",)),
        (b"HTTP/1.1 2000 x", 0, "x", ("odd-status-line",)),
        (b"HTTP/1.1 2x0 x", 0, "x", ("odd-status-line",)),
        (b"HTTP/1.1  200 OK", 200, "OK", ("odd-status-line",)),
        (b"HTTP/1.1", 0, "", ("odd-status-line",)),
        (b"HTTP/2 200", 200, "", ("odd-version",)),
        (b"HTTP/1.1 200 a\rb", 200, "a\rb", ("bare-cr",)),
        (b"HTTP/1.1 200 a\0", 200, "a\0", ("nul-in-head",)),
        ("HTTP/1.1 ²00 x".encode("latin-1"), 0, "x", ("odd-status-line",)),
    ],
)
def test_odd_status_lines(raw: bytes, status: int, reason: str, weirds: tuple[str, ...]) -> None:
    line = parse_status_line(raw)
    assert (line.status, line.reason, line.weirds) == (status, reason, weirds)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.0\n",
        b"GET  HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET https://a/b HTTP/1.1\r\n",
        b"CONNECT a:443 HTTP/1.1\r\n",
        b"GET /cut",
        b"GET /cut HT",
        b"DELETE /cut HTTP/1.",
        b"PATCH http://cut HTTP/1.1\r",
    ],
)
def test_what_can_only_be_a_request(raw: bytes) -> None:
    assert begins_request(raw)
    assert may_begin_request(raw[:24])
    assert not begins_response(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"get / HTTP/1.1\r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/1.2\r\n",
        b"GET / RTSP/1.0\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET key HTTP/1.1\r\n",
        b"G / HTTP/1.1\r\n",
        b"COPY /cut",
        b"GET /cut HTTP/2",
        b"GET /\r\n",
        b"GET",
        b"",
    ],
)
def test_what_may_be_something_else_than_a_request(raw: bytes) -> None:
    assert not begins_request(raw)


def test_what_can_only_be_a_response() -> None:
    for raw in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404\n", b"HTTP/1.1 999 a b", b"HTTP/1.1 200\r"):
        assert begins_response(raw)
        assert may_begin_response(raw)
        assert not begins_request(raw)
    for raw in (
        b"HTTP/1.1 099 x\r\n",
        b"HTTP/1.2 200 OK\r\n",
        b"HTTP/2 200\r\n",
        b"http/1.1 200 OK\r\n",
        b"HTTP/1.1 2000\r\n",
        b"HTTP/1.1 200 a\x01b\r\n",
        b"HTTP/1.1 200OK\r\n",
        b"HTTP/1.1",
        b"",
    ):
        assert not begins_response(raw)


def test_a_cheap_look_refuses_nothing_that_begins() -> None:
    assert may_begin_response(b"HT")
    assert may_begin_response(b"")
    assert not may_begin_response(b"HTTP/2.0 200")
    assert may_begin_request(b"GET")
    assert not may_begin_request(b"get ")
    assert not may_begin_request(b"G3T ")


def test_simple_requests() -> None:
    for raw in (b"GET /\r\n", b"GET /\n", b"GET /a?b \t\r\n\r\n\r\n", b"GET /\xff\r\n"):
        assert is_simple_request(raw)
    for raw in (
        b"GET /",
        b"GET /\r\nx",
        b"GET / HTTP/1.0\r\n",
        b"GET x\r\n",
        b"get /\r\n",
        b"\r\n",
    ):
        assert not is_simple_request(raw)
