"""Bodies: expected, chunked, large, compressed, none."""

from __future__ import annotations

from lbtrace.lab.plan import Traffic
from lbtrace.lab.play import Play

LARGE_BYTES = 60_000


def expecting(stage: Play) -> None:
    """POSTs that wait for 100 Continue before they send the body."""
    with stage.call() as call:
        for number in range(3):
            body = f"number={number}&".encode() * 50
            call.send(
                "POST",
                "/echo",
                ("Expect", "100-continue"),
                ("Content-Length", str(len(body))),
                ("Content-Type", "text/plain"),
                raw_body=b"",
            )
            call.socket.settimeout(1.0)
            head = call.stream.readline()
            if head.split()[1:2] == [b"100"]:
                while call.stream.readline() not in (b"\r\n", b""):
                    pass
                call.socket.settimeout(9.0)
                call.socket.sendall(body)
                call.read()


def chunked(stage: Play) -> None:
    """Uploads in chunks, and responses in chunks."""
    with stage.call() as call:
        for number in range(3):
            pieces = [f"piece {number}.{n} ".encode() * (n + 1) for n in range(4)]
            raw = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
            call.send("POST", "/echo", ("Transfer-Encoding", "chunked"), raw_body=raw)
            call.read()
        for number in range(2):
            call.ask("GET", f"/chunked?n={number + 2}")


def large(stage: Play) -> None:
    """A large response and a large upload."""
    with stage.call() as call:
        call.ask("GET", f"/large?bytes={LARGE_BYTES}")
        call.ask("POST", "/echo", body=b"upload. " * (LARGE_BYTES // 8))
        call.ask("GET", "/divide/25")


def compressed(stage: Play) -> None:
    """A client that accepts gzip; the balancer compresses."""
    with stage.call() as call:
        call.ask("GET", "/text", ("Accept-Encoding", "gzip"))
        call.ask("GET", "/text")
        call.ask("GET", "/divide/25", ("Accept-Encoding", "gzip"))


def methods(stage: Play) -> None:
    """HEAD, OPTIONS, PUT, DELETE, no content."""
    with stage.call() as call:
        call.ask("HEAD", "/divide/25")
        call.ask("OPTIONS", "/divide/25")
        call.ask("PUT", "/echo", body=b"put this")
        call.ask("DELETE", "/status/404")
        call.ask("GET", "/divide/4")


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
