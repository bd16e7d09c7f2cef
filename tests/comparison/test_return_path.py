"""Segments that came back past the balancer belong to the connection they continue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.comparison.return_path import past_the_balancer
from lbtrace.model.net import Endpoint
from lbtrace.tables.sides import both_sides
from lbtrace.tcp.connections import connections
from tests.simulator import Balancer, Simulation
from tests.tcp.wire import Wire

BACKEND = Endpoint("10.0.9.11", 8080)


def strays(wire: Wire) -> list[tuple[int, int]]:
    """(stray, connection it continues) of a client capture with these segments."""
    table, _ = connections(wire.table())
    simulation = Simulation(seed=1, balancer=Balancer())
    simulation.client("10.0.0.9").asks("GET", "/")
    (trace,) = simulation.run().clients[:1]
    empty = replace(
        trace, connections=table, applications=[trace.applications[0]] * len(table), exchanges=[]
    )
    side, _ = both_sides([empty], [])
    found = past_the_balancer(side)
    return list(zip(found.stray.tolist(), found.known.tolist(), strict=True))


def from_backend(wire: Wire, flags: str, seq: int, data: bytes = b"", ack: int = 0) -> Wire:
    """A segment of the backend, untranslated."""
    front, wire.server = wire.server, BACKEND
    wire.s(flags, seq, data, ack=ack)
    wire.server = front
    return wire


def asked() -> Wire:
    """A client that connected, asked in 16 bytes and was answered."""
    return (
        Wire()
        .c("SYN", 99)
        .s("SYN", 999, ack=100)
        .c("ACK", 100, ack=1000)
        .c("PSH", 100, b"GET / HTTP/1.0\r\n", ack=1000)
        .s("PSH", 1000, b"HTTP/1.0 200\r\n", ack=116)
    )


@pytest.mark.parametrize(
    ("ack", "found"),
    [(100, [(1, 0)]), (116, [(1, 0)]), (117, [(1, 0)]), (118, []), (99, []), (5000, [])],
)
def test_a_segment_that_acknowledges_what_the_client_sent_is_a_stray(
    ack: int, found: list[tuple[int, int]]
) -> None:
    assert strays(from_backend(asked(), "PSH", 30_000_000, b"stray", ack=ack)) == found


def test_a_synack_from_the_backends_own_address_answers_the_syn() -> None:
    wire = from_backend(Wire().c("SYN", 99), "SYN", 999, ack=100)
    assert strays(wire) == [(1, 0)]
    wire = from_backend(Wire().c("SYN", 99), "SYN", 999, ack=101 + 1)
    assert strays(wire) == []


def test_what_the_client_sent_and_the_capture_missed_is_acknowledged_too() -> None:
    """Of 16 bytes the first 10 are missing in the capture."""
    for ack, found in ((116, [(1, 0)]), (117, [(1, 0)]), (118, [])):
        wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("ACK", 100, ack=1000)
        wire.c("PSH", 110, b"/1.0\r\n", ack=1000).s("ACK", 1000, ack=116)
        assert strays(from_backend(wire, "PSH", 30_000_000, b"stray", ack=ack)) == found


def test_numbers_wrap() -> None:
    wire = Wire().c("SYN", 2**32 - 1)
    assert strays(from_backend(wire, "SYN", 999, ack=0)) == [(1, 0)]


def test_another_connection_of_the_same_port_is_its_own() -> None:
    wire = asked()
    front, wire.server = wire.server, BACKEND
    wire.c("SYN", 499).s("SYN", 8999, ack=500)
    wire.server = front
    assert strays(wire) == []
