"""Layers of a connection: PROXY headers, tunnels, upgrades, and what is inside of them."""

from __future__ import annotations

import pytest
from xxhash import xxh3_128_hexdigest

from lbtrace.model.http import Application, Mark, Protocol
from lbtrace.model.tunnel import TunnelEnd
from tests.http.h2.wire import PREFACE, End, settings_frame
from tests.http.streams import Talk, get, hear, ok, story
from tests.http.test_detect import hello

PROXY = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"
CONNECTED = b"HTTP/1.1 200 Connected\r\n\r\n"


def application(talk: Talk) -> Application:
    return hear(talk).applications[0]


def connect(depth: int = 1) -> Talk:
    talk = Talk()
    for _ in range(depth):
        talk.client(get("a.example:443", method="CONNECT")).server(CONNECTED)
    return talk


def test_proxy_headers_stand_in_front_of_anything() -> None:
    heard = hear(Talk().client(PROXY + PROXY + get("/a")).server(ok(b"x")))
    assert story(heard) == [("/a", 200)]
    assert [p.source for p in heard.applications[0].proxy] == ["10.0.0.1:1"] * 2
    request = heard.exchanges[0].request
    assert request is not None
    assert request.offset == 2 * len(PROXY)
    assert application(Talk().client(PROXY)).protocol is Protocol.NONE
    assert len(application(Talk().client(PROXY)).proxy) == 1
    odd = hear(Talk().client(b"PROXY nonsense\r\n" + get("/a")).server(ok(b"x")))
    assert "proxy-protocol-malformed" in odd.slugs
    assert [d.frame for d in odd.diagnostics if d.slug == "proxy-protocol-malformed"] == [1]


def test_digests_leave_proxy_headers_out() -> None:
    found = application(Talk().client(PROXY + b"\x01binary").server(b"\x02reply"))
    assert found.digests == (xxh3_128_hexdigest(b"\x01binary"), xxh3_128_hexdigest(b"\x02reply"))
    http = application(Talk().client(get("/a")).server(ok(b"x")))
    assert http.digests == (None, None)


@pytest.mark.parametrize(
    ("inside", "upgraded"),
    [
        ([(0, b"SSH-2.0-x\r\n"), (1, b"SSH-2.0-y\r\n")], "ssh"),
        ([(0, hello("b.example", ["h2"]))], "tls"),
        ([(0, get("/in")), (1, ok(b"x"))], "http/1"),
        ([(0, b"\x01\x02\x03"), (1, b"\x04")], "connect"),
        ([], "connect"),
    ],
)
def test_what_a_tunnel_carries(inside: list[tuple[int, bytes]], upgraded: str) -> None:
    talk = connect()
    for who, data in inside:
        talk.say(who, data)
    heard = hear(talk)
    assert heard.applications[0].protocol is Protocol.HTTP1
    assert heard.applications[0].upgraded == upgraded
    assert story(heard)[0] == ("a.example:443", 200)
    assert [e.ordinal for e in heard.exchanges] == list(range(1, len(heard.exchanges) + 1))
    named = heard.applications[0].tls
    assert (named.server_name if named else None) == ("b.example" if upgraded == "tls" else None)


def ends(sent: list[tuple[int, bytes]], lost: int = -1) -> list[tuple[TunnelEnd, TunnelEnd]]:
    """What the tunnels say that both ends sent; packet `lost` is not in the capture."""
    talk = connect()
    for n, (who, data) in enumerate(sent):
        talk.say(who, data, lost=n == lost)
    return [(t.client, t.server) for t in hear(talk).tunnels]


def end(data: bytes) -> TunnelEnd:
    return TunnelEnd(xxh3_128_hexdigest(data), len(data))


def test_what_is_sent_in_a_tunnel_is_digested() -> None:
    """Whatever packets it came in; what HTTP can be read from has exchanges instead."""
    assert ends([(0, b"\x01\x02"), (1, b"\x04"), (0, b"\x03")]) == [
        (end(b"\x01\x02\x03"), end(b"\x04"))
    ]
    assert ends([(0, b"SSH-2.0-x\r\n")]) == [(end(b"SSH-2.0-x\r\n"), end(b""))]
    named = hello("b.example", ["h2"])
    assert ends([(0, named)]) == [(end(named), end(b""))]
    assert ends([(0, get("/in")), (1, ok(b"x"))]) == []
    assert ends([]) == []


def test_a_tunnel_with_a_byte_missing_is_not_digested() -> None:
    sent = [(0, b"\x01\x02"), (1, b"\x04"), (0, b"\x03")]
    assert ends(sent, lost=0) == [(TunnelEnd(None, 0), end(b"\x04"))]


def test_an_upgrade_to_another_protocol_is_a_tunnel() -> None:
    asked = b"GET /t HTTP/1.1\r\nHost: a\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n"
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n"
    (tunnel,) = hear(Talk().client(asked).server(switched).client(b"\x01")).tunnels
    assert (tunnel.client, tunnel.server) == (end(b"\x01"), end(b""))


@pytest.mark.parametrize("depth", [1, 4, 5, 6])
def test_tunnels_in_tunnels(depth: int) -> None:
    heard = hear(connect(depth).client(get("/in")).server(ok(b"x")))
    found = [target for target, _ in story(heard)]
    assert found == ["a.example:443"] * min(depth, 5) + ["/in"] * (depth <= 4)


def test_http_2_in_a_tunnel() -> None:
    client, server = End(), End()
    talk = connect().client(PREFACE + settings_frame() + client.ask(1, "/in"))
    heard = hear(talk.server(settings_frame() + server.answer(1, b"x")))
    assert story(heard) == [("a.example:443", 200), ("/in", 200)]
    assert heard.applications[0].upgraded == "http/2"


def test_an_upgrade_to_another_protocol_is_left_alone() -> None:
    switch = b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n"
    talk = Talk().client(get("/ws", "Upgrade: websocket")).server(switch)
    heard = hear(talk.client(get("/not-http")).server(ok(b"x")))
    assert story(heard) == [("/ws", 101)]
    assert heard.applications[0].upgraded == "websocket"


def test_a_refused_upgrade_goes_on_in_http_1() -> None:
    talk = (
        Talk().client(get("/a", "Upgrade: h2c")).server(ok(b"a")).client(get("/b")).server(ok(b"b"))
    )
    assert story(hear(talk)) == [("/a", 200), ("/b", 200)]
    assert application(talk).upgraded == ""


def test_h2c_whose_request_is_not_in_the_capture() -> None:
    client, server = End(), End()
    switch = b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"
    talk = Talk(syn=False).server(switch + settings_frame() + server.answer(1, b"one"))
    talk.client(PREFACE + settings_frame() + client.ask(3, "/b"), ack=0)
    heard = hear(talk.server(server.answer(3, b"three")))
    assert heard.applications[0].upgraded == "h2c"
    assert story(heard) == [(None, 200), ("/b", 200)]
    assert [i.status for i in heard.exchanges[0].interim] == [101]


def test_h2c_whose_server_frames_are_not_read_as_http_1() -> None:
    """Only the 101 is HTTP/1; what follows it is read as frames, however it is cut."""
    server = End()
    switch = b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"
    talk = Talk(syn=False).client(PREFACE + settings_frame(), ack=0).server(switch)
    heard = hear(talk.server(settings_frame()).server(server.answer(1, b"HTTP/1.1 200 OK\r\n\r\n")))
    assert story(heard) == [(None, 200)]
    assert heard.slugs == set()


def test_plain_http_to_a_tls_client_is_not_asked_for() -> None:
    talk = Talk().client(hello("a.example", [])).server(ok(b"no", status="400 Bad Request")).fin()
    heard = hear(talk)
    assert heard.applications[0].protocol is Protocol.HTTP1
    assert heard.applications[0].tls is not None
    (alone,) = heard.exchanges
    assert (alone.request, alone.marks) == (None, ())
    assert heard.slugs == {"tls-answered-in-clear"}


def test_a_connection_with_nothing_in_it() -> None:
    heard = hear(Talk(), Talk().client(b"", lost=True), Talk().fin())
    assert [a.protocol for a in heard.applications] == [Protocol.NONE] * 3
    assert heard.exchanges == []
    lost = hear(Talk().client(get("/a"), lost=True))
    assert lost.applications[0].protocol is Protocol.NONE


def test_the_mark_of_an_exchange_that_a_tunnel_cut() -> None:
    talk = connect().client(get("/in")).fin()
    assert hear(talk).exchanges[1].marks == (Mark.CLOSED,)
