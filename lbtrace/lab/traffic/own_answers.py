"""What a balancer does by itself: redirects, fixed answers, its cache, path rewriting, health
checks.
"""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic


def redirect(clients: Clients) -> None:
    """Some paths are answered with a redirect."""
    with clients.connect() as connection:
        connection.ask("GET", "/old/page")
        connection.ask("GET", "/divide/25")
        connection.ask("GET", "/old/other")


def fixed(clients: Clients) -> None:
    """Some paths are answered with a fixed text."""
    with clients.connect() as connection:
        connection.ask("GET", "/divide/25")
        connection.ask("GET", "/fixed")
        connection.ask("GET", "/divide/50")
        connection.ask("GET", "/fixed")


def cache(clients: Clients) -> None:
    """The same cacheable response five times, with one that is not cacheable in between."""
    for number in range(5):
        clients.get("/cacheable?thing=1")
        clients.pause(0.05)
        if number == 2:
            clients.get("/divide/25")


def prefix(clients: Clients) -> None:
    """Paths under /api."""
    with clients.connect() as connection:
        for number in (25, 50, 10, 4):
            connection.ask("GET", f"/api/divide/{number}")


def checks(clients: Clients) -> None:
    """A few requests while health checks run."""
    for number in (25, 50, 10, 4):
        clients.pause(1.0)
        clients.get(f"/divide/{number}")
    clients.pause(0.5)


TRAFFICS = (
    Traffic(
        "redirect", "redirects by the balancer", redirect, needs=frozenset({"http", "redirect"})
    ),
    Traffic("fixed", "fixed responses by the balancer", fixed, needs=frozenset({"http", "fixed"})),
    Traffic("cache", "cache hits", cache, needs=frozenset({"http", "cache"})),
    Traffic(
        "prefix",
        "a path prefix stripped by the balancer",
        prefix,
        needs=frozenset({"http", "prefix"}),
    ),
    Traffic(
        "checks",
        "HTTP health checks of the balancer's own",
        checks,
        needs=frozenset({"http", "checks"}),
    ),
    Traffic(
        "tcp-checks",
        "TCP-only health checks of the balancer's own",
        checks,
        needs=frozenset({"tcp-checks"}),
    ),
)
