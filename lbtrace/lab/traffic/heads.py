"""Requests and responses that proxies refuse or change: heads that are too large, upgrades that
concern one hop.
"""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

TOO_LARGE = 10_000  # bytes: more than nginx gives a head by default, less than others do
KEYS = ("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", "x3JJHMbDL1EzLkh9GBhXDw==")


def big_head(clients: Clients) -> None:
    """Two response heads and one cookie of 10,000 bytes, between requests that are ordinary."""
    for number in (25, 50):
        clients.get(f"/divide/{number}")
        clients.pause(0.05)
        clients.get(f"/big-head?bytes={TOO_LARGE}&n={number}")
        clients.pause(0.05)
    clients.get("/divide/10", ("Cookie", f"id={'x' * TOO_LARGE}"))
    clients.pause(0.05)
    clients.get("/divide/4", ("Cookie", "id=short"))


def upgrade(clients: Clients) -> None:
    """A WebSocket is asked for where nothing was configured for it."""
    for key, number in zip(KEYS, (25, 50, 10), strict=True):
        clients.get(
            f"/divide/{number}",
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key),
        )
        clients.pause(0.05)


TRAFFICS = (
    Traffic("big-head", "heads too large for many proxies", big_head, needs=frozenset({"http"})),
    Traffic(
        "upgrade", "a WebSocket that nobody is prepared for", upgrade, needs=frozenset({"http"})
    ),
)
