"""Which side is which: shown by durations, nesting, fields or a host between; turned only when
nothing speaks against it.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.explain.swapped import _fields, _host
from lbtrace.match import match
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import Kind
from lbtrace.model.stream import RoleSource
from lbtrace.options import DEFAULT
from lbtrace.pipeline import compare
from tests.laws import examples
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.script import Packet, Script

HOUR_NS = 3600 * 1_000_000_000
KNOWN = {2354, 4394, 4778}  # of 0 … 5000 those that are still taken to be in order


def backwards(recorded: Recording) -> Correlation:
    front = [dataclasses.replace(t, side=Side.CLIENT) for t in recorded.backends]
    return correlate(
        front,
        [dataclasses.replace(t, side=Side.BACKEND) for t in recorded.clients],
        DEFAULT,
    )


@given(st.integers(0, 5000))
@examples(40)
def test_captures_in_order_are_never_turned(seed: int) -> None:
    recorded = random_simulation(seed, most=60).run()
    assert not correlate(recorded.clients, recorded.backends, DEFAULT).swapped


@given(st.integers(0, 5000))
@examples(40)
def test_swapped_captures_are_seen_or_the_order_is_unknown(seed: int) -> None:
    """But for what looks the same the other way round: answers that the balancer gives, and those
    of a mirror, which may take longer than the client waited. One pair alone proves nothing.
    """
    assume(seed not in KNOWN)
    simulation = random_simulation(seed, most=60)
    simulation.balancer.cache = simulation.balancer.give_up = 0
    simulation.balancer.mirror = ""
    found = backwards(simulation.run())
    assume(len(found.pairs) > 1)
    assert found.swapped or not found.order_shown


@pytest.mark.parametrize(
    "name", ["crowd-8", "tcp-proxy", "proxy-protocol", "proxy-protocol-2", "retry-reset"]
)
def test_swapped_without_certain_pairs(name: str) -> None:
    assert backwards(SCENARIOS[name]().run()).swapped


def test_a_host_that_is_server_here_and_client_there_stands_between() -> None:
    """Ten identical requests with no field added; the balancer speaks from the address it listens
    on.
    """
    simulation = Simulation(seed=2, balancer=Balancer(front=Endpoint("172.31.42.119", 80)))
    for i in range(10):
        (simulation.clients or [simulation.client("192.168.0.5")])[0].asks(
            "GET", "/", at_ms=1000 * i + (i * 37) % 23
        )
    recorded = simulation.run()
    assert backwards(recorded).swapped
    assert not correlate(recorded.clients, recorded.backends, DEFAULT).swapped


def test_ten_that_look_alike_show_no_order() -> None:
    assert not backwards(SCENARIOS["identical-curls"]().run()).order_shown


def test_fields_of_requests_that_only_one_side_shows_tell_nothing() -> None:
    """Behind the balancer only the answers were captured: what it added to the requests is not in
    the capture.
    """
    recorded = SCENARIOS["founding-alb"]().run()
    client, backend = match(recorded.clients, recorded.backends, DEFAULT).pairs, recorded.backends
    assert _fields(client) == 1
    answers = [
        dataclasses.replace(t, exchanges=[e._replace(request=None) for e in t.exchanges])
        for t in backend
    ]
    assert _fields(match(recorded.clients, answers, DEFAULT).pairs) == 0
    assert _fields(match(answers, recorded.clients, DEFAULT).pairs) == 0


def test_strangers_show_no_order() -> None:
    one, other = Simulation(seed=6), Simulation(seed=7)
    for simulation, target in ((one, "/"), (other, "/else")):
        simulation.client("192.168.0.5").asks("GET", target)
    found = correlate(one.run().clients, other.run().backends, DEFAULT)
    assert not found.swapped
    assert not found.order_shown


ASKED = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LATE = b"HTTP/1.1 504 Gateway Timeout\r\nServer: edge\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("requests", [1, 5])
def test_a_balancer_that_waits_no_longer_does_not_turn_the_captures(
    tmp_path: Path, requests: int
) -> None:
    """Each client gets 504, and each backend answers half a second later."""
    play = Script()
    for n in range(requests):
        asked = ASKED % (n, n)
        front, back = play.front().asks(asked), play.back().asks(asked)
        front.answers(LATE, pause_ms=1000).leaves()
        back.answers(ANSWER, pause_ms=500).closes()
    report = play.report(tmp_path)
    assert not report.correlation.swapped
    assert [a.outcome.value for p in report.correlation.pairs for a in p.attempts] == (
        ["timeout"] * requests
    )


@pytest.mark.parametrize("requests", [1, 2])
def test_who_waits_longer_shows_the_order(tmp_path: Path, requests: int) -> None:
    """Too few for a clock, no field added, no host on both sides: only the times tell."""
    play = Script()
    for n in range(requests):
        asked = ASKED % (n, n)
        front, back = play.front().asks(asked), play.back().asks(asked)
        back.answers(ANSWER, pause_ms=10).closes()
        front.answers(ANSWER, pause_ms=10).leaves()
    report = play.report(tmp_path)
    assert (report.correlation.swapped, report.correlation.order_shown) == (False, True)
    turned = compare([[str(tmp_path / "backend.pcap")]], [[str(tmp_path / "client.pcap")]])
    assert (turned.correlation.swapped, turned.correlation.order_shown) == (True, True)


def test_a_proxy_header_is_what_balancers_add() -> None:
    """It stands before the requests of the side behind."""
    recorded = SCENARIOS["proxy-protocol"]().run()
    assert _fields(match(recorded.clients, recorded.backends, DEFAULT).pairs) == 1
    front, back = (
        [dataclasses.replace(t, side=side) for t in traces]
        for traces, side in ((recorded.backends, Side.CLIENT), (recorded.clients, Side.BACKEND))
    )
    assert _fields(match(front, back, DEFAULT).pairs) == -1
    plain = SCENARIOS["tcp-proxy"]().run()
    assert _fields(match(plain.clients, plain.backends, DEFAULT).pairs) == 0


def spoken(folder: Path, count: int) -> None:
    """`count` conversations of no HTTP, all alike, copied by a proxy of bytes."""
    play = Script()
    for _ in range(count):
        front, back = play.front(), play.back()
        for said, answer in ((b"HELO mail.example of some length\r\n", b"250 ok\r\n"),) * 2:
            front.asks(said)
            back.asks(said, pause_ms=3).answers(answer)
            front.answers(answer, pause_ms=3)
        back.closes()
        front.leaves()
        play.wait(30)
    play.report(folder)


@pytest.mark.parametrize("count", [1, 3])
def test_of_other_protocols_the_longer_connections_are_in_front(tmp_path: Path, count: int) -> None:
    spoken(tmp_path, count)
    one, other = [[str(tmp_path / "client.pcap")]], [[str(tmp_path / "backend.pcap")]]
    for sides, swapped in (((one, other), False), ((other, one), True)):
        report = compare(*sides)
        assert (report.correlation.swapped, report.correlation.order_shown) == (swapped, True)
        assert report.verdict.kind is Kind.L4_PROXY
        assert len(report.correlation.connection_pairs) == count


def queued(packets: list[Packet], late_ns: int) -> list[Packet]:
    """What clients sent was stamped late. The addresses of clients end in 1, or 10."""
    late = (p.data[15] in (1, 10) for p in packets)
    moved = [Packet(p.time_ns + late_ns * of, p.data) for p, of in zip(packets, late, strict=True)]
    return sorted(moved, key=lambda p: p.time_ns)


def set_back(packets: list[Packet]) -> list[Packet]:
    """The clock was set back by an hour at the first answer."""
    answers = (n for n, p in enumerate(packets) if b"HTTP/1.1 200" in p.data)
    first = next(answers, len(packets))
    return [Packet(p.time_ns - HOUR_NS * (n >= first), p.data) for n, p in enumerate(packets)]


@pytest.mark.parametrize("damaged", [set_back, lambda packets: queued(packets, 12_000_000)])
def test_times_that_were_damaged_do_not_turn_the_captures(
    damaged: Callable[[list[Packet]], list[Packet]], tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        asked = ASKED % (n, n)
        front, back = play.front().asks(asked), play.back().asks(asked)
        back.answers(ANSWER, pause_ms=10).closes()
        front.answers(ANSWER, pause_ms=10).leaves()
    play.client = damaged(play.client)
    assert not play.report(tmp_path).correlation.swapped


def test_a_host_whose_role_is_a_guess_shows_no_order() -> None:
    """The beginnings of its connections are not in the capture."""
    simulation = Simulation(seed=2, balancer=Balancer(front=Endpoint("172.31.42.119", 80)))
    client = simulation.client("192.168.0.5")
    for i in range(10):
        client.asks("GET", "/", at_ms=1000 * i + (i * 37) % 23)
    recorded = simulation.run()
    state = match(recorded.clients, recorded.backends, DEFAULT).pairs
    assert _host(state) == 1
    guessed = [
        dataclasses.replace(
            t,
            connections=[c._replace(role_source=RoleSource.PORT) for c in t.connections],
        )
        for t in recorded.backends
    ]
    assert _host(match(recorded.clients, guessed, DEFAULT).pairs) == 0
