"""Sentences by which servers state the reason of an error in its page, whatever its title says."""

from __future__ import annotations

from typing import Final

# plain HTTP came to a port of TLS: nginx, Go, Apache httpd, Tomcat
PLAIN_TO_TLS: Final = (
    "plain HTTP request was sent to HTTPS port",
    "sent an HTTP request to an HTTPS server",
    "speaking plain HTTP to an SSL-enabled server port",
    "combination of host and port requires TLS",
)
# a target is too long: nginx, Apache httpd
TARGET_TOO_LONG: Final = ("Request-URI Too Large", "Request-URI Too Long")
# a field line, or all of them, are too large: nginx, Apache httpd
FIELDS_TOO_LARGE: Final = (
    "Request Header Or Cookie Too Large",
    "exceeds server limit",
    "Request Header Fields Too Large",
)
# Envoy: a limit of its circuit breakers was reached
OVERFLOW: Final = ("reset reason: overflow",)
# Envoy: no server is left that it takes for healthy
NONE_HEALTHY: Final = ("no healthy upstream",)
# HAProxy: no server to send a request to, or no connection to one
NO_SERVER: Final = ("No server is available to handle this request",)
# HAProxy: the time limit for the answer of a server
TOO_LATE: Final = ("The server didn't respond in time",)
# Socket.IO and SignalR: a session that this server did not open
OTHER_SESSION: Final = ("Session ID unknown", "No Connection with that ID")
KNOWN_REASONS: Final = PLAIN_TO_TLS + TARGET_TOO_LONG + FIELDS_TOO_LARGE


def among(reason: str, phrases: tuple[str, ...]) -> bool:
    """Whether a reason is one of these, in any letter case."""
    return any(phrase.lower() in reason.lower() for phrase in phrases)
