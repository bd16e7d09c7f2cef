"""HTTP/1.x conversations without damage, and what is read from them."""

from __future__ import annotations

import gzip

import pytest
import xxhash
import zstandard

from lbtrace.model.http import Framing, HeaderLine, Mark, Protocol
from tests.http.streams import MS, Talk, get, hear, ok, story


def test_one_exchange() -> None:
    heard = hear(Talk().client(get("/divide/25")).server(ok(b"4\n", "Server: x")))
    (exchange,) = heard.exchanges
    assert heard.applications[0].protocol is Protocol.HTTP1
    assert exchange.request is not None
    assert exchange.response is not None
    assert (exchange.id, exchange.connection, exchange.ordinal) == (0, 0, 1)
    assert exchange.request.method == "GET"
    assert exchange.request.target == "/divide/25"
    assert exchange.request.lines == (HeaderLine("Host", "a", "Host: a"),)
    assert exchange.request.body.framing is Framing.NONE
    assert exchange.response.status == 200
    assert exchange.response.body.digest == xxhash.xxh3_128_hexdigest(b"4\n")
    assert (exchange.request.first_frame, exchange.response.last_frame) == (1, 2)
    assert (exchange.request.first_ns, exchange.response.last_ns) == (MS, 2 * MS)
    assert exchange.marks == exchange.request.marks == exchange.response.marks == ()
    assert heard.diagnostics == ()


def test_keep_alive_counts_ordinals() -> None:
    talk = Talk()
    for i in range(5):
        talk.client(get(f"/{i}")).server(ok(b"x" * i))
    heard = hear(talk)
    assert story(heard) == [(f"/{i}", 200) for i in range(5)]
    assert [e.ordinal for e in heard.exchanges] == [1, 2, 3, 4, 5]


def test_message_over_several_segments_has_first_head_and_last_frame() -> None:
    request, response = get("/"), ok(b"0123456789")
    talk = (
        Talk()
        .client(request[:5])
        .client(request[5:])
        .server(response[:10])
        .server(response[10:-5])
        .server(response[-5:])
    )
    (exchange,) = hear(talk).exchanges
    assert exchange.request is not None
    assert exchange.response is not None
    assert (
        exchange.request.first_frame,
        exchange.request.head_frame,
        exchange.request.last_frame,
    ) == (1, 2, 2)
    assert (
        exchange.response.first_frame,
        exchange.response.head_frame,
        exchange.response.last_frame,
    ) == (3, 4, 5)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_body(status: str) -> None:
    talk = (
        Talk()
        .client(get("/a"))
        .server(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n".encode())
        .client(get("/b"))
        .server(ok(b"b"))
    )
    heard = hear(talk)
    assert story(heard) == [("/a", int(status[:3])), ("/b", 200)]
    assert heard.diagnostics == ()


def test_head_has_no_body_whatever_content_length_says() -> None:
    talk = (
        Talk()
        .client(get("/a", method="HEAD"))
        .server(ok(b"12345")[:-5])
        .client(get("/b"))
        .server(ok(b"b"))
    )
    heard = hear(talk)
    assert story(heard) == [("/a", 200), ("/b", 200)]
    assert heard.exchanges[0].response is not None
    assert heard.exchanges[0].response.body.declared == 5
    assert heard.exchanges[0].response.body.length == 0


def test_interim_responses_belong_to_the_final_one() -> None:
    talk = (
        Talk()
        .client(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .server(b"HTTP/1.1 100 Continue\r\n\r\n")
        .client(b"abc")
        .server(ok(b"done"))
    )
    (exchange,) = hear(talk).exchanges
    assert [i.status for i in exchange.interim] == [100]
    assert exchange.request is not None
    assert exchange.request.body.digest == xxhash.xxh3_128_hexdigest(b"abc")


def test_chunked_with_trailers() -> None:
    body = b"4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nDigest: z\r\n\r\n"
    talk = (
        Talk()
        .client(get("/"))
        .server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        .client(get("/n"))
        .server(ok())
    )
    heard = hear(talk)
    assert story(heard) == [("/", 200), ("/n", 200)]
    response = heard.exchanges[0].response
    assert response is not None
    assert response.body.framing is Framing.CHUNKED
    assert response.body.length == 9
    assert response.body.digest == xxhash.xxh3_128_hexdigest(b"Wikipedia")
    assert response.trailers == (HeaderLine("Digest", "z", "Digest: z"),)
    assert heard.slugs == {"chunk-extension"}


def test_until_close_is_complete_with_a_fin_and_cut_with_a_reset() -> None:
    talk = Talk().client(get("/")).server(b"HTTP/1.0 200 OK\r\n\r\nhello")
    (closed,) = hear(talk.fin()).exchanges
    assert closed.response is not None
    assert closed.response.body.complete
    assert closed.response.marks == ()
    (reset,) = hear(talk.rst()).exchanges
    assert reset.response is not None
    assert not reset.response.body.complete
    assert reset.response.marks == (Mark.BODY_TRUNCATED, Mark.RESET)


def test_content_digest_undoes_gzip() -> None:
    plain = b"the same text " * 1000
    talk = Talk().client(get("/")).server(ok(gzip.compress(plain), "Content-Encoding: gzip"))
    (exchange,) = hear(talk).exchanges
    assert exchange.response is not None
    assert exchange.response.body.content_digest == xxhash.xxh3_128_hexdigest(plain)
    assert exchange.response.body.content_length == len(plain)


def test_upgrade_leaves_the_rest_opaque() -> None:
    talk = (
        Talk()
        .client(get("/chat", "Connection: Upgrade", "Upgrade: websocket"))
        .server(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        .client(b"\x81\x85GET / HTTP/1.1\r\n\r\n")
        .server(b"\x81\x05hello")
    )
    heard = hear(talk)
    assert story(heard) == [("/chat", 101)]
    assert heard.applications[0].upgraded == "websocket"


def test_request_without_response_says_why() -> None:
    assert hear(Talk().client(get("/"))).exchanges[0].marks == (Mark.CAPTURE_ENDED,)
    assert hear(Talk().client(get("/")).fin()).exchanges[0].marks == (Mark.CLOSED,)
    assert hear(Talk().client(get("/")).rst()).exchanges[0].marks == (Mark.RESET,)


@pytest.mark.parametrize("repeated", [False, True])
def test_a_stated_length_of_zero_is_a_body_of_no_bytes(repeated: bool) -> None:
    heard = hear(
        Talk().client(get("/", "Content-Length: 0", method="POST"), repeated=repeated).server(ok())
    )
    (exchange,) = heard.exchanges
    assert exchange.request is not None
    assert exchange.request.body == (
        Framing.CONTENT_LENGTH,
        0,
        0,
        True,
        xxhash.xxh3_128_hexdigest(b""),
        None,
        None,
    )


def test_what_follows_a_zstd_frame_is_ignored_wherever_it_is_cut() -> None:
    body = zstandard.ZstdCompressor().compress(b"plain") + b"more"
    whole = ok(body, "Content-Encoding: zstd")
    for at in (3, 4):
        talk = Talk().client(get("/")).server(whole[:-at]).server(whole[-at:])
        (exchange,) = hear(talk).exchanges
        assert exchange.response is not None
        assert exchange.response.body.content_digest == xxhash.xxh3_128_hexdigest(b"plain")


def test_an_answer_to_a_head_request_from_before_the_capture_swallows_nothing() -> None:
    """HEAD and GET were sent ahead, the capture begins between them."""
    talk = Talk(syn=False).client(get("/second"))
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n").server(
        ok(b"second"), ack=talk.sent[0]
    )
    assert story(hear(talk)) == [("/second", None), (None, 200), (None, 200)]


def test_a_request_line_without_target_as_mod_proxy_hcheck_sends_it() -> None:
    heard = hear(
        Talk()
        .client(b"HEAD  HTTP/1.0\r\nHost: a:9000\r\n\r\n")
        .server(b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n")
    )
    (exchange,) = heard.exchanges
    assert exchange.request is not None
    assert exchange.response is not None
    assert (exchange.request.method, exchange.request.target, exchange.request.version) == (
        "HEAD",
        "",
        "HTTP/1.0",
    )
    assert (exchange.response.status, exchange.response.body.length) == (200, 0)
    assert {d.slug for d in heard.diagnostics} == {"spaces-in-request-line", "odd-target"}
