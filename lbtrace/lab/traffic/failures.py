"""Backends that are slow, refuse, reset, answer nonsense or close too early."""

from __future__ import annotations

from lbtrace.lab.plan import Traffic
from lbtrace.lab.play import Play
from lbtrace.lab.world import INSTANCE_ADDRESS, VPC

LOSE_FINS = f"""
table ip lose {{
  chain forward {{
    type filter hook forward priority 0;
    ip saddr {INSTANCE_ADDRESS} tcp flags & fin == fin drop
  }}
}}
"""


def slow(stage: Play) -> None:
    """Slow and quick answers mixed, at the same time."""

    def visitor(milliseconds: int) -> None:
        with stage.call() as call:
            call.ask("GET", f"/slow?ms={milliseconds}")
            call.ask("GET", "/divide/25")

    stage.together([lambda ms=ms: visitor(ms) for ms in (400, 50, 250, 5)])  # type: ignore[misc]


def refused(stage: Play) -> None:
    """The first backend is down: every connection to it is refused. The second works."""
    for number in (25, 50, 10, 4):
        stage.get(f"/divide/{number}")
        stage.pause(0.05)


def all_refused(stage: Play) -> None:
    """The only backend is down."""
    for number in (25, 50):
        stage.get(f"/divide/{number}")
        stage.pause(0.05)


def failing(stage: Play) -> None:
    """The first backend answers 503, the second 200."""
    for number in range(4):
        stage.get(f"/flaky?n={number}")
        stage.pause(0.05)


def reset(stage: Play) -> None:
    """RST instead of an answer, and in the middle of one."""
    stage.get("/divide/25")
    stage.get("/reset")
    stage.pause(0.05)
    stage.get("/reset?after=3000")
    stage.pause(0.05)
    stage.get("/divide/50")


def garbage(stage: Play) -> None:
    """An answer that is not HTTP."""
    stage.get("/divide/25")
    stage.get("/garbage")
    stage.pause(0.05)
    stage.get("/divide/50")


def timeout(stage: Play) -> None:
    """An answer that comes after the balancer has given up."""
    stage.get("/divide/25")
    stage.get("/slow?ms=2000")
    stage.pause(1.2)
    stage.get("/divide/50")


def impatient(stage: Play) -> None:
    """A client that leaves before it is answered."""
    stage.get("/divide/25")
    with stage.call() as call:
        call.send("GET", "/slow?ms=500")
        stage.pause(0.1)
    stage.pause(0.6)
    stage.get("/divide/50")


def errors(stage: Play) -> None:
    """Errors the backend itself answers with."""
    with stage.call() as call:
        for status in (404, 500, 502, 503, 504, 429):
            call.ask("GET", f"/status/{status}")


def race(stage: Play) -> None:
    """The keep-alive race: the backend closes an idle connection, its FIN is lost on the way, and
    the next request goes out on it.
    """
    stage.get("/divide/25")
    stage.pause(0.3)
    stage.world.nft(VPC, LOSE_FINS)
    stage.pause(1.0)
    stage.get("/divide/50")
    stage.world.run(VPC, ["nft", "delete", "table", "ip", "lose"])
    stage.pause(0.2)
    stage.get("/divide/10")


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
