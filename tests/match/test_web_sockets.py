"""WebSockets that a proxy ends and begins anew are paired by what they carry."""

from __future__ import annotations

from pathlib import Path

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, TextMessage

from lbtrace.model.http import Framing
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Clue, Confidence
from lbtrace.model.report import Kind, Report
from lbtrace.pipeline import compare
from tests.findings.http2_talks import Http2Talk
from tests.tcp.wire import Wire, pcap

MS = 1_000_000
ASK = (
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\n\r\n"
)
GRANT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
FRONT, BEHIND = Endpoint("10.0.0.80", 80), Endpoint("172.16.0.11", 8080)


def said(kind: ConnectionType, *events: Event) -> bytes:
    speaker = Connection(kind)
    return b"".join(speaker.send(event) for event in events)


def chat(source: Endpoint, server: Endpoint, key: str, text: str, at: int) -> Wire:
    """A WebSocket in which the client says one thing and the server the same."""
    asked = ASK.format(key=key).encode()
    mine = said(ConnectionType.CLIENT, TextMessage(text), CloseConnection(1000))
    theirs = said(ConnectionType.SERVER, TextMessage(text.upper()), CloseConnection(1000))
    wire = Wire([], source, server)
    wire.c("SYN", 0, at=at).s("SYN", 0, ack=1, at=at + MS).c("ACK", 1, ack=1, at=at + 2 * MS)
    end = 1 + len(asked)
    wire.c("PSH", 1, asked, ack=1, at=at + 3 * MS).s("PSH", 1, GRANT, ack=end, at=at + 4 * MS)
    back = 1 + len(GRANT)
    wire.c("PSH", end, mine, ack=back, at=at + 5 * MS)
    wire.s("PSH", back, theirs, ack=end + len(mine), at=at + 6 * MS)
    wire.s("FIN+ACK", back + len(theirs), ack=end + len(mine), at=at + 7 * MS)
    return wire.c("FIN+ACK", end + len(mine), ack=back + len(theirs) + 1, at=at + 8 * MS)


@pytest.fixture
def told(tmp_path: Path) -> Report:
    """Three at once, with other keys behind the proxy, which opens its own in another order."""
    texts = [f"a message that only number {n} says" for n in range(3)]
    front = [
        chat(Endpoint("10.0.0.9", 40000 + n), FRONT, f"front{n}", text, n * 100_000)
        for n, text in enumerate(texts)
    ]
    behind = [
        chat(Endpoint("10.0.0.80", 50000 + n), BEHIND, f"behind{n}", texts[2 - n], n * 100_000)
        for n in range(3)
    ]
    paths = tmp_path / "client.pcap", tmp_path / "backend.pcap"
    for path, wires in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(*wires))
    return compare([[str(paths[0])]], [[str(paths[1])]])


def test_each_finds_the_one_that_carries_the_same(told: Report) -> None:
    pairs = told.correlation.pairs
    assert [(p.client.id, [t.backend.id for t in p.attempts]) for p in pairs] == [
        (0, [2]),
        (1, [1]),
        (2, [0]),
    ]
    clues = {reason.clue for pair in pairs for reason in pair.reasons}
    assert Clue.CLIENT_MESSAGES in clues


@pytest.fixture
def converted(tmp_path: Path) -> Report:
    """The clients ask by extended CONNECT, on one connection of HTTP/2; the proxy asks by GET."""
    texts = [f"a message that only number {n} says" for n in range(3)]
    front = Http2Talk(isn=7000)
    for _ in texts:
        stream = front.client.get_next_available_stream_id()
        asked = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http")]
        front.client.send_headers(stream, [*asked, (":path", "/chat"), (":authority", "a")])
        front.said()
    behind = [
        chat(source, BEHIND, f"behind{n}", texts[2 - n], front.now + n * MS)
        for n, source in enumerate(Endpoint("10.0.0.80", 50000 + n) for n in range(3))
    ]
    front.wait(20)
    for n, text in enumerate(texts):
        front.server.send_headers(2 * n + 1, [(":status", "200")])
        front.said()
        for kind, end, said_ in (
            (ConnectionType.CLIENT, front.client, text),
            (ConnectionType.SERVER, front.server, text.upper()),
        ):
            data = said(kind, TextMessage(said_), CloseConnection(1000))
            end.send_data(2 * n + 1, data, end_stream=True)
            front.said()
    front.closes(from_client=True)
    paths = tmp_path / "client.pcap", tmp_path / "backend.pcap"
    for path, wires in zip(paths, ((front.wire,), behind), strict=True):
        path.write_bytes(pcap(*wires))
    return compare([[str(paths[0])]], [[str(paths[1])]])


def test_an_extended_connect_becomes_an_upgrade(converted: Report) -> None:
    """RFC 8441: another method, another status, the same WebSocket."""
    pairs = converted.correlation.pairs
    assert [(p.client.id, [t.backend.id for t in p.attempts]) for p in pairs] == [
        (0, [2]),
        (1, [1]),
        (2, [0]),
    ]
    assert all(p.confidence is not Confidence.LOW for p in pairs)
    assert converted.verdict.kind is Kind.L7_PROXY
    slugs = {f.slug for f in converted.findings}
    assert not slugs & {"host-and-target.method-changed", "responses.status"}
    assert "protocol-changes.upgrade" in slugs
    assert "protocol-changes.upgrade-one-side" not in slugs


def test_what_a_stream_carries_as_a_tunnel_is_no_body(converted: Report) -> None:
    for exchange in converted.clients[0].exchanges:
        assert exchange.request is not None
        assert exchange.response is not None
        for message in (exchange.request, exchange.response):
            assert message.body.framing is Framing.TUNNEL
            assert (message.body.length, message.marks) == (0, ())
            assert message.last_frame == message.head_frame
