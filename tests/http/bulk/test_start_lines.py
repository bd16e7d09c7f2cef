"""Start lines in bulk say what the parsers of single lines say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.bulk.start_lines import (
    HEAD,
    OLD,
    PLAIN,
    StartLines,
    request_kinds,
    status_kinds,
)
from lbtrace.http.h1.body_length import BODILESS
from lbtrace.http.h1.start_line import begins_request, parse_request_line, parse_status_line
from tests.laws import examples

_requests = st.lists(
    st.one_of(
        st.builds(
            lambda m, t, v: f"{m} {t} {v}".encode("latin-1"),
            st.sampled_from(["GET", "HEAD", "CONNECT", "PROXY", "HEADER", "get", "G", "M-SEARCH"]),
            st.sampled_from(["/", "/a?b", "*", "a:1", "http://a/", "https://a", "/\xff"]),
            st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", ""]),
        ),
        st.just(b""),
        st.just(b"GET /" + b"x" * 2000 + b" HTTP/1.1"),
        st.just(b"GET /" + b"x" * 1999 + b" HTTP/1.0"),
    ),
    min_size=1,
    max_size=6,
)
_statuses = st.lists(
    st.builds(
        lambda v, s, r: f"{v} {s}{r}".encode("latin-1"),
        st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2", "http/1.1"]),
        st.sampled_from(["99", "100", "101", "199", "200", "204", "205", "304", "999", "x"]),
        st.sampled_from(["", " ", " OK", " a\rb", " \0"]),
    ),
    min_size=1,
    max_size=6,
)


@examples(300)
@given(_requests)
def test_requests(lines: list[bytes]) -> None:
    for line, kind in zip(lines, request_kinds(lines), strict=True):
        parsed = parse_request_line(line)
        if not kind:
            continue
        assert kind & PLAIN
        assert parsed.weirds == ()
        assert begins_request(line + b"\r\n")
        assert parsed.method not in ("CONNECT", "PROXY")
        assert bool(kind & HEAD) == (parsed.method == "HEAD")
        assert bool(kind & OLD) == (parsed.version == "HTTP/1.0")
        assert not kind & BODILESS


def test_which_requests_are_ordinary() -> None:
    ordinary = [b"GET / HTTP/1.1", b"HEAD /a HTTP/1.0", b"DELETE http://a/b HTTP/1.1"]
    others = [
        b"CONNECT / HTTP/1.1",
        b"PROXY / HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.2",
        b"G / HTTP/1.1",
        b"",
    ]
    assert list(request_kinds(ordinary)) == [PLAIN, PLAIN | HEAD | OLD, PLAIN]
    assert list(request_kinds(others)) == [0] * len(others)
    assert list(request_kinds([*ordinary, *others])) == [PLAIN, PLAIN | HEAD | OLD, PLAIN] + [0] * 7


@examples(300)
@given(_statuses)
def test_statuses(lines: list[bytes]) -> None:
    for line, kind in zip(lines, status_kinds(lines), strict=True):
        parsed = parse_status_line(line)
        assert bool(kind & PLAIN) == (not parsed.weirds and parsed.status >= 200)
        if kind:
            assert bool(kind & BODILESS) == (parsed.status in (204, 304))
            assert bool(kind & OLD) == (parsed.version == "HTTP/1.0")


def test_each_distinct_line_is_looked_at_once() -> None:
    seen: list[bytes] = []

    def kinds(lines: list[bytes]) -> bytearray:
        seen.extend(lines)
        return bytearray(len(line) for line in lines)

    starts = StartLines(kinds)
    numbers, flags = starts.of([b"aa", b"b", b"aa"])
    assert (numbers.tolist(), flags.tolist()) == ([0, 1, 0], [2, 1, 2])
    numbers, flags = starts.of([b"ccc", b"b"])
    assert (numbers.tolist(), flags.tolist()) == ([2, 1], [3, 1])
    assert seen == starts.texts == [b"aa", b"b", b"ccc"]
