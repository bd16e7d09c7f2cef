"""A client end that closes its own direction and waits for the answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.model.http import Mark
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.pipeline import show
from tests.findings.simulated import four, judge_alone, judge_recording, judge_simulation, values
from tests.simulator import Balancer
from tests.simulator.script import Script


def half_closed(reset: bool = False, answered: bool = True, later_ns: int = 0) -> Trace:
    """Four requests, each with the FIN of its client right behind it, or later."""
    trace = four(Balancer()).run().clients[0]
    exchanges = list(trace.exchanges)
    connections: list[Connection] = []
    for connection, exchange in zip(trace.connections, exchanges, strict=True):
        assert exchange.request is not None
        end = connection.from_client._replace(
            fin_frame=exchange.request.last_frame,
            fin_ns=exchange.request.last_ns + later_ns,
            rst_frame=connection.last_frame if reset else None,
            rst_ns=connection.last_ns if reset else None,
        )
        connections.append(connection._replace(from_client=end))
    if not answered:
        exchanges = [e._replace(response=None) for e in exchanges]
        connections = [
            c._replace(from_server=c.from_server._replace(bytes=0, last_payload_ns=None))
            for c in connections
        ]
    return replace(trace, connections=connections, exchanges=exchanges)


def test_a_client_that_waits_for_its_answer_is_half_closed() -> None:
    found = judge_alone(half_closed()).one("half-closed")
    assert (found.slug, found.severity) == ("half-closed.answered", "info")
    assert values(found)["count"] == 4
    assert "The {sender} half-closed {count} connections: " in found.statement


def test_without_an_answer_it_may_have_left() -> None:
    found = judge_alone(half_closed(answered=False)).one("half-closed")
    assert (found.slug, found.severity) == ("half-closed.unanswered", "low")


def test_a_client_that_closes_after_a_while_gave_up_waiting() -> None:
    waited = half_closed(answered=False, later_ns=5_000_000_000)
    assert judge_alone(waited).of("half-closed") == []


def test_what_was_answered_before_it_was_asked_has_no_answer_of_its_own() -> None:
    trace = half_closed(answered=False)
    first = trace.exchanges[0]
    early = four(Balancer()).run().clients[0].exchanges[0]._replace(id=1, request=None)
    exchanges = [first, early]
    assert judge_alone(replace(trace, exchanges=exchanges)).of("half-closed") == []


def test_an_early_answer_on_a_connection_that_lost_a_packet_may_be_the_one(
    tmp_path: Path,
) -> None:
    """A server refused a PROXY header; of that connection a packet is not in the capture: none, the
    SYN, the answer.
    """
    for lost in (None, 0, 5):
        play = Script()
        back = play.back()
        back.asks(b"PROXY TCP4 192.0.2.9 198.51.100.80 4001 80\r\n")
        back.answers(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
        back.asks(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").leaves()
        if lost is not None:
            del play.backend[lost]
        play.write(tmp_path)
        (alone,) = show([[str(tmp_path / "backend.pcap")]]).captures
        assert not [f.slug for f in alone.findings if f.slug.startswith("half-closed")]


def test_a_client_that_resets_has_left() -> None:
    assert judge_alone(half_closed(reset=True)).of("half-closed") == []


@pytest.mark.parametrize("capture", ["clients", "backends"])
def test_a_client_that_closes_after_its_answer_is_none(capture: str) -> None:
    (trace,) = getattr(four(Balancer(keep_alive=False)).run(), capture)
    assert judge_alone(trace).of("half-closed") == []


def test_two_captures_name_the_side() -> None:
    spoken = judge_simulation(four(Balancer()))
    spoken.recorded.clients[0] = half_closed()
    found = judge_recording(spoken.recorded, spoken.correlation).one("half-closed")
    assert found.slug == "half-closed.answered-client"
    assert values(found)["sender"] == "client"


def test_an_answer_that_the_capture_lost_may_have_come() -> None:
    trace = half_closed(answered=False)
    assert judge_alone(trace).of("half-closed")
    lost = [e._replace(marks=(Mark.LOST,)) for e in trace.exchanges]
    assert judge_alone(replace(trace, exchanges=lost)).of("half-closed") == []


ASK = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_fin_that_answers_a_fin_half_closes_nothing(first: str, tmp_path: Path) -> None:
    """Who closed first is what the packets show, however little time lies between."""
    play = Script()
    front = play.front().asks(ASK)
    if first == "server":
        front.closes()
    else:
        front.gives_up().closes()
    play.write(tmp_path)
    found = show([[str(tmp_path / "client.pcap")]]).findings
    said = [f.slug for f in found if f.slug.startswith("half-closed")]
    assert said == (["half-closed.unanswered"] if first == "client" else [])


def test_a_fin_that_acknowledges_the_fin_it_overtook_half_closes_nothing() -> None:
    trace = half_closed(answered=False)
    connections = [
        c._replace(from_client=c.from_client._replace(answers_fin=True)) for c in trace.connections
    ]
    assert judge_alone(replace(trace, connections=connections)).of("half-closed") == []


def test_at_once_is_counted_from_the_end_of_the_request() -> None:
    """An upload takes its time: who closes right behind it did not give up waiting."""
    trace = half_closed(answered=False)
    slow = [
        e._replace(request=e.request._replace(first_ns=e.request.first_ns - 60_000_000_000))
        for e in trace.exchanges
        if e.request is not None
    ]
    found = judge_alone(replace(trace, exchanges=slow)).one("half-closed")
    assert (found.slug, values(found)["count"]) == ("half-closed.unanswered", 4)


def test_a_server_whose_fin_is_not_in_the_capture_may_have_closed_first(tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    before = len(front.packets)
    front.closes()
    del front.packets[before]
    play.write(tmp_path)
    told = {f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings}
    assert not any(slug.startswith(("half-closed", "gave-up")) for slug in told)


@pytest.mark.parametrize("ends", [False, True])
def test_who_had_not_answered_when_the_capture_ended_may_have_done_so_later(
    ends: bool, tmp_path: Path
) -> None:
    play = Script()
    front = play.front().asks(ASK)
    front.gives_up()
    if ends:
        front.closes()
    play.front().asks(ASK, 2000)  # the capture goes on
    play.write(tmp_path)
    found = show([[str(tmp_path / "client.pcap")]]).findings
    assert any(f.slug == "half-closed.unanswered" for f in found) == ends
