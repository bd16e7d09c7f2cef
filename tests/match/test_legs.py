"""Connections that a captured server opened itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.correlate import apart, correlate
from lbtrace.match.legs import _begin, _end, _Legs
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.roles import FRONT

HOST = FRONT.address
BEHIND = "10.0.9.11"


def recorded(balancer: Balancer, seed: int = 3) -> Recording:
    simulation = Simulation(seed=seed, balancer=balancer)
    client = simulation.client("198.51.100.7")
    for i in range(12):
        client.asks("GET", f"/item/{i % 3}", at_ms=50 * i, connection=f"k{i % 4}")
    return simulation.run()


def merged(one: Trace, other: Trace, side: Side) -> Trace:
    """Both traces as one capture."""
    shift = len(one.connections)
    connections = [*one.connections]
    connections += [c._replace(id=c.id + shift) for c in other.connections]
    exchanges = [*one.exchanges]
    for e in other.exchanges:
        exchanges.append(e._replace(id=len(exchanges), connection=e.connection + shift))
    return replace(
        one,
        side=side,
        connections=connections,
        applications=[*one.applications, *other.applications],
        exchanges=exchanges,
        last_ns=max(one.last_ns, other.last_ns),
    )


def test_a_client_capture_of_the_balancer_shows_its_clients_only() -> None:
    """The balancer's own connections to its backends are in it too, the same packets as behind."""
    shown = recorded(Balancer(backs=(HOST,), add=[("X-Forwarded-For", "{client}")]))
    front = merged(shown.clients[0], replace(shown.backends[0], side=Side.CLIENT), Side.CLIENT)
    fronts, backs = apart([front], shown.backends)
    assert len(fronts[0].exchanges) == len(shown.clients[0].exchanges)
    assert [d.slug for d in fronts[0].diagnostics][-1:] == ["inner-leg"]
    assert backs == tuple(shown.backends)
    found = correlate(fronts, backs, DEFAULT)
    assert all(p.basis is not ConnectionBasis.SAME_PACKETS for p in found.connection_pairs)
    assert sum(p.confidence is not Confidence.LOW for p in found.pairs) == 12


@pytest.mark.parametrize("kind", ["l7", "l4-proxy", "dnat", "snat"])
def test_one_of_two_captures_may_hold_both_sides(kind: str) -> None:
    """It was taken on the balancer: what the other capture holds, too, is left out."""
    shown = recorded(Balancer(kind=kind, backs=(BEHIND,)))
    front, back = shown.clients[0], shown.backends[0]
    asked = [e.request for e in front.exchanges]
    behind = [e.request for e in back.exchanges]
    both = merged(front, back, Side.BACKEND)
    fronts, backs = apart([front], [both])
    assert [e.request for e in fronts[0].exchanges] == asked
    assert [e.request for e in backs[0].exchanges] == behind
    assert [d.slug for d in backs[0].diagnostics] == ["front-leg"]
    fronts, backs = apart([replace(both, side=Side.CLIENT)], [back])
    assert [e.request for e in fronts[0].exchanges] == asked
    assert [e.request for e in backs[0].exchanges] == behind
    assert [d.slug for d in fronts[0].diagnostics] == ["inner-leg"]


def test_a_client_that_asks_a_backend_directly_too_is_no_balancer() -> None:
    """It asks both at the same time; its own connections to the backend are other connections, with
    their own sequence numbers.
    """
    shown = recorded(Balancer(backs=(BEHIND,)))
    front, back = shown.clients[0], shown.backends[0]
    address = front.connections[0].client.address
    direct = [c._replace(client=c.client._replace(address=address)) for c in back.connections]
    both = merged(front, replace(back, connections=direct), Side.CLIENT)
    behind = replace(back, connections=direct)
    assert apart([both], [behind]) == ((both,), (behind,))
    assert apart([front], [replace(both, side=Side.BACKEND)])[1][0].diagnostics == both.diagnostics


def test_other_requests_beside_those_of_the_client_are_no_other_leg() -> None:
    shown, other = recorded(Balancer(backs=(BEHIND,))), recorded(Balancer(backs=(BEHIND,)), seed=4)
    front, back = shown.clients[0], other.backends[0]
    requests = [e.request for e in back.exchanges]
    later = [
        e._replace(request=q._replace(target="/other")) if q is not None else e
        for e, q in zip(back.exchanges, requests, strict=True)
    ]
    both = merged(front, replace(back, exchanges=later), Side.BACKEND)
    assert apart([front], [both]) == ((front,), (both,))


def test_a_backend_that_asks_another_service_makes_no_attempts() -> None:
    """Its requests lie inside those it was asked, and go to another server."""
    shown = recorded(Balancer())
    back = shown.backends[0]
    server = back.connections[0].server
    onward = [
        c._replace(
            client=c.client._replace(address=server.address),
            server=c.server._replace(address="10.9.9.9"),
        )
        for c in back.connections
    ]
    inner = []
    for e in back.exchanges:
        assert e.request is not None
        assert e.response is not None
        request = e.request._replace(first_ns=e.request.first_ns + 1000)
        response = e.response._replace(last_ns=e.response.last_ns - 1000)
        inner.append(e._replace(request=request, response=response))
    both = merged(back, replace(back, connections=onward, exchanges=inner), Side.BACKEND)
    fronts, backs = apart(shown.clients, [both])
    assert fronts == tuple(shown.clients)
    assert len(backs[0].exchanges) == len(back.exchanges)
    assert [d.slug for d in backs[0].diagnostics][-1:] == ["onward-calls"]
    found = correlate(fronts, backs, DEFAULT)
    assert all(len(p.attempts) == 1 for p in found.pairs)


def test_a_service_that_calls_through_the_balancer_is_a_client() -> None:
    """It is asked something, and while it answers it asks something else: its own requests are what
    is to be traced.
    """
    shown = recorded(Balancer())
    front = shown.clients[0]
    user = front.connections[0]._replace(
        client=user_of(front), server=front.connections[0].server._replace(address="198.51.100.7")
    )
    asked = front.exchanges[0]
    assert asked.request is not None
    assert asked.response is not None
    last = max(e.response.last_ns for e in front.exchanges if e.response is not None)
    whole = asked._replace(
        request=asked.request._replace(target="/page", first_ns=front.first_ns - 1),
        response=asked.response._replace(last_ns=last + 1),
    )
    service = replace(front, connections=[user], applications=[front.applications[0]])
    both = merged(front, replace(service, exchanges=[whole._replace(connection=0)]), Side.CLIENT)
    fronts, _ = apart([both], shown.backends)
    assert fronts == (both,)


def user_of(trace: Trace) -> Endpoint:
    return trace.connections[0].client._replace(address="203.0.113.99")


def test_captures_without_a_host_that_is_both_are_left_alone() -> None:
    shown = recorded(Balancer())
    assert apart(shown.clients, shown.backends) == (tuple(shown.clients), tuple(shown.backends))


def test_a_request_inside_a_streamed_answer_is_onward_too() -> None:
    """A server begins to answer, asks another service, and ends with what that says."""
    asked = _Legs([], [], set(), set())
    simulation = recorded(Balancer())
    (e, *_) = simulation.clients[0].exchanges
    assert e.request is not None
    assert e.response is not None
    begin = e.request.first_ns
    answer = e.response
    for first, last, inside in ((10, 90, True), (10, 40, False), (60, 90, True)):
        asked.outer = [
            e._replace(response=answer._replace(first_ns=begin + first, last_ns=begin + last))
        ]
        inner = answer._replace(first_ns=begin + 50, last_ns=begin + 50)
        asked.inner = [e._replace(response=inner)]
        for alike in (False, True):
            assert asked.nested(alike) == inside


def test_an_exchange_without_its_request_begins_with_its_answer() -> None:
    (e, *_) = recorded(Balancer()).clients[0].exchanges
    assert e.request is not None
    assert e.response is not None
    assert _begin(e) == e.request.first_ns
    assert _begin(e._replace(request=None)) == e.response.first_ns
    assert _end(e) == e.response.last_ns
    assert _end(e._replace(response=None)) == e.request.last_ns
