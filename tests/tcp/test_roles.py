"""Which end is the client, when the handshake was not captured."""

from __future__ import annotations

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.stream import RoleSource
from lbtrace.tcp import connections
from tests.tcp.wire import Wire

LOW, HIGH = Endpoint("10.0.0.1", 9000), Endpoint("10.0.0.9", 9000)
HELLO = bytes.fromhex("160301 0010 01")
AS_CLIENT = [
    b"GET / HTTP/1.1\r\n",
    b"M-SEARCH * HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n",
    b"PROXY TCP4 1.2.3.4 ",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21",
    HELLO,
]
AS_SERVER = [b"HTTP/1.1 200 OK\r\n", HELLO[:5] + b"\x02", b"220 mail", b"+OK ", b"* OK "]


def from_to(sender: Endpoint, receiver: Endpoint, *payloads: bytes) -> Wire:
    """Payloads of one end, of a connection that was there before."""
    wire = Wire(client=sender, server=receiver)
    at = 50
    for payload in payloads:
        wire.c("PSH", at, payload, ack=5)
        at += len(payload)
    return wire


def client(wire: Wire) -> tuple[Endpoint, RoleSource]:
    [found], _ = connections(wire.table())
    return found.client, found.role_source


@pytest.mark.parametrize("ends", [(LOW, HIGH), (HIGH, LOW)])
@pytest.mark.parametrize("payload", [*AS_CLIENT, *AS_SERVER])
def test_who_speaks_first_like_a_client_is_one(
    payload: bytes, ends: tuple[Endpoint, Endpoint]
) -> None:
    sender, receiver = ends
    expected = sender if payload in AS_CLIENT else receiver
    assert client(from_to(sender, receiver, payload)) == (expected, RoleSource.PAYLOAD)


@pytest.mark.parametrize("sender", [LOW, HIGH])
def test_four_payloads_of_each_end_are_looked_at(sender: Endpoint) -> None:
    receiver = LOW if sender is HIGH else HIGH
    noise = [b"\0noise"] * 3
    found = from_to(sender, receiver, *noise, b"", b"", b"GET / HTTP/1.1\r\n")
    found.s("PSH", 5, b"?").s("PSH", 6, b"?").s("PSH", 7, b"?")
    assert client(found) == (sender, RoleSource.PAYLOAD)
    found = from_to(sender, receiver, *noise, b"\0", b"GET / HTTP/1.1\r\n")
    assert client(found)[1] is RoleSource.PORT


def test_the_first_payload_that_tells_decides() -> None:
    wire = from_to(LOW, HIGH, b"GET / HTTP/1.1\r\n").s("PSH", 5, b"GET / HTTP/1.1\r\n")
    assert client(wire)[0] == LOW


def test_the_text_of_a_reset_tells_nothing() -> None:
    wire = Wire(client=LOW, server=HIGH).c("RST", 50, b"GET / HTTP/1.1\r\n")
    assert client(wire)[1] is RoleSource.PORT


def test_each_connection_has_its_own_roles() -> None:
    wire = Wire(client=LOW, server=HIGH).c("PSH", 50, b"GET / HTTP/1.1\r\n", ack=5)
    wire.client, wire.server = HIGH._replace(port=9001), LOW
    wire.c("SYN", 9).s("PSH", 10, b"HTTP/1.1 200 OK\r\n", ack=5)
    wire.client, wire.server = LOW._replace(port=9002), HIGH
    wire.c("PSH", 50, b"HTTP/1.1 200 OK\r\n", ack=5)
    found, _ = connections(wire.table())
    assert [(c.client, c.role_source) for c in found] == [
        (LOW, RoleSource.PAYLOAD),
        (HIGH._replace(port=9001), RoleSource.SYN),
        (HIGH, RoleSource.PAYLOAD),
    ]


@pytest.mark.parametrize(("known", "other"), [(LOW, HIGH), (HIGH, LOW)])
def test_an_end_that_is_a_server_elsewhere_is_one_here(known: Endpoint, other: Endpoint) -> None:
    """Though its port is the higher one, and the other end is in as many flows."""
    server = known._replace(port=9500)
    wire = Wire(client=Endpoint("10.0.0.5", 70), server=server).c("SYN", 9)
    wire.client = other._replace(port=9400)
    wire.c("", 50, ack=5)
    wire.server = Endpoint("10.0.0.6", 71)
    wire.c("", 50, ack=5)
    found, _ = connections(wire.table())
    assert (found[1].server, found[1].role_source) == (server, RoleSource.PORT)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (LOW._replace(port=40000), HIGH._replace(port=39999)),
        (LOW._replace(port=1024), HIGH._replace(port=1023)),
        (LOW._replace(port=39999), LOW._replace(port=30000)),
    ],
)
def test_the_lower_port_is_the_servers(one: Endpoint, two: Endpoint) -> None:
    for sender, receiver in ((one, two), (two, one)):
        wire = Wire(client=sender, server=receiver).c("", 50, ack=5)
        assert client(wire) == (one, RoleSource.PORT)


@pytest.mark.parametrize("ends", [(LOW, HIGH), (HIGH, LOW)])
def test_the_end_in_more_flows_is_the_server(ends: tuple[Endpoint, Endpoint]) -> None:
    """Also against a port below 1024."""
    server, other = ends[0]._replace(port=8080), ends[1]
    wire = Wire(server=server)
    for port in (600, 601):
        wire.client = other._replace(port=port)
        wire.c("", 50, ack=5)
    found, _ = connections(wire.table())
    assert [c.server for c in found] == [server, server]


def test_ports_below_1024_that_both_have_leave_the_lower_one() -> None:
    wire = Wire(client=LOW._replace(port=22), server=HIGH._replace(port=443)).c("", 50, ack=5)
    assert client(wire)[0] == HIGH._replace(port=443)


@pytest.mark.parametrize("of", [LOW, HIGH])
def test_who_did_not_send_the_synack_is_the_client(of: Endpoint) -> None:
    other = LOW if of is HIGH else HIGH
    wire = Wire(client=of, server=other).s("SYN", 9, ack=5).s("PSH", 10, b"GET / H", ack=5)
    assert client(wire) == (of, RoleSource.SYNACK)
    wire = Wire(client=of, server=other).s("SYN", 9, ack=5).c("SYN", 4)
    assert client(wire) == (of, RoleSource.SYN)
