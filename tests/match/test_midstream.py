"""Connections whose start was not captured, by the sequence numbers of their messages."""

from __future__ import annotations

import pytest

from lbtrace.match import midstream
from lbtrace.match.exchange_times import read
from lbtrace.match.midstream import numbers
from lbtrace.model.net import Side
from lbtrace.model.pairing import ConnectionPair, Ref
from lbtrace.model.trace import Trace
from lbtrace.tables.sides import both_sides
from tests.simulator import Balancer, Recording, Simulation


def late(kind: str, window: tuple[int, int] | None = (150, 10_000)) -> Recording:
    """The backend capture began when the connections were open."""
    simulation = Simulation(seed=7, balancer=Balancer(kind=kind), backend_window=window)
    for k in range(4):
        client = simulation.client(f"192.168.0.{5 + k}")
        for i in range(8):
            client.asks("GET", "/", at_ms=50 * i + k, connection="kept")
    return simulation.run()


def pairs(recorded: Recording, taken: set[Ref], used: set[Ref]) -> list[ConnectionPair]:
    front, back = both_sides(recorded.clients, recorded.backends)
    return midstream.pairs(read(Side.CLIENT, front), read(Side.BACKEND, back), taken, used)


@pytest.mark.parametrize("kind", ["dnat", "snat", "dsr"])
def test_messages_at_the_same_numbers_show_packets_that_were_passed_on(kind: str) -> None:
    recorded = late(kind)
    found = pairs(recorded, set(), set())
    assert len(found) == 4
    for p in found:
        assert p.backend in recorded.carried[p.client]


def test_a_proxy_has_numbers_of_its_own() -> None:
    recorded = late("l4-proxy")
    assert pairs(recorded, set(), set()) == []


def test_where_every_start_was_captured_they_are_not_asked() -> None:
    recorded = late("dnat", window=None)
    assert pairs(recorded, set(), set()) == []


def test_connections_that_are_taken_stay_taken() -> None:
    recorded = late("dnat")
    first, *rest = pairs(recorded, set(), set())
    assert pairs(recorded, {first.client}, set()) == rest
    assert pairs(recorded, set(), {first.backend}) == rest


def test_a_message_begins_where_its_stream_begins_and_its_offset_says() -> None:
    trace: Trace = late("dnat").clients[0]
    for e in trace.exchanges:
        c = trace.connections[e.connection]
        assert e.request is not None
        asked, answered = numbers(trace, e)
        assert asked == ((c.from_client.start_seq or 0) + e.request.offset) % 2**32
        if e.response is not None:
            assert answered == ((c.from_server.start_seq or 0) + e.response.offset) % 2**32
