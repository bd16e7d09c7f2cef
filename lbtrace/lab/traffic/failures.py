"""Backends that are slow, refuse, reset, answer nonsense or close too early."""

from __future__ import annotations

from lbtrace.lab.addresses import VPC
from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic
from lbtrace.lab.traffic.on_the_way import dropping

LOSE_FINS = "{family} saddr {instance} tcp flags & fin == fin drop"


def slow(clients: Clients) -> None:
    """Slow and quick responses at the same time."""

    def visitor(milliseconds: int) -> None:
        with clients.connect() as connection:
            connection.ask("GET", f"/slow?ms={milliseconds}")
            connection.ask("GET", "/divide/25")

    clients.at_once([lambda ms=ms: visitor(ms) for ms in (400, 50, 250, 5)])  # type: ignore[misc]


def refused(clients: Clients) -> None:
    """The first backend is down: every connection to it is refused. The second works."""
    for number in (25, 50, 10, 4):
        clients.get(f"/divide/{number}")
        clients.pause(0.05)


def all_refused(clients: Clients) -> None:
    """The only backend is down."""
    for number in (25, 50):
        clients.get(f"/divide/{number}")
        clients.pause(0.05)


def failing(clients: Clients) -> None:
    """The first backend answers 503, the second answers 200."""
    for number in range(4):
        clients.get(f"/flaky?n={number}")
        clients.pause(0.05)


def posted(clients: Clients) -> None:
    """The first backend closes the connection instead of answering a POST; the second answers."""
    for number in range(4):
        with clients.connect() as connection:
            connection.ask("POST", "/leaves", body=b"order=%d&" % number * 20)
        clients.pause(0.05)


def reset(clients: Clients) -> None:
    """A RST instead of a response, and a RST within one."""
    clients.get("/divide/25")
    clients.get("/reset")
    clients.pause(0.05)
    clients.get("/reset?after=3000")
    clients.pause(0.05)
    clients.get("/divide/50")


def garbage(clients: Clients) -> None:
    """A response that is not HTTP."""
    clients.get("/divide/25")
    clients.get("/garbage")
    clients.pause(0.05)
    clients.get("/divide/50")


def timeout(clients: Clients) -> None:
    """A response that comes after the balancer gave up."""
    clients.get("/divide/25")
    clients.get("/slow?ms=2000")
    clients.pause(1.2)
    clients.get("/divide/50")


def impatient(clients: Clients) -> None:
    """A client that leaves before it gets a response."""
    clients.get("/divide/25")
    with clients.connect() as connection:
        connection.send("GET", "/slow?ms=500")
        clients.pause(0.1)
    clients.pause(0.6)
    clients.get("/divide/50")


def errors(clients: Clients) -> None:
    """Errors of the backend itself."""
    with clients.connect() as connection:
        for status in (404, 500, 502, 503, 504, 429):
            connection.ask("GET", f"/status/{status}")


def race(clients: Clients) -> None:
    """The keep-alive race: the backend closes an idle connection, its FIN is lost on the way, and
    the next request goes out on it.
    """
    clients.get("/divide/25")
    clients.pause(0.3)
    with dropping(clients, VPC, LOSE_FINS):
        clients.pause(1.0)
        clients.get("/divide/50")
    clients.pause(0.2)
    clients.get("/divide/10")


TRAFFICS = (
    Traffic("slow", "slow and quick answers at the same time", slow),
    Traffic(
        "refused",
        "the first of two backends refuses connections",
        refused,
        needs=frozenset({"http"}),
        backends=2,
        first_backend="refuses",
    ),
    Traffic(
        "all-refused",
        "the only backend refuses connections",
        all_refused,
        needs=frozenset({"http"}),
        first_backend="refuses",
    ),
    Traffic(
        "retry",
        "the first of two backends answers 503",
        failing,
        needs=frozenset({"http", "retry"}),
        backends=2,
        first_backend="fails",
    ),
    Traffic(
        "retried-post",
        "a POST is sent again, after the first of two backends closed the connection",
        posted,
        needs=frozenset({"http", "retry"}),
        backends=2,
        first_backend="fails",
    ),
    Traffic("reset", "RST instead of a response, and within one", reset),
    Traffic(
        "bad-gateway",
        "a backend answers something that is not HTTP",
        garbage,
        needs=frozenset({"http"}),
    ),
    Traffic(
        "timeout",
        "a backend answers after the balancer gave up",
        timeout,
        needs=frozenset({"http", "timeout"}),
    ),
    Traffic("impatient", "a client leaves before it is answered", impatient),
    Traffic("errors", "errors of the backend itself", errors),
    Traffic(
        "keep-alive-race",
        "a request on a connection the backend has closed",
        race,
        idle_seconds=1.0,
    ),
)
