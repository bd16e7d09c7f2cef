"""Machines whose clocks do not agree."""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic


def evenly(clients: Clients) -> None:
    """A request now and then, for a quarter of a minute."""
    for number in range(30):
        clients.get(f"/divide/{number % 7 + 1}")
        clients.pause(0.5)


TRAFFICS = (
    Traffic(
        "drift",
        "the backend's clock gains 200 ppm: the times of its capture are rewritten",
        evenly,
        backend_gains_ppm=200,
    ),
)
