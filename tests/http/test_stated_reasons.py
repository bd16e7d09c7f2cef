"""What the pages of errors say: their titles, first lines and members, and nothing that was cut."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http import stated_reasons
from lbtrace.http.stated_reasons import reason
from tests.http.streams import Talk, get, hear, table
from tests.laws import examples

NGINX = (
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>"
    b"\r\n<body><center><h1>400 Bad Request</h1></center></body></html>"
)
APACHE = (
    b"<title>400 Bad Request</title><p>Your browser sent a request that this server could not "
    b"understand.<br />\nReason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n"
)


HAPROXY = (
    b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request."
    b"\n</body></html>\n"
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (NGINX, "400 The plain HTTP request was sent to HTTPS port"),
        (APACHE, "Reason: You're speaking plain HTTP to an SSL-enabled server port."),
        (b"Client sent an HTTP request to an HTTPS server.\n",) * 1
        + ("Client sent an HTTP request to an HTTPS server.",),
        (b"<TITLE lang=en>\n Gone &amp;\n away </TITLE>", "Gone & away"),
        (b"upstream connect error\nor disconnect", "upstream connect error"),
        (
            b'{"message": "no Route matched with those values"}',
            "no Route matched with those values",
        ),
        (b'{"error": {"message": "deep", "code": 7}}', "deep"),
        (b'{"error": 7}', ""),
        (b'{"message": "cut', ""),
        (b"[" * 4000, ""),
        (b"<p>no title", ""),
        (HAPROXY, "No server is available to handle this request."),
        (b"<h1>Gone</h1>", ""),
        (b"<h1>Gone</h1><p>Since <b>1 May</b>.</p>", "Since"),
        (b"\x00\x01binary", ""),
        (b"", ""),
        (b"no session for 5f2a9c0e7b1d4a6c8e00 here", "no session for … here"),
        ("Zugriff verweigert: größe".encode(), "Zugriff verweigert: größe"),
        ("größe".encode("latin-1"), "größe"),
        (b"word " * 40, ("word " * 24)[:119].rstrip() + "…"),
    ],
)
def test_what_a_body_says(body: bytes, said: str) -> None:
    assert reason(body) == said


@given(st.binary(max_size=300))
@examples(300)
def test_any_body_says_one_short_printable_line(body: bytes) -> None:
    said = reason(body)
    assert len(said) <= 120
    assert said.isprintable()


def answered(body: bytes, head: bytes = b"", status: bytes = b"400 Bad Request") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + head + b"\r\n" + body


def said(*talks: Talk) -> list[str]:
    heard = hear(*talks)
    return list(stated_reasons(table(talks), heard.applications, heard.exchanges).values())


def test_errors_are_read_and_good_answers_are_not() -> None:
    assert said(Talk().client(get("/a")).server(answered(NGINX))) == [reason(NGINX)]
    assert said(Talk().client(get("/a")).server(answered(NGINX, status=b"200 OK"))) == []


def test_equal_pages_are_read_once() -> None:
    talk = Talk()
    for _ in range(3):
        talk.client(get("/a")).server(answered(NGINX))
    talk.client(get("/b")).server(answered(b"another"))
    assert said(talk) == [reason(NGINX), "another"]


def test_a_page_of_chunks_and_a_page_that_was_packed() -> None:
    chunks = b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nfirst\r\n0\r\n\r\n"
    assert said(Talk().client(get("/a")).server(chunks)) == ["first"]
    packed = answered(gzip.compress(NGINX), b"Content-Encoding: gzip\r\n")
    assert said(Talk().client(get("/a")).server(packed)) == [reason(NGINX)]
    for coding in (b"br", b"gzip"):
        odd = answered(b"not packed", b"Content-Encoding: " + coding + b"\r\n")
        assert said(Talk().client(get("/a")).server(odd)) == []


def test_a_page_that_was_cut_says_nothing() -> None:
    whole = answered(NGINX)
    assert said(Talk().client(get("/a")).server(whole, cut=len(whole) - 1)) == []


def test_a_page_behind_a_head_that_is_too_long_says_nothing() -> None:
    long = b"X: " + b"y" * (1 << 16) + b"\r\n"
    assert said(Talk().client(get("/a")).server(answered(NGINX, long))) == []


def test_a_response_without_request_says_why_too() -> None:
    assert said(Talk().server(answered(b"too early")).client(b"\x00")) == ["too early"]
