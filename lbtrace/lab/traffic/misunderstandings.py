"""Ends that do not understand each other: a PROXY header that is not expected, or missed; a server
name that is not known; a redirect to where the client already was.
"""

from __future__ import annotations

from dataclasses import replace
from ssl import SSLError

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

UNKNOWN = "www.unknown.example"


def three(clients: Clients) -> None:
    """Three requests, each on a connection of its own."""
    for number in (25, 50, 10):
        clients.get(f"/divide/{number}")
        clients.pause(0.05)


def sni(clients: Clients) -> None:
    """Two clients that ask for a server nobody knows, between two that do not."""
    clients.get("/divide/25")
    for _ in range(2):
        try:
            replace(clients, host=UNKNOWN).get("/divide/50")
        except SSLError:
            clients.pause(0.05)
    clients.get("/divide/10")


def loop(clients: Clients) -> None:
    """A client behind a proxy that ends TLS follows a redirect to https: the balancer overwrites
    what that proxy states, and the backend redirects to https again.
    """
    clients.get("/divide/25")
    for _ in range(4):
        clients.get(f"/loop?host={clients.host}", ("X-Forwarded-Proto", "https"))
        clients.pause(0.05)


TRAFFICS = (
    Traffic(
        "proxy-unaware",
        "a PROXY header to a backend that takes it for a request",
        three,
        needs=frozenset({"proxy-header"}),
        first_backend="unaware",
    ),
    Traffic(
        "proxy-demanded",
        "backends that close every connection without a PROXY header",
        three,
        first_backend="demanded",
    ),
    Traffic("sni", "a server name that is not known", sni, needs=frozenset({"http", "tls", "sni"})),
    Traffic("loop", "a redirect to the same URL with https", loop, needs=frozenset({"http"})),
)
