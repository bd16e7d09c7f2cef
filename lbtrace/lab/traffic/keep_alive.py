"""Clients that keep their connection: in turn, at once, pipelined."""

from __future__ import annotations

from lbtrace.lab.plan import Traffic
from lbtrace.lab.play import Play

NUMBERS = (25, 50, 10, 4, 5, 20, 2, 1, 100, 8)


def keep_alive(stage: Play) -> None:
    """Ten requests on one connection, then three on another."""
    with stage.call() as call:
        for number in NUMBERS:
            call.ask("GET", f"/divide/{number}")
            stage.pause(0.02)
    with stage.call() as call:
        for number in NUMBERS[:3]:
            call.ask("GET", f"/divide/{number}")


def concurrent(stage: Play) -> None:
    """Eight connections at once, ten identical requests on each: nothing but time and order tells
    them apart.
    """
    identical(stage, connections=8, requests=10, target="/same?ms=3")


def few(stage: Play) -> None:
    """Six connections at once, three identical requests on each."""
    identical(stage, connections=6, requests=3, target="/same?ms=5")


def crowd(stage: Play) -> None:
    """Thirty-two connections at once."""
    identical(stage, connections=32, requests=6, target="/same?ms=15")


def identical(stage: Play, connections: int, requests: int, target: str) -> None:
    """The same request many times on many connections."""

    def visitor() -> None:
        with stage.call() as call:
            for _ in range(requests):
                call.ask("GET", target)

    stage.together([visitor] * connections)


def distinct(stage: Play) -> None:
    """Sixteen connections at once, each asking something else each time."""

    def visitor(number: int) -> None:
        with stage.call() as call:
            for turn in range(5):
                call.ask("GET", f"/same?ms=4&visitor={number}&turn={turn}")

    stage.together([lambda number=number: visitor(number) for number in range(16)])  # type: ignore[misc]


def pipelined(stage: Play) -> None:
    """Four requests sent before the first response is read, twice."""
    with stage.call() as call:
        for start in (0, 4):
            numbers = NUMBERS[start : start + 4]
            for number in numbers:
                call.send("GET", f"/divide/{number}")
            for _ in numbers:
                call.read()


def closing(stage: Play) -> None:
    """Responses with Connection: close from the backend, the client's connection kept."""
    for _ in range(4):
        with stage.call() as call:
            call.ask("GET", "/closing")
            stage.pause(0.05)
    stage.get("/divide/25")


def one_zero(stage: Play) -> None:
    """Clients that speak HTTP/1.0, with and without keep-alive."""
    for target in ("/divide/25", "/divide/50"):
        stage.curl(target, "--http1.0")
    stage.curl("/divide/10", "--http1.0", "-H", "Connection: keep-alive")


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
