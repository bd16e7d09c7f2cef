"""A part of a trace keeps what is told of its connections and exchanges, under new numbers."""

from __future__ import annotations

from pathlib import Path

from lbtrace.match.legs import part_of
from lbtrace.model.net import Side
from lbtrace.pipeline import inspect
from tests.findings.http2_talks import Http2Talk
from tests.findings.protocols.test_web_sockets import chat
from tests.tcp.wire import pcap

GRPC = ("content-type", "application/grpc")


def test_what_is_told_of_connections_moves_with_them(tmp_path: Path) -> None:
    talk = Http2Talk(at=5000)
    talk.client.increment_flow_control_window(1 << 20)
    talk.asks("/call", b"\0\0\0\0\0", GRPC)
    talk.server.send_headers(1, [(":status", "200"), GRPC])
    for size in (16384, 16384, 16384, 16383):
        talk.server.send_data(1, bytes(size))
        talk.said()
    talk.wait(100)
    talk.client.increment_flow_control_window(65535, 1)
    talk.said()
    talk.server.send_data(1, b"end", end_stream=True)
    talk.said()
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap(chat(0, 1000), talk.wire, chat(9, 1001)))
    whole = inspect([str(path)])
    assert [c.connection for c in whole.stalls] == [1]
    part = part_of(whole, {1, 2}, Side.CLIENT)
    assert len(part.connections) == 2
    assert {f.connection for f in part.control} == {0}
    assert [s.connection for s in part.stalls] == [0]
    assert [w.connection for w in part.web_sockets] == [1]
    (call,) = part.calls
    asked = part.exchanges[call.exchange].request
    assert asked is not None
    assert asked.target == "/call"
    alone = part_of(whole, {0}, Side.CLIENT)
    assert (list(alone.control), list(alone.stalls), list(alone.calls)) == ([], [], [])


def test_event_streams_go_with_their_exchanges(tmp_path: Path) -> None:
    quick, events = Http2Talk(port=40001), Http2Talk(port=40002, at=50)
    quick.asks("/a")
    quick.answers(1, b"ok")
    events.asks("/events")
    events.answers(1, b"data: a\n\n", ("content-type", "text/event-stream"))
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap(quick.wire, events.wire))
    whole = inspect([str(path)])
    assert [(e.exchange, e.events) for e in whole.event_streams] == [(1, 1)]
    assert [e.exchange for e in part_of(whole, {1}, Side.CLIENT).event_streams] == [0]
    assert list(part_of(whole, {0}, Side.CLIENT).event_streams) == []
