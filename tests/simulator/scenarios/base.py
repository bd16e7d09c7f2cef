"""What scenarios are made from: their registry, and the traffic that many of them share.

Each is a function without arguments that makes a Simulation; the first line of its docstring stands
in the table. `LEAST[name]` is the share of client exchanges with a partner that must be
paired rightly and alone, or be in a declared interchangeable set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from lbtrace.model.net import Endpoint
from tests.simulator.roles import Balancer, Client, Simulation

XFF = ("X-Forwarded-For", "{client}")
ALB = [
    ("X-Forwarded-For", "{client}"),
    ("X-Forwarded-Proto", "http"),
    ("X-Amzn-Trace-Id", "Root=1-{fresh}"),
]
TWO = (Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080))
MIRROR = Endpoint("172.31.11.99", 8080)
SSL = (
    b"\x01\x00\x00\x00\x00" + b"\x21\x00\x07TLSv1.3" + b"\x23\x00\x16TLS_AES_128_GCM_SHA256"
)  # client flags, verify, version, cipher
TLVS = (  # ALPN, authority, CRC32c (filled in when it is sent), TLS, an AWS endpoint, an Azure link
    (0x01, b"http/1.1"),
    (0x02, b"lb.example.com"),
    (0x03, bytes(4)),
    (0x20, SSL),
    (0xEA, b"\x01vpce-08d2bf15fac5001c9"),
    (0xEE, b"\x01\xbc\xef\x01\x02"),
)
FOUR = tuple(Endpoint(f"172.31.11.{95 + i}", 8080) for i in range(4))

SCENARIOS: dict[str, Callable[[], Simulation]] = {}
LEAST: dict[str, float] = {}


def scenario(least: float = 1.0) -> Callable[[Callable[[], Simulation]], Callable[[], Simulation]]:
    """Register a scenario."""

    def register(make: Callable[[], Simulation]) -> Callable[[], Simulation]:
        name = make.__name__.replace("_", "-")
        SCENARIOS[name] = make
        LEAST[name] = least
        return make

    return register


def curls(
    client: Client,
    targets: Sequence[str],
    every_ms: float = 500,
    answers: Sequence[bytes] = (b"ok",),
) -> None:
    """One curl after another, each on its own connection, at the uneven pace of a person."""
    for i, target in enumerate(targets):
        client.asks(
            "GET", target, at_ms=every_ms * i + (i * 37) % 23, answer=answers[i % len(answers)]
        )


def crowd(
    simulation: Simulation,
    clients: int,
    requests: int,
    target: str = "/",
    think_ms: float = 5.0,
    connections: int = 1,
) -> None:
    """Connections that each ask the same again and again."""
    dice = random.Random(simulation.seed + 1)
    for k in range(clients):
        client = simulation.client(f"192.168.0.{5 + k % 200}", f"198.51.100.{1 + k % 200}")
        for c in range(connections):
            for _ in range(requests):
                client.asks(
                    "GET",
                    target,
                    connection=f"c{c}",
                    think_ms=dice.random() * think_ms,
                    at_ms=dice.random(),
                )


def four(balancer: Balancer, **settings: object) -> Simulation:
    """The founding four curls."""
    simulation = Simulation(seed=1, balancer=balancer, **settings)  # type: ignore[arg-type]
    curls(
        simulation.client("192.168.0.5", "1.240.235.98"),
        ["/divide/25", "/divide/50", "/divide/10", "/divide/4"],
        3000,
        [b"4", b"2", b"10", b"25"],
    )
    return simulation


def mixed(balancer: Balancer, n: int = 200, connections: int = 8, **settings: object) -> Simulation:
    """Many targets over kept connections, some POSTs."""
    simulation = Simulation(seed=3, balancer=balancer, **settings)  # type: ignore[arg-type]
    dice = random.Random(7)
    for i in range(n):
        client = (
            simulation.clients[i % 3]
            if len(simulation.clients) == 3
            else simulation.client(f"192.168.0.{5 + i % 3}", f"198.51.100.{1 + i % 3}")
        )
        post = i % 10 == 0
        client.asks(
            "POST" if post else "GET",
            f"/api/item/{i}?page={i % 7}",
            body=b"name=%d" % i if post else b"",
            answer=b"item %d " % i * (1 + i % 40),
            connection=f"c{i % connections}",
            think_ms=dice.random() * 40,
            at_ms=dice.random() * 50,
            headers=[("Accept-Encoding", "gzip"), ("Cookie", f"session={i % 5:020d}")],
        )
    return simulation
