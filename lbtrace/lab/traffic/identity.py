"""Who asks: forged headers, other clients, TLS, WebSocket."""

from __future__ import annotations

import base64
import os

from lbtrace.lab.addresses import OFFICE
from lbtrace.lab.clients import ClientConnection, Clients
from lbtrace.lab.plan import Traffic


def forged(clients: Clients) -> None:
    """A client that pretends to be another one."""
    clients.curl("/divide/25", "-H", "X-Forwarded-For: 8.8.8.8")
    clients.curl(
        "/divide/50",
        "-H",
        "X-Forwarded-For: 8.8.8.8, 10.0.0.1",
        "-H",
        "X-Forwarded-Proto: https",
        "-H",
        "X-Real-IP: 8.8.8.8",
    )
    clients.curl("/divide/10", "-H", "Forwarded: for=8.8.8.8;proto=https")
    clients.curl(
        "/divide/4",
        "-H",
        "x-lower-case: kept?",
        "-H",
        "under_score: kept?",
        "-H",
        "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678",
    )


def two_clients(clients: Clients) -> None:
    """The same requests from the laptop and from the office, which is not captured."""
    for number in (25, 50, 10, 4):
        clients.get(f"/divide/{number}")
        clients.get(f"/divide/{number}", host=OFFICE)
        clients.pause(0.02)


def two_clients_at_once(clients: Clients) -> None:
    """The same requests at the same time."""

    def visitor(host: str) -> None:
        with clients.connect(host) as connection:
            for _ in range(8):
                connection.ask("GET", "/same?ms=3")

    clients.at_once(
        [
            lambda host=host: visitor(host)  # type: ignore[misc]
            for host in (None, OFFICE, None, OFFICE)
            for host in [host or "laptop"]
        ]
    )


def cookies(clients: Clients) -> None:
    """Cookies that are set and sent back."""
    with clients.connect() as connection:
        first = connection.ask("GET", "/cookie?n=1")
        connection.ask("GET", "/cookie?n=2", ("Cookie", first.headers.get("set-cookie", "")))
        connection.ask(
            "GET", "/cookie?n=3", ("X-Request-ID", "mine-17"), ("Authorization", "Bearer none")
        )


def talk(connection: ClientConnection, text: bytes, opcode: int = 1) -> bytes:
    """Send a WebSocket frame (RFC 6455 §5.2) and read the echo."""
    mask = os.urandom(4)
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(text))
    connection.socket.sendall(bytes([0x80 | opcode, 0x80 | len(text)]) + mask + masked)
    head = connection.stream.read(2)
    return connection.stream.read(head[1]) if len(head) == 2 else b""


def websocket(clients: Clients) -> None:
    """An ordinary request, then a WebSocket with a few words."""
    clients.get("/divide/25")
    with clients.connect() as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        headers = (
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key),
        )
        connection.send("GET", "/websocket", *headers)
        if connection.read().status == 101:
            for word in (b"hello", b"load", b"balancer"):
                talk(connection, word)
            talk(connection, b"\x03\xe8", opcode=8)
    clients.get("/divide/50")


def encrypted(clients: Clients) -> None:
    """HTTPS: a connection with three requests, then one with one."""
    with clients.connect() as connection:
        for number in (25, 50, 10):
            connection.ask("GET", f"/divide/{number}")
            clients.pause(0.05)
    clients.get("/divide/4")


TRAFFICS = (
    Traffic("forged", "a client that forges X-Forwarded-For and others", forged),
    Traffic("two-clients", "a captured client and one that is not, in turn", two_clients),
    Traffic(
        "two-clients-at-once", "a captured client and one that is not, at once", two_clients_at_once
    ),
    Traffic("cookies", "cookies, authorization, a request id of the client's own", cookies),
    Traffic(
        "websocket",
        "a WebSocket between two ordinary requests",
        websocket,
        needs=frozenset({"websocket"}),
    ),
    Traffic("tls", "HTTPS in front", encrypted, needs=frozenset({"tls"})),
    Traffic(
        "tls-reencrypted",
        "HTTPS in front, and TLS of the balancer's own behind",
        encrypted,
        needs=frozenset({"http", "tls", "tls-behind"}),
    ),
)
