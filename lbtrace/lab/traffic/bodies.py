"""Bodies: expected, chunked, large, compressed, none."""

from __future__ import annotations

from lbtrace.lab.clients import Clients
from lbtrace.lab.plan import Traffic

LARGE_BYTES = 60_000


def expecting(clients: Clients) -> None:
    """POSTs that wait for 100 Continue before they send the body."""
    with clients.connect() as connection:
        for number in range(3):
            body = f"number={number}&".encode() * 50
            connection.send(
                "POST",
                "/echo",
                ("Expect", "100-continue"),
                ("Content-Length", str(len(body))),
                ("Content-Type", "text/plain"),
                raw_body=b"",
            )
            connection.socket.settimeout(1.0)
            head = connection.stream.readline()
            if head.split()[1:2] == [b"100"]:
                while connection.stream.readline() not in (b"\r\n", b""):
                    pass
                connection.socket.settimeout(9.0)
                connection.socket.sendall(body)
                connection.read()


def chunked(clients: Clients) -> None:
    """Uploads in chunks, and responses in chunks."""
    with clients.connect() as connection:
        for number in range(3):
            pieces = [f"piece {number}.{n} ".encode() * (n + 1) for n in range(4)]
            raw = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
            connection.send("POST", "/echo", ("Transfer-Encoding", "chunked"), raw_body=raw)
            connection.read()
        for number in range(2):
            connection.ask("GET", f"/chunked?n={number + 2}")


def large(clients: Clients) -> None:
    """A large response and a large upload."""
    with clients.connect() as connection:
        connection.ask("GET", f"/large?bytes={LARGE_BYTES}")
        connection.ask("POST", "/echo", body=b"upload. " * (LARGE_BYTES // 8))
        connection.ask("GET", "/divide/25")


def compressed(clients: Clients) -> None:
    """A client that accepts gzip; the balancer compresses."""
    with clients.connect() as connection:
        connection.ask("GET", "/text", ("Accept-Encoding", "gzip"))
        connection.ask("GET", "/text")
        connection.ask("GET", "/divide/25", ("Accept-Encoding", "gzip"))


def methods(clients: Clients) -> None:
    """HEAD, OPTIONS, PUT, DELETE, no content."""
    with clients.connect() as connection:
        connection.ask("HEAD", "/divide/25")
        connection.ask("OPTIONS", "/divide/25")
        connection.ask("PUT", "/echo", body=b"put this")
        connection.ask("DELETE", "/status/404")
        connection.ask("GET", "/divide/4")


TRAFFICS = (
    Traffic("post-continue", "POSTs with Expect: 100-continue", expecting),
    Traffic("chunked", "chunked uploads and chunked responses", chunked),
    Traffic("large", "a large response and a large upload", large),
    Traffic(
        "gzip",
        "responses compressed by the balancer",
        compressed,
        needs=frozenset({"http", "gzip"}),
    ),
    Traffic("methods", "HEAD, OPTIONS, PUT, DELETE", methods),
)
