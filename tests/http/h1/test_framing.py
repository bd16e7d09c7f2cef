"""The request smuggling family (RFC 9112 §11.2): each oddity has a name, and where two readings of
the end of a message exist, both are stated.
"""

from __future__ import annotations

import pytest

from lbtrace.http.h1.body_length import SIZED
from lbtrace.http.h1.framing import AS_CHUNKED, framing_fields, lenient_number
from lbtrace.http.h1.head import field_line
from lbtrace.model.http import Framing, Mark
from tests.http.streams import Heard, Talk, get, hear, ok, story

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
NEXT = get("/next")


def ask(raw: bytes) -> Heard:
    return hear(Talk().client(raw).server(ok()))


def ambiguous(heard: Heard) -> bool:
    request = heard.exchanges[0].request
    return request is not None and Mark.AMBIGUOUS_FRAMING in request.marks


def detail(heard: Heard) -> str:
    return " ".join(d.text for d in heard.diagnostics)


@pytest.mark.parametrize(
    ("head", "body", "slug", "doubt"),
    [
        (
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            b"0\r\n\r\n",
            "content-length-and-transfer-encoding",
            True,
        ),
        (
            b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            b"0\r\n\r\n",
            "content-length-and-transfer-encoding",
            True,
        ),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc", "content-length-repeated", False),
        (b"Content-Length: 3\r\nContent-Length: 5\r\n", b"abc", "content-length-conflict", True),
        (b"Content-Length: 3, 3\r\n", b"abc", "content-length-repeated", False),
        (b"Content-Length: 3, 4\r\n", b"abc", "content-length-conflict", True),
        (b"Content-Length: +3\r\n", b"abc", "content-length-invalid", True),
        (b"Content-Length: -3\r\n", b"", "content-length-invalid", True),
        (b"Content-Length: 3x\r\n", b"abc", "content-length-invalid", True),
        (b"Content-Length: 0x3\r\n", b"", "content-length-invalid", True),
        (b"Content-Length: \r\n", b"", "content-length-invalid", True),
        (b"Content-Length: 18446744073709551615\r\n", b"", "content-length-huge", True),
        (b"Content-Length : 3\r\n", b"abc", "blank-before-colon", True),
        (b"Content-Length:\r\n 3\r\n", b"abc", "obs-fold", True),
        (b"X-A: 1\r\n folded\r\n", b"", "obs-fold", False),
        (b"X-A : 1\r\n", b"", "blank-before-colon", False),
        (b"Transfer-Encoding: xchunked\r\n", b"", "transfer-encoding-odd", True),
        (b"Transfer-Encoding: chunked, identity\r\n", b"", "transfer-encoding-odd", True),
        (b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n", "transfer-encoding-odd", True),
        (
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            b"0\r\n\r\n",
            "transfer-encoding-repeated",
            True,
        ),
        (
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
            b"",
            "transfer-encoding-repeated",
            True,
        ),
        (b"Transfer-Encoding: gzip\r\n", b"", "transfer-encoding-not-chunked", True),
        (b"Transfer-Encoding: gzip,\tchunked\r\n", b"0\r\n\r\n", "transfer-encoding-odd", True),
        (b"Transfer-Encoding:\x0bchunked\r\n", b"", "transfer-encoding-odd", True),
        (b"X-A: b\0c\r\n", b"", "nul-in-head", True),
        (b"X-A: b\rX-B: c\r\n", b"", "bare-cr", True),
        (b"X-A: b\nX-B: c\r\n", b"", "bare-lf", True),
        (b"no colon here\r\n", b"", "field-without-colon", False),
        (b": no name\r\n", b"", "odd-field-name", False),
        (b"Na me: x\r\n", b"", "odd-field-name", False),
    ],
)
def test_oddities_of_a_head(head: bytes, body: bytes, slug: str, doubt: bool) -> None:
    """Whatever is odd is named, and the request behind is found under the reading taken."""
    heard = ask(POST + head + b"\r\n" + body + NEXT)
    assert slug in heard.slugs
    assert ambiguous(heard) == doubt
    assert [e.request.target for e in heard.exchanges if e.request] == ["/", "/next"]
    assert heard.exchanges[0].request is not None
    assert Mark.MALFORMED in heard.exchanges[0].request.marks


CL, TE = b"Content-Length", b"Transfer-Encoding"


@pytest.mark.parametrize(
    ("lines", "declared", "readings"),
    [
        ([CL + b": 3"], 3, ()),
        ([CL + b": 3", CL + b": 3"], 3, ()),
        ([CL + b": 3, 3"], 3, ()),
        ([CL + b": 3", CL + b": 5"], 3, (("by Content-Length 5", 5),)),
        ([CL + b": 3, 5, 7"], 3, (("by Content-Length 5", 5), ("by Content-Length 7", 7))),
        (
            [CL + b": 1, 2, 3, 4, 5, 6"],
            1,
            tuple((f"by Content-Length {n}", n) for n in (2, 3, 4, 5)),
        ),
        ([CL + b": +3"], 3, (("without Content-Length", 0),)),
        ([CL + b": 0x3"], 0, ()),
        ([CL + b": -3"], None, ()),
        ([CL + b" : 3"], 3, (("without Content-Length", 0),)),
        ([CL + b" : 0"], 0, ()),
        ([CL + b": 9223372036854775807"], 2**63 - 1, ()),
        ([CL + b": 9223372036854775808"], 2**63, (("by Content-Length", 2**63),)),
        ([CL + b": 99999999999999999999"], 2**63, (("by Content-Length", 2**63),)),
        ([TE + b": chunked"], None, ()),
        ([TE + b": gzip, chunked"], None, ()),
        ([TE + b": chunked", CL + b": 3"], 3, (("by Content-Length", 3),)),
        ([TE + b": chunked", CL + b": 0"], 0, (("by Content-Length", 0),)),
        ([TE + b": chunked", CL + b": x"], None, ()),
        ([TE + b": ,chunked"], None, (("without Transfer-Encoding", 0),)),
        ([TE + b": chunked", TE + b": chunked"], None, (("without Transfer-Encoding", 0),)),
        ([TE + b" : chunked"], None, (("without Transfer-Encoding", 0),)),
        ([TE + b": gzip"], None, (("as chunked", AS_CHUNKED),)),
        ([TE + b": xchunked"], None, (("as chunked", AS_CHUNKED),)),
        ([TE + b": gzip", CL + b": 3"], 3, (("as chunked", AS_CHUNKED),)),
        (
            [TE + b": gzip", CL + b": 3, 4"],
            3,
            (("as chunked", AS_CHUNKED), ("by Content-Length 4", 4)),
        ),
    ],
)
def test_how_others_may_read_it(
    lines: list[bytes], declared: int | None, readings: tuple[tuple[str, int], ...]
) -> None:
    stated = framing_fields([field_line(line) for line in lines], ())
    assert (stated.declared, stated.readings) == (declared, readings)
    assert bool(stated.facts & SIZED) == (declared is not None and declared < 2**63)


def test_fields_that_bear_on_framing() -> None:
    lines = [
        b"Upgrade: a",
        b"upgrade: b",
        b"Content-Encoding: GZip",
        b"content-encoding: ",
        b"X: y",
    ]
    stated = framing_fields([field_line(line) for line in (*lines, b"Content-Encoding: br")], ())
    assert (stated.upgrade, stated.coding, stated.facts) == ("b", "gzip, br", 0)
    assert stated.weirds == ()
    assert framing_fields([], ("bare-cr",)) == (0, None, "", "", ("bare-cr",), ())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", None),
        ("x", None),
        ("-1", None),
        ("+", None),
        ("++1", None),
        ("+1", 1),
        ("1x", 1),
        ("0", 0),
        ("000", 0),
        ("0" * 30 + "7", 7),
        ("9" * 19, int("9" * 19)),
        ("1" + "0" * 19, 2**63),
    ],
)
def test_numbers_as_a_forgiving_reader_sees_them(text: str, number: int | None) -> None:
    assert lenient_number(text) == number


def test_a_length_that_cannot_be_true_ends_never() -> None:
    head = POST + b"Content-Length: 99999999999999999999\r\n\r\n"
    heard = ask(head + NEXT)
    assert [e.request.target for e in heard.exchanges if e.request] == ["/", "/next"]
    assert f"begins at {len(head)} as read here, by Content-Length never." in detail(heard)


def test_both_readings_are_stated() -> None:
    head = POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
    heard = ask(head + b"0\r\n\r\nG" + NEXT)
    text = detail(heard)
    assert f"the next message begins at {len(head) + 5} as read here" in text
    assert f"by Content-Length at offset {len(head) + 6}" in text


def test_the_chunked_reading_of_an_obfuscated_coding_is_stated() -> None:
    head = POST + b"Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n"
    heard = ask(head + b"1\r\nZ\r\n0\r\n\r\n")
    assert (
        f"the next message begins at {len(head) + 4} as read here, as chunked at offset "
        f"{len(head) + 11}" in detail(heard)
    )


def test_leading_zeros_are_plain() -> None:
    heard = ask(POST + b"Content-Length: 0000000000000000000000000003\r\n\r\nabc" + NEXT)
    assert [e.request.target for e in heard.exchanges if e.request] == ["/", "/next"]


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b"3;name=value\r\nabc\r\n0\r\n\r\n", "chunk-extension"),
        (b"3\nabc\r\n0\r\n\r\n", "chunk-bare-lf"),
        (b"3\r\nabc\n0\r\n\r\n", "chunk-bare-lf"),
        (b"10000000000000000\r\nabc\r\n0\r\n\r\n", "chunk-size-huge"),
        (b"fffffffffffffffffffffffff\r\nabc\r\n0\r\n\r\n", "chunk-size-huge"),
        (b"-3\r\nabc\r\n0\r\n\r\n", "chunk-size-invalid"),
        (b"+3\r\nabc\r\n0\r\n\r\n", "chunk-size-invalid"),
        (b"0x3\r\nabc\r\n0\r\n\r\n", "chunk-size-invalid"),
        (b"1_0\r\nabc\r\n0\r\n\r\n", "chunk-size-invalid"),
        (b"\r\nabc\r\n0\r\n\r\n", "chunk-size-invalid"),
        (b"3\r\nabcd\r\n0\r\n\r\n", "chunk-end-missing"),
    ],
)
def test_oddities_of_chunked_framing(body: bytes, slug: str) -> None:
    talk = (
        Talk()
        .client(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        .server(ok())
        .client(NEXT)
        .server(ok(b"n"))
    )
    heard = hear(talk)
    assert slug in heard.slugs
    assert [e.request.target for e in heard.exchanges if e.request] == ["/", "/next"]


def test_a_huge_chunk_is_not_a_complete_body() -> None:
    heard = ask(POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\nabc")
    request = heard.exchanges[0].request
    assert request is not None
    assert not request.body.complete
    assert request.body.digest is None
    assert ambiguous(heard)


def test_leading_empty_lines() -> None:
    heard = ask(b"\r\n\r\n" + NEXT)
    assert story(heard) == [("/next", 200)]
    assert "leading-empty-lines" in heard.slugs


def test_http_0_9() -> None:
    heard = hear(Talk().client(b"GET /old\r\n").server(b"<html>raw</html>").fin())
    assert heard.exchanges[0].request is not None
    assert heard.exchanges[0].request.version == "HTTP/0.9"
    assert "http-0.9-request" in heard.slugs


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/1.2", "HTTP/1.10", "http/1.1"])
def test_odd_versions(version: str) -> None:
    heard = ask(f"GET / {version}\r\nHost: a\r\n\r\n".encode() + NEXT)
    assert "odd-version" in heard.slugs
    assert [e.request.version for e in heard.exchanges if e.request] == [version, "HTTP/1.1"]


@pytest.mark.parametrize(
    ("line", "target", "odd"),
    [
        (b"GET http://example.com/a?b HTTP/1.1", "http://example.com/a?b", False),
        (b"OPTIONS * HTTP/1.1", "*", False),
        (b"GET * HTTP/1.1", "*", True),
        (b"PURGE /x HTTP/1.1", "/x", False),
        (b"M-SEARCH /x HTTP/1.1", "/x", False),
        (b"brew /pot HTTP/1.1", "/pot", False),
        (b"GET  /two HTTP/1.1", "/two", True),
        (b"GET /a b HTTP/1.1", "/a b", True),
    ],
)
def test_targets_and_methods(line: bytes, target: str, odd: bool) -> None:
    heard = ask(line + b"\r\nHost: a\r\n\r\n")
    assert heard.exchanges[0].request is not None
    assert heard.exchanges[0].request.target == target
    assert bool(heard.slugs) == odd


def test_connect_has_an_authority_and_a_tunnel_behind_it() -> None:
    talk = (
        Talk()
        .client(b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n")
        .server(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .client(b"\0\0\0\x08\x04\xd2\x16\x2f")
        .server(b"N")
    )
    heard = hear(talk)
    assert story(heard) == [("db.example:5432", 200)]
    assert heard.exchanges[0].response is not None
    assert heard.exchanges[0].response.body.framing is Framing.TUNNEL
    assert heard.applications[0].upgraded == "postgresql"


def test_http_inside_a_tunnel_is_read() -> None:
    talk = (
        Talk()
        .client(b"CONNECT a:80 HTTP/1.1\r\n\r\n")
        .server(b"HTTP/1.1 200 OK\r\n\r\n")
        .client(get("/in"))
        .server(ok(b"x"))
    )
    heard = hear(talk)
    assert story(heard) == [("a:80", 200), ("/in", 200)]
    assert [e.ordinal for e in heard.exchanges] == [1, 2]


def test_a_refused_connect_is_followed_by_http() -> None:
    talk = (
        Talk()
        .client(b"CONNECT a:80 HTTP/1.1\r\n\r\n")
        .server(ok(b"no", status="403 Forbidden"))
        .client(NEXT)
        .server(ok())
    )
    assert story(hear(talk)) == [("a:80", 403), ("/next", 200)]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_body_where_none_belongs(status: str) -> None:
    odd = f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nbody".encode()
    heard = hear(Talk().client(get("/a")).server(odd).client(NEXT).server(ok()))
    assert story(heard) == [("/a", int(status[:3])), ("/next", 200)]
    assert "body-where-none-belongs" in heard.slugs
    assert heard.exchanges[0].response is not None
    assert Mark.AMBIGUOUS_FRAMING in heard.exchanges[0].response.marks


def test_a_head_of_many_kilobytes() -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (i, b"v" * 60) for i in range(2000))
    heard = ask(b"GET /big HTTP/1.1\r\n" + lines + b"\r\n" + NEXT)
    assert [e.request.target for e in heard.exchanges if e.request] == ["/big", "/next"]
    assert heard.exchanges[0].request is not None
    assert len(heard.exchanges[0].request.lines) == 2000


def test_a_head_without_end_is_given_up() -> None:
    heard = hear(Talk().client(b"GET /a HTTP/1.1\r\nX: " + b"v" * (3 << 20)).client(NEXT))
    assert [e.request.target for e in heard.exchanges if e.request] == ["/a", "/next"]
    assert "head-too-long" in heard.slugs


def test_thousands_of_interim_responses() -> None:
    heard = hear(
        Talk()
        .client(get("/"))
        .server(b"HTTP/1.1 102 Processing\r\n\r\n" * 5000 + ok(b"x"))
        .client(NEXT)
        .server(ok())
    )
    assert story(heard) == [("/", 200), ("/next", 200)]
    assert len(heard.exchanges[0].interim) == 5000


def test_a_response_before_any_request() -> None:
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    heard = hear(Talk().server(late))
    assert story(heard) == [(None, 408)]
    heard = hear(
        Talk().client(get("/a")).server(ok()).server(late).client(NEXT, ack=len(ok())).rst()
    )
    assert story(heard) == [("/a", 200), (None, 408), ("/next", None)]
    assert heard.exchanges[2].marks == (Mark.RESET,)


def test_an_early_answer_to_an_upload() -> None:
    head = POST + b"Content-Length: 6\r\n\r\n"
    refused = ok(b"too big", status="413 Content Too Large")
    heard = hear(Talk().client(head + b"abc").server(refused).client(b"def"))
    assert story(heard) == [("/", 413)]
