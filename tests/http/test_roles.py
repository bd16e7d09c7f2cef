"""Who is the client, where no SYN says so: through the whole road from the bytes of a pcap file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace import pipeline
from lbtrace.model.stream import Connection, RoleSource
from lbtrace.model.trace import Trace
from tests.http.h2.wire import PREFACE, PUSH, End, frame, settings_frame
from tests.http.packets import Wire
from tests.http.streams import get, ok

LOWER, HIGHER = (33000, 50000), (50000, 33000)


def read(wire: Wire, folder: Path) -> Trace:
    path = folder / "roles.pcap"
    path.write_bytes(wire.pcap())
    return pipeline.inspect([str(path)])


def story(trace: Trace) -> list[tuple[str | None, int | None]]:
    return [
        (e.request.target if e.request else None, e.response.status if e.response else None)
        for e in trace.exchanges
    ]


def http_2(ports: tuple[int, int], opened: bool = False) -> Wire:
    client, server = End(), End()
    client.ask(1, "/before", 1, ("x-id", "1")), server.answer(1)
    wire = Wire(ports=ports)
    if opened:
        wire.open()
    for stream in (7, 9):
        wire.say(0, client.ask(stream, "/svc/Call"), f"q{stream}")
        wire.say(1, server.answer(stream, b"reply"), f"a{stream}").acknowledge(0)
    return wire


def the_connection(trace: Trace) -> Connection:
    (found,) = trace.connections
    return found


@pytest.mark.parametrize("ports", [LOWER, HIGHER])
def test_the_end_that_sends_method_is_the_client_whatever_its_port(
    ports: tuple[int, int], tmp_path: Path
) -> None:
    trace = read(http_2(ports), tmp_path)
    connection = the_connection(trace)
    assert (connection.client.port, connection.server.port) == ports
    assert story(trace) == [("/svc/Call", 200)] * 2
    assert not trace.applications[0].reversed
    assert "roles-reversed" not in {d.slug for d in trace.diagnostics}
    assert connection.from_client.packets == 4
    assert connection.from_server.packets == 2
    wrong_guess = ports == LOWER
    assert connection.role_source is (RoleSource.PAYLOAD if wrong_guess else RoleSource.PORT)


def test_where_no_header_block_can_be_read_the_end_that_begins_streams_is_the_client(
    tmp_path: Path,
) -> None:
    """Every field refers to what was sent before the capture began."""
    wire = Wire(ports=LOWER)
    for stream in (7, 9, 11):
        wire.say(0, frame(1, 5, stream, b"\xc0\xbf\xbe"), f"q{stream}")
        wire.say(1, frame(1, 5, stream, b"\xc1\xbe"), f"a{stream}")
    trace = read(wire, tmp_path)
    assert the_connection(trace).client.port == LOWER[0]
    assert len(trace.exchanges) == 3
    for e in trace.exchanges:
        assert e.request is not None
        assert e.response is not None
        assert e.request.first_frame < e.response.first_frame


def test_a_promised_request_does_not_make_a_client_of_the_server(tmp_path: Path) -> None:
    client, server = End(), End()
    wire = Wire(ports=LOWER).say(0, client.ask(1, "/a"), "q")
    promises = [
        frame(
            PUSH,
            4,
            1,
            bytes([0, 0, 0, stream]) + server.block((":method", "GET"), (":path", f"/{stream}")),
        )
        for stream in (2, 4, 6)
    ]
    pushed = b"".join(server.answer(stream, b"p") for stream in (2, 4, 6))
    trace = read(wire.say(1, b"".join(promises) + server.answer(1, b"a") + pushed, "a"), tmp_path)
    assert the_connection(trace).client.port == LOWER[0]
    assert story(trace) == [("/a", 200), ("/2", 200), ("/4", 200), ("/6", 200)]


def test_http_1_knows_better_than_ports_too(tmp_path: Path) -> None:
    """Both ends are in the middle of a body when the capture begins."""
    wire = Wire(ports=LOWER)
    for k in range(6):
        wire.say(0, b"\x01the rest of an upload", f"u{k}")
        wire.say(1, b"\x02the rest of a download", f"d{k}")
    wire.say(0, get("/a"), "q").say(1, ok(b"x"), "a")
    trace = read(wire, tmp_path)
    assert the_connection(trace).client.port == LOWER[0]
    assert story(trace)[-1] == ("/a", 200)
    assert not trace.applications[0].reversed


def test_who_connected_is_no_guess(tmp_path: Path) -> None:
    """The end that opened the connection answers: its roles are said to be reversed."""
    client, server = End(), End()
    wire = Wire(ports=HIGHER).open()
    wire.say(1, PREFACE + settings_frame() + client.ask(1, "/a"), "q")
    wire.say(0, settings_frame() + server.answer(1, b"x"), "a")
    trace = read(wire, tmp_path)
    connection = the_connection(trace)
    assert (connection.client.port, connection.role_source) == (HIGHER[0], RoleSource.SYN)
    assert story(trace) == [("/a", 200)]
    assert trace.applications[0].reversed
    assert "roles-reversed" in {d.slug for d in trace.diagnostics}


def test_only_guesses_that_were_wrong_are_turned(tmp_path: Path) -> None:
    """Of two connections one is known by its SYN, the other is not."""
    opened = Wire(ports=(41000, 33001)).open().say(0, get("/a"), "q").say(1, ok(b"x"), "a")
    both = http_2(LOWER)
    path = tmp_path / "two.pcap"
    path.write_bytes(opened.pcap() + both.pcap()[24:])
    trace = pipeline.inspect([str(path)])
    assert [c.client.port for c in trace.connections] == [41000, 33000]
    assert [c.role_source for c in trace.connections] == [RoleSource.SYN, RoleSource.PAYLOAD]
    assert [e.connection for e in trace.exchanges] == [0, 1, 1]
