"""A lost SYN delays a request by a second; what the captures show of it depends on where it was
lost.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.stream import Connection
from tests.findings.simulated import Judged, judge_recording, judge_simulation, values
from tests.simulator import Balancer, Simulation
from tests.simulator.wire import Clockwork

SECOND = 1_000_000_000
XFF = ("X-Forwarded-For", "{client}")


def asked(balancer: Balancer, requests: int = 12, **settings: object) -> Judged:
    """A client that asks every two seconds, on a connection of its own each time."""
    simulation = Simulation(seed=11, balancer=balancer, **settings)  # type: ignore[arg-type]
    client = simulation.client("192.168.0.5")
    for n in range(requests):
        client.asks("GET", f"/item/{n}", at_ms=2000 * n + 7 * n, answer=b"item %d" % n)
    return judge_simulation(simulation)


def test_a_syn_lost_before_the_backend_capture_shows_as_a_second() -> None:
    said = asked(Balancer(add=[XFF], keep_alive=False, syn_lost=0.4)).one("lost-syn")
    told = values(said)
    assert said.slug == "lost-syn.before-backend-capture"
    assert said.confidence is Confidence.MEDIUM
    assert 0 < int(told["count"]) < int(told["of"]) == 12
    assert SECOND <= int(told["shortest"]) <= int(told["longest"]) < SECOND + 60_000_000
    assert int(told["others"]) < SECOND // 100


def test_clocks_far_apart_do_not_matter() -> None:
    balancer = Balancer(add=[XFF], keep_alive=False, syn_lost=0.4)
    assert asked(balancer, backend_clock=Clockwork(-3600 * SECOND)).of("lost-syn")


@pytest.mark.parametrize(
    "balancer",
    [
        Balancer(add=[XFF], keep_alive=False),
        Balancer(add=[XFF], keep_alive=False, forward_us=(300_000, 1_900_000)),  # slow anyway
        Balancer(kind="l4-proxy"),
    ],
)
def test_what_is_no_lost_syn(balancer: Balancer) -> None:
    assert not asked(balancer).of("lost-syn")


def slow_to_open(side: Side, waited_ns: int, opened: bool = True, again: int = 1) -> Judged:
    """The first connection of a side opens so long after its first SYN, which was sent again."""
    spoken = asked(Balancer(add=[XFF], keep_alive=False), requests=4)
    traces = spoken.recorded.clients if side is Side.CLIENT else spoken.recorded.backends
    connections: list[Connection] = list(traces[0].connections)
    assert connections[0].established_ns is not None
    connections[0] = connections[0]._replace(
        syn_ns=connections[0].established_ns - waited_ns, syn_retransmissions=again, opened=opened
    )
    traces[0] = replace(traces[0], connections=connections)
    return judge_recording(spoken.recorded, spoken.correlation)


@pytest.mark.parametrize("side", Side)
def test_a_syn_that_the_capture_shows_twice(side: Side) -> None:
    told = slow_to_open(side, 3 * SECOND)
    (said,) = told.of(f"lost-syn.{side.value}")
    assert (values(said)["count"], values(said)["of"], values(said)["delayed"]) == (1, 4, 1)
    assert values(said)["longest"] == 3 * SECOND
    assert said.evidence[0].frames[0].side is side


def test_a_syn_that_was_never_answered_opened_nothing() -> None:
    assert not slow_to_open(Side.CLIENT, 3 * SECOND, opened=False).of("lost-syn.client")


def test_a_syn_captured_twice_at_once_was_not_late() -> None:
    assert not slow_to_open(Side.CLIENT, SECOND // 10).of("lost-syn.client")
    assert not slow_to_open(Side.CLIENT, 3 * SECOND, again=0).of("lost-syn.client")
