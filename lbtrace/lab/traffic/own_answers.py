"""What a balancer does by itself: redirects, fixed answers, its cache, path rewriting, health
checks.
"""

from __future__ import annotations

from lbtrace.lab.plan import Traffic
from lbtrace.lab.play import Play


def redirect(stage: Play) -> None:
    """Some paths are answered with a redirect."""
    with stage.call() as call:
        call.ask("GET", "/old/page")
        call.ask("GET", "/divide/25")
        call.ask("GET", "/old/other")


def fixed(stage: Play) -> None:
    """Some paths are answered with a fixed text."""
    with stage.call() as call:
        call.ask("GET", "/divide/25")
        call.ask("GET", "/fixed")
        call.ask("GET", "/divide/50")
        call.ask("GET", "/fixed")


def cache(stage: Play) -> None:
    """The same cacheable thing five times, with something uncacheable in between."""
    for number in range(5):
        stage.get("/cacheable?thing=1")
        stage.pause(0.05)
        if number == 2:
            stage.get("/divide/25")


def prefix(stage: Play) -> None:
    """Paths under /api."""
    with stage.call() as call:
        for number in (25, 50, 10, 4):
            call.ask("GET", f"/api/divide/{number}")


def checks(stage: Play) -> None:
    """A few requests while health checks run."""
    for number in (25, 50, 10, 4):
        stage.pause(1.0)
        stage.get(f"/divide/{number}")
    stage.pause(0.5)


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
