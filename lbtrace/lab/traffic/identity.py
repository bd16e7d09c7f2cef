"""Who asks: forged headers, other clients, TLS, WebSocket."""

from __future__ import annotations

import base64
import os

from lbtrace.lab.plan import Traffic
from lbtrace.lab.play import Call, Play
from lbtrace.lab.world import OFFICE


def forged(stage: Play) -> None:
    """A client that claims to be somebody else."""
    stage.curl("/divide/25", "-H", "X-Forwarded-For: 8.8.8.8")
    stage.curl(
        "/divide/50",
        "-H",
        "X-Forwarded-For: 8.8.8.8, 10.0.0.1",
        "-H",
        "X-Forwarded-Proto: https",
        "-H",
        "X-Real-IP: 8.8.8.8",
    )
    stage.curl("/divide/10", "-H", "Forwarded: for=8.8.8.8;proto=https")
    stage.curl(
        "/divide/4",
        "-H",
        "x-lower-case: kept?",
        "-H",
        "under_score: kept?",
        "-H",
        "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678",
    )


def two_clients(stage: Play) -> None:
    """The laptop and, uncaptured, an office, asking the same."""
    for number in (25, 50, 10, 4):
        stage.get(f"/divide/{number}")
        stage.get(f"/divide/{number}", host=OFFICE)
        stage.pause(0.02)


def two_clients_at_once(stage: Play) -> None:
    """The same at the same time."""

    def visitor(host: str) -> None:
        with stage.call(host) as call:
            for _ in range(8):
                call.ask("GET", "/same?ms=3")

    stage.together(
        [
            lambda host=host: visitor(host)  # type: ignore[misc]
            for host in (None, OFFICE, None, OFFICE)
            for host in [host or "laptop"]
        ]
    )


def cookies(stage: Play) -> None:
    """Cookies given and sent back."""
    with stage.call() as call:
        first = call.ask("GET", "/cookie?n=1")
        call.ask("GET", "/cookie?n=2", ("Cookie", first.headers.get("set-cookie", "")))
        call.ask(
            "GET", "/cookie?n=3", ("X-Request-ID", "mine-17"), ("Authorization", "Bearer none")
        )


def talk(call: Call, text: bytes, opcode: int = 1) -> bytes:
    """Send a WebSocket frame (RFC 6455 §5.2) and read the echo."""
    mask = os.urandom(4)
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(text))
    call.socket.sendall(bytes([0x80 | opcode, 0x80 | len(text)]) + mask + masked)
    head = call.stream.read(2)
    return call.stream.read(head[1]) if len(head) == 2 else b""


def websocket(stage: Play) -> None:
    """An ordinary request, then a WebSocket with a few words."""
    stage.get("/divide/25")
    with stage.call() as call:
        key = base64.b64encode(os.urandom(16)).decode()
        headers = (
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key),
        )
        call.send("GET", "/websocket", *headers)
        if call.read().status == 101:
            for word in (b"hello", b"load", b"balancer"):
                talk(call, word)
            talk(call, b"\x03\xe8", opcode=8)
    stage.get("/divide/50")


def encrypted(stage: Play) -> None:
    """HTTPS: a connection with three requests, then one with one."""
    with stage.call() as call:
        for number in (25, 50, 10):
            call.ask("GET", f"/divide/{number}")
            stage.pause(0.05)
    stage.get("/divide/4")


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
)
