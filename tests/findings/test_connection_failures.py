"""Attempts to connect that came to nothing, and those of which too little was captured to say
so.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.findings._backend_events import NO_EVENT, SLUGS, handshake_failures
from lbtrace.model.stream import Connection
from lbtrace.tables.connections import ConnectionTable
from tests.findings.simulated import FOUR, four, judge_recording, judge_simulation, values
from tests.simulator import Balancer
from tests.simulator.script import BACKEND, CLIENT, Script

SECOND = 1_000_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def attempt(sent: int = 1, again: int = 0, given_back: int = 0, resets: int = 0) -> Connection:
    """A connection without SYN-ACK: how many segments each end sent, how many of the client's are
    its SYN again, and RSTs of the server.
    """
    whole = judge_simulation(four(Balancer())).recorded.backends[0].connections[0]
    front = whole.from_client._replace(packets=sent, bytes=0, rsts=0, fins=0)
    back = whole.from_server._replace(packets=given_back, bytes=0, rsts=resets, fins=0)
    return whole._replace(
        syn_retransmissions=again, synacks=0, opened=False, from_client=front, from_server=back
    )


def failure(connection: Connection, later_ns: int) -> str:
    """What became of an attempt, by a capture that ends so much later; "" when nothing can be
    said.
    """
    (event,) = handshake_failures(
        ConnectionTable.of([connection]), connection.first_ns + later_ns
    ).tolist()
    return "" if event == NO_EVENT else SLUGS[event]


@pytest.mark.parametrize(
    ("connection", "what"),
    [
        (attempt(), "no-answer"),
        (attempt(sent=1, given_back=1, resets=1), "refused"),
        (attempt(sent=3, again=2), "no-answer"),
        (attempt(sent=5), ""),  # the client went on: it had its SYN-ACK, the capture had not
        (attempt(sent=5, given_back=1, resets=1), ""),
        (attempt(sent=1, given_back=4, resets=1), ""),  # the server sent more than a refusal
    ],
)
def test_what_became_of_an_attempt(connection: Connection, what: str) -> None:
    assert failure(connection, 2 * SECOND) == what


def test_a_capture_that_ends_with_the_syn_does_not_tell() -> None:
    assert failure(attempt(), 1) == ""
    assert failure(attempt(sent=2, again=1), 1) == "no-answer"


def test_refused_connections_are_counted() -> None:
    spoken = judge_simulation(four(Balancer(keep_alive=False)))
    back = spoken.recorded.backends[0]
    refused = attempt(given_back=1, resets=1)._replace(id=0)
    spoken.recorded.backends[0] = replace(back, connections=[refused, *back.connections[1:]])
    said = judge_recording(spoken.recorded, spoken.correlation).one("connection-failures")
    assert said.slug == "connection-failures.refused-backend"
    assert (values(said)["count"], values(said)["checks"]) == (1, 0)
    assert len(back.connections) == len(FOUR)


def test_a_syn_that_a_switch_sent_to_all_was_answered_where_it_belongs() -> None:
    spoken = judge_simulation(four(Balancer(keep_alive=False)))
    (back,) = spoken.recorded.backends
    first = back.connections[0]
    stray = first._replace(
        id=0,
        synacks=0,
        opened=False,
        from_client=first.from_client._replace(packets=1, bytes=0, rsts=0, fins=0),
        from_server=first.from_server._replace(packets=0, bytes=0, rsts=0, fins=0),
    )
    other = replace(
        back,
        point=1,
        connections=[stray],
        applications=back.applications[:1],
        exchanges=[],
    )
    spoken.recorded.backends.append(other)
    assert judge_recording(spoken.recorded, spoken.correlation).of("connection-failures") == []


@pytest.mark.parametrize(
    ("source", "behind", "hairpin"),
    [
        (BACKEND, True, True),
        (CLIENT, True, False),  # another host, seen there
        (CLIENT, False, False),
    ],
)
def test_a_backend_that_asks_its_own_balancer(
    source: str, behind: bool, hairpin: bool, tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front = play.front().asks(ask)
        play.back().asks(ask).answers(OK).closes()
        front.answers(OK).leaves()
    play.attempts(4, behind, source)
    report = play.report(tmp_path)
    (said,) = (f for f in report.findings if f.slug.startswith("connection-failures.no-answer"))
    assert ("hairpin" in said.statement) == hairpin
    assert values(said).get("hairpins") == (1 if hairpin else None)
    assert ("SNAT" in said.remedy) == hairpin
