"""What lasts: a slow upload, an event stream, a session."""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

PARTS, PAUSE_S = 8, 0.15


def upload(clients: Clients) -> None:
    """Two uploads that the client sends bit by bit, between two quick requests."""
    part = b"part of an upload. " * 20
    with clients.connect() as connection:
        connection.ask("GET", "/divide/25")
        for _ in range(2):
            length = ("Content-Length", str(PARTS * len(part)))
            connection.send("POST", "/echo", length, raw_body=part)
            for _ in range(PARTS - 1):
                clients.pause(PAUSE_S)
                connection.socket.sendall(part)
            connection.read()
        connection.ask("GET", "/divide/4")


def event_stream(clients: Clients) -> None:
    """Events that a backend sends one by one."""
    with clients.connect() as connection:
        connection.ask("GET", "/divide/25")
        for number in (5, 6):
            connection.ask("GET", f"/events?n={number}&ms=300", ("Accept-Encoding", "gzip"))


def session(clients: Clients) -> None:
    """A login, and requests with its cookie on connections of their own."""
    set_by = clients.get("/login").headers.get("set-cookie", "")
    for number in (25, 50, 10, 4):
        clients.get(f"/divide/{number}", ("Cookie", set_by.partition(";")[0]))
        clients.pause(0.02)


TRAFFICS = (
    Traffic("upload", "uploads that the client sends slowly", upload),
    Traffic(
        "event-stream",
        "events that the backend sends one by one, and the balancer compresses",
        event_stream,
        needs=frozenset({"http", "gzip"}),
    ),
    Traffic(
        "session",
        "a session cookie, and two backends of which one knows it",
        session,
        needs=frozenset({"http"}),
        backends=2,
    ),
)
