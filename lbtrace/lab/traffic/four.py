"""The founding experiment: four real curls, a connection each."""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

TARGETS = ("/divide/25", "/divide/50", "/divide/10", "/divide/4")


def one_after_another(clients: Clients) -> None:
    """One after the other."""
    for target in TARGETS:
        clients.curl(target)
        clients.pause()


def patiently(clients: Clients) -> None:
    """The same within half a minute, so that three health checks ten seconds apart fit."""
    clients.pause(4.0)
    for target in TARGETS:
        clients.curl(target)
        clients.pause(3.0)
    clients.pause(6.0)


def over_http2(clients: Clients) -> None:
    """The same over HTTP/2, without TLS."""
    for target in TARGETS:
        clients.curl(target, "--http2-prior-knowledge")
        clients.pause()


TRAFFICS = (
    Traffic("four", "the founding experiment: four curls, a connection each", one_after_another),
    Traffic(
        "four-http2",
        "the same over HTTP/2",
        over_http2,
        needs=frozenset({"http", "http2"}),
    ),
    Traffic(
        "four-checked",
        "the same in half a minute, with an HTTP health check every 10 s",
        patiently,
        check="http",
        check_seconds=10.0,
    ),
    Traffic(
        "four-tls-checked",
        "the same over HTTPS, with an HTTP health check every 10 s",
        patiently,
        needs=frozenset({"http", "tls"}),
        check="http",
        check_seconds=10.0,
    ),
    Traffic(
        "four-tcp-checked",
        "the same, with a TCP health check every 10 s",
        patiently,
        check="tcp",
        check_seconds=10.0,
    ),
)
