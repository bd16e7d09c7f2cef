"""What a connection speaks, told by its first bytes; TLS by its ClientHello."""

from __future__ import annotations

import ssl

import pytest
from xxhash import xxh3_128_hexdigest

from lbtrace.model.http import DIGESTED, Mark, Protocol
from tests.http.h2.wire import PREFACE, SETTINGS, frame, settings_frame
from tests.http.streams import Talk, get, hear, ok, story


@pytest.mark.parametrize(
    ("client", "server", "name"),
    [
        (b"", b"SSH-2.0-OpenSSH_9.6\r\n", "ssh"),
        (b"SSH-2.0-Go\r\n", b"", "ssh"),
        (b"EHLO me\r\n", b"220 mail.example ESMTP Postfix\r\n", "smtp"),
        (b"USER anonymous\r\n", b"220 ready\r\n", "ftp"),
        (b"", b"+OK POP3 ready\r\n", "pop3"),
        (b"", b"* OK IMAP4rev1\r\n", "imap"),
        (b"", b"J\0\0\0\x0a8.0.36\0" + bytes(20), "mysql"),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", b"S", "postgresql"),
        (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n", "redis"),
        (b"\x10\x10\0\x04MQTT\x04\x02\0\x3c", b"", "mqtt"),
        (b"AMQP\0\0\x09\x01", b"", "amqp"),
        (b"\x03\0\0\x13\x0e\xe0\0\0", b"", "rdp"),
        (b"", b"RFB 003.008\n", "vnc"),
        (b"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 200 OK\r\n\r\n", "rtsp"),
        (b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n", b"", "sip"),
        (b"\0\x37\x01\0\x0c\0QUERY_STRING\0\0\x0e\0REQUEST_METHOD", b"", "uwsgi"),
        (b"24:CONTENT_LENGTH\x000\0SCGI\x001\0,", b"", "scgi"),
        (b"\x01\x01\0\x01\0\x08\0\0", b"", "fastcgi"),
        (b"\x01\x02\x03\x04", b"\x05", ""),
    ],
)
def test_other_protocols_are_named_and_left_alone(client: bytes, server: bytes, name: str) -> None:
    talk = Talk()
    for who, data in ((1, server), (0, client)):
        if data:
            talk.say(who, data)
    heard = hear(talk)
    assert (heard.applications[0].protocol, heard.applications[0].name) == (Protocol.OTHER, name)
    assert heard.exchanges == []


@pytest.mark.parametrize(
    ("client", "server", "name"),
    [
        (get("/a"), b"SSH-2.0-OpenSSH_9.6\r\n", "ssh"),
        (get("/a"), b"220 mail.example ESMTP Postfix\r\n", "smtp"),
        (get("/a"), b"hello\r\n", ""),
        (get("/a"), b"", ""),
        (get("/a"), ok(b"hi"), ""),
        (b"\0\x37\x01\0\x0c\0QUERY_STRING\0\0", ok(b"hi"), "uwsgi"),
        (b"\0\x37\x01\0\x0c\0query\0\0", ok(b"hi"), ""),
    ],
)
def test_what_one_end_speaks_where_the_other_speaks_http(
    client: bytes, server: bytes, name: str
) -> None:
    talk = Talk().client(client)
    heard = hear(talk.server(server) if server else talk)
    assert (heard.applications[0].protocol, heard.applications[0].name) == (Protocol.HTTP1, name)


def digests(talk: Talk) -> tuple[str | None, str | None]:
    return hear(talk).applications[0].digests


def test_what_both_ends_of_another_protocol_said_has_a_digest() -> None:
    whole = digests(Talk().client(b"GET-KEY 1\n").server(b"1 is one\n"))
    assert whole == (xxh3_128_hexdigest(b"GET-KEY 1\n"), xxh3_128_hexdigest(b"1 is one\n"))
    assert digests(Talk().client(b"GET-").client(b"KEY 1\n").server(b"1 is one\n")) == whole
    assert (
        digests(
            Talk().client(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET-KEY 1\n").server(b"1 is one\n")
        )
        == whole
    )
    assert digests(Talk().server(b"1 is one\n")) == (xxh3_128_hexdigest(b""), whole[1])


def test_of_bytes_that_are_not_all_there_it_has_none() -> None:
    assert (
        digests(Talk().client(b"GET-", lost=True).client(b"KEY 1\n").server(b"1 is one\n"))[0]
        is None
    )
    assert (
        digests(Talk().client(b"GET-KEY 1\n").client(b"GET-", lost=True).client(b"KEY 2\n"))[0]
        is None
    )
    assert digests(Talk(syn=False).client(b"GET-KEY 1\n").server(b"1 is one\n")) == (None, None)


def test_of_long_streams_the_beginning_is_digested() -> None:
    part = bytes(range(200)) * 100
    told = [digests(talk)[0] for talk in (Talk(), Talk().client(b"!"))]
    assert told[0] != told[1]
    long = Talk()
    for _ in range(4):
        long.client(part)
    assert (
        digests(long)[0]
        == digests(long.client(b"more"))[0]
        == xxh3_128_hexdigest((part * 4)[:DIGESTED])
    )
    assert (
        digests(long.client(b"", lost=True).client(b"lost", lost=True).client(b"more"))[0]
        is not None
    )


def test_no_payload() -> None:
    assert hear(Talk()).applications[0].protocol is Protocol.NONE


def hello(server_name: str | None, alpn: list[str]) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = server_name is not None
    context.set_alpn_protocols(alpn)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_client_hello() -> None:
    raw = hello("shop.example", ["h2", "http/1.1"])
    for talk in (Talk().client(raw), Talk().client(raw[:7]).client(raw[7:100]).client(raw[100:])):
        application = hear(talk).applications[0]
        assert application.protocol is Protocol.TLS
        assert application.tls is not None
        assert application.tls.server_name == "shop.example"
        assert application.tls.alpn == ("h2", "http/1.1")
        assert 0x0304 in application.tls.versions
        assert application.tls.random == raw[11:43].hex()


@pytest.mark.parametrize("kept", [20, 43, 44, 80, 120, 180])
def test_a_cut_client_hello_never_invents(kept: int) -> None:
    raw = hello("shop.example", ["h2"])
    application = hear(Talk().client(raw, cut=kept)).applications[0]
    assert application.protocol is Protocol.TLS
    if application.tls is not None:
        assert application.tls.random == raw[11:43].hex()
        assert application.tls.server_name in (None, "shop.example")
        assert application.tls.alpn in ((), ("h2",))


def test_http_in_answer_to_tls() -> None:
    heard = hear(
        Talk().client(hello("a.example", ["h2"])).server(ok(b"plain", status="400 Bad Request"))
    )
    assert story(heard) == [(None, 400)]
    assert heard.applications[0].tls is not None
    assert "tls-answered-in-clear" in heard.slugs


def test_socks_in_front_of_http() -> None:
    talk = (
        Talk()
        .client(b"\x05\x01\0")
        .server(b"\x05\0")
        .client(b"\x05\x01\0\x03\x01a\0P")
        .server(b"\x05\0\0\x01\x7f\0\0\x01\0P")
    )
    heard = hear(talk.client(get("/a")).server(ok(b"x")))
    assert story(heard) == [("/a", 200)]
    assert "bytes-before-http" in heard.slugs


def test_the_end_that_accepted_the_connection_asks() -> None:
    heard = hear(Talk().server(get("/a")).client(ok(b"x")))
    assert story(heard) == [("/a", 200)]
    assert heard.applications[0].reversed
    assert "roles-reversed" in heard.slugs


def test_start_lines_in_small_letters() -> None:
    heard = hear(
        Talk()
        .client(b"get /a http/1.1\r\n\r\n")
        .server(b"http/1.1 200 ok\r\ncontent-length: 0\r\n\r\n")
    )
    assert story(heard) == [("/a", 200)]
    assert "odd-version" in heard.slugs


def test_one_direction_only() -> None:
    asked = hear(Talk().client(get("/a")).client(get("/b")))
    assert story(asked) == [("/a", None), ("/b", None)]
    answered = hear(Talk().server(ok(b"a")).server(ok(b"b")))
    assert story(answered) == [(None, 200), (None, 200)]


def test_captured_from_the_middle_of_a_download() -> None:
    talk = (
        Talk(syn=False).server(b"x" * 500).server(b"y" * 500).client(get("/next")).server(ok(b"z"))
    )
    heard = hear(talk)
    assert story(heard) == [("/next", 200)]
    assert heard.exchanges[0].response is not None
    assert Mark.RESYNCED in heard.exchanges[0].response.marks


H2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\0" + bytes(4)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_an_http_2_preface_that_is_answered_in_http_1(version: str) -> None:
    refused = f"{version} 400 Bad Request\r\nContent-Length: 2\r\n\r\nno".encode()
    heard = hear(Talk().client(H2_HELLO).server(refused).fin())
    assert heard.applications[0].protocol is Protocol.HTTP2
    assert story(heard) == [(None, 400)]
    assert heard.slugs == {"http2-answered-by-http1"}
    assert [d.frame for d in heard.diagnostics] == [2]


def test_an_answer_before_the_preface_is_none_to_it() -> None:
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    heard = hear(Talk().server(late).client(H2_HELLO, ack=0).fin())
    assert story(heard) == [(None, 408)]
    assert heard.slugs == {"response-before-request"}


def test_both_ends_ask_and_the_requests_of_both_are_reported() -> None:
    heard = hear(
        Talk().client(get("/a")).server(get("/b")).client(get("/c")).server(get("/d")).fin()
    )
    assert story(heard) == [("/a", None), ("/b", None), ("/c", None), ("/d", None)]
    assert [e.ordinal for e in heard.exchanges] == [1, 2, 3, 4]
    assert all(e.marks == (Mark.CLOSED,) for e in heard.exchanges)
    marks = [e.request.marks for e in heard.exchanges if e.request]
    assert marks == [(), (Mark.FROM_SERVER,), (), (Mark.FROM_SERVER,)]
    assert heard.slugs == {"requests-both-ways"}


def test_both_ends_ask_behind_a_greeting() -> None:
    hello, reply = b"\x10\x02peer one\n", b"\x11\x02peer two\n"
    talk = Talk().client(hello).server(reply).client(get("/a")).server(get("/b"))
    heard = hear(talk.client(get("/c")))
    assert story(heard) == [("/a", None), ("/b", None), ("/c", None)]
    assert {"requests-both-ways", "bytes-before-http"} <= heard.slugs
    only = hear(Talk().client(get("/a")).server(reply).server(get("/b")))
    assert story(only) == [("/a", None), ("/b", None)]
    assert "requests-both-ways" in only.slugs


def test_a_request_line_inside_of_an_answer_is_no_request() -> None:
    heard = hear(Talk().client(get("/a")).server(ok(get("/b"))))
    assert story(heard) == [("/a", 200)]
    assert heard.slugs == set()


REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
ALERT = bytes((0x15, 3, 3, 0, 2, 2, 70))


@pytest.mark.parametrize(
    ("client", "server", "spoken"),
    [
        (get("/a"), ALERT, ("http/1", "tls")),
        (get("/a"), settings_frame(), ("http/1", "http/2")),
        (PREFACE + settings_frame(), REFUSED, ("http/2", "http/1")),
        (PREFACE + settings_frame(), ALERT, ("http/2", "tls")),
        (hello("a.example", ["h2"]), REFUSED, ("tls", "http/1")),
        (hello("a.example", ["h2"]), settings_frame(), ("tls", "http/2")),
        (get("/a"), REFUSED, None),
        (hello("a.example", ["h2"]), ALERT, None),
        (PREFACE + settings_frame(), settings_frame(), None),
        (b"\x01\x02", REFUSED, None),
        (get("/a"), b"\x01\x02", None),
        (get("/a"), frame(SETTINGS, 1, 0), None),  # acknowledges what was not sent
    ],
)
def test_ends_that_speak_different_protocols(
    client: bytes, server: bytes, spoken: tuple[str, str] | None
) -> None:
    mismatch = hear(Talk().client(client).server(server)).applications[0].mismatch
    if spoken is None:
        assert mismatch is None
    else:
        assert mismatch is not None
        assert (mismatch.client.value, mismatch.server.value, mismatch.frame) == (*spoken, 2)
        # where the beginning of an end is not in the capture, what it speaks is unknown
        late = Talk(syn=False).client(client).server(server)
        assert hear(late).applications[0].mismatch is None
        lost = Talk().client(client).server(b"x", lost=True).server(server)
        assert hear(lost).applications[0].mismatch is None
    assert hear(Talk().client(client)).applications[0].mismatch is None


def test_what_stands_behind_a_proxy_header_is_what_a_client_speaks() -> None:
    talk = Talk().client(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + get("/a")).server(ALERT)
    (application,) = hear(talk).applications
    assert application.mismatch is not None
    assert [a.description for a in application.alerts] == [70]
    assert len(application.proxy) == 1
