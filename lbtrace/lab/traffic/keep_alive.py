"""Clients that keep their connection: in turn, at once, pipelined."""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

NUMBERS = (25, 50, 10, 4, 5, 20, 2, 1, 100, 8)


def keep_alive(clients: Clients) -> None:
    """Ten requests on one connection, then three on another."""
    with clients.connect() as connection:
        for number in NUMBERS:
            connection.ask("GET", f"/divide/{number}")
            clients.pause(0.02)
    with clients.connect() as connection:
        for number in NUMBERS[:3]:
            connection.ask("GET", f"/divide/{number}")


def concurrent(clients: Clients) -> None:
    """Eight connections at once, ten identical requests on each: only time and order distinguish
    them.
    """
    identical(clients, connections=8, requests=10, target="/same?ms=3")


def few(clients: Clients) -> None:
    """Six connections at once, three identical requests on each."""
    identical(clients, connections=6, requests=3, target="/same?ms=5")


def crowd(clients: Clients) -> None:
    """Thirty-two connections at once."""
    identical(clients, connections=32, requests=6, target="/same?ms=15")


def identical(clients: Clients, connections: int, requests: int, target: str) -> None:
    """The same request many times on many connections."""

    def visitor() -> None:
        with clients.connect() as connection:
            for _ in range(requests):
                connection.ask("GET", target)

    clients.at_once([visitor] * connections)


def distinct(clients: Clients) -> None:
    """Sixteen connections at once, each with a new request each time."""

    def visitor(number: int) -> None:
        with clients.connect() as connection:
            for turn in range(5):
                connection.ask("GET", f"/same?ms=4&visitor={number}&turn={turn}")

    clients.at_once([lambda number=number: visitor(number) for number in range(16)])  # type: ignore[misc]


def pipelined(clients: Clients) -> None:
    """Four requests sent before the first response is read, twice."""
    with clients.connect() as connection:
        for start in (0, 4):
            numbers = NUMBERS[start : start + 4]
            for number in numbers:
                connection.send("GET", f"/divide/{number}")
            for _ in numbers:
                connection.read()


def closing(clients: Clients) -> None:
    """Responses with Connection: close from the backend, the client's connection kept."""
    for _ in range(4):
        with clients.connect() as connection:
            connection.ask("GET", "/closing")
            clients.pause(0.05)
    clients.get("/divide/25")


def one_zero(clients: Clients) -> None:
    """Clients that speak HTTP/1.0, with and without keep-alive."""
    for target in ("/divide/25", "/divide/50"):
        clients.curl(target, "--http1.0")
    clients.curl("/divide/10", "--http1.0", "-H", "Connection: keep-alive")


TRAFFICS = (
    Traffic("keep-alive", "one client connection with ten requests, one with three", keep_alive),
    Traffic("concurrent", "8 connections at once, 10 identical requests each", concurrent),
    Traffic("concurrent-few", "6 connections at once, 3 identical requests each", few),
    Traffic("crowd", "32 connections at once, 6 identical requests each", crowd),
    Traffic("distinct", "16 connections at once, 5 different requests each", distinct),
    Traffic("two-backends", "16 connections at once over two backends", distinct, backends=2),
    Traffic(
        "concurrent-two",
        "8 connections at once, identical requests, two backends",
        concurrent,
        backends=2,
    ),
    Traffic("pipeline", "four requests at a time without waiting for the responses", pipelined),
    Traffic("closing", "a backend that closes after each response", closing),
    Traffic("http-1.0", "clients that speak HTTP/1.0", one_zero),
)
