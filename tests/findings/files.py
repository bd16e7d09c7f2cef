"""Conversations as they are on the wire → the findings on their capture files."""

from __future__ import annotations

from pathlib import Path

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding, Report
from lbtrace.pipeline import compare
from tests.tcp.wire import Wire, pcap

SECOND = 1_000_000_000
FRONT, BACKEND = Endpoint("10.0.0.80", 80), Endpoint("172.16.0.11", 8080)
ASK = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def report(folder: Path, front: list[Wire], behind: list[Wire]) -> Report:
    """The report on two captures of these conversations."""
    paths = [folder / "client.pcap", folder / "backend.pcap"]
    for path, wires in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(*wires))
    return compare([[str(paths[0])]], [[str(paths[1])]])


def of(told: Report, slug: str) -> list[Finding]:
    """The findings of a slug, or of one of its variants."""
    return [f for f in told.findings if f.slug == slug or f.slug.startswith(f"{slug}.")]


class Talk:
    """One connection through a balancer that passes packets on (DNAT): what is said in front, and
    what of it arrives behind. Times are in ns; `seen` says whether the other side gets the packet.
    `begins`: the first sequence number. The front of one and the back of another that begins
    elsewhere are a connection through a proxy.
    """

    def __init__(self, port: int, at: int = 0, begins: int = 99) -> None:
        client = Endpoint("10.0.0.9", port)
        self.front, self.behind = Wire([], client, FRONT), Wire([], client, BACKEND)
        c, s = begins + 1, begins + 901
        self.sent = {True: c, False: s}  # the next sequence number, of client and server
        self._both("c", "SYN", c - 1, b"", None, at)
        self._both("s", "SYN", s - 1, b"", c, at + 1000)
        self._both("c", "ACK", c, b"", s, at + 2000)

    def _both(
        self, end: str, flags: str, seq: int, data: bytes, ack: int | None, at: int,
        front: bool = True, behind: bool = True,
    ) -> None:  # fmt: skip
        for wire, seen in ((self.front, front), (self.behind, behind)):
            if seen:
                getattr(wire, end)(flags, seq, data, ack=ack, at=at)

    def says(
        self, client: bool, data: bytes, at: int, *, acked: bool = True, front: bool = True,
        behind: bool = True, flags: str = "PSH",
    ) -> None:  # fmt: skip
        """One end sends a segment, and the other acknowledges it."""
        ends = ("c", "s") if client else ("s", "c")
        seq, ack = self.sent[client], self.sent[not client]
        self._both(ends[0], flags, seq, data, ack, at, front, behind)
        if acked:
            self.sent[client] += len(data) + (flags == "FIN")
            self._both(ends[1], "ACK", ack, b"", self.sent[client], at + 1000)

    def asks(self, at: int, name: bytes = b"x") -> None:
        """A request and its answer."""
        self.says(True, ASK % name, at)
        self.says(False, ANSWER, at + 10_000)

    def resets(self, client: bool, at: int, behind: bool = True) -> None:
        """One end sends RST."""
        end = "c" if client else "s"
        self._both(end, "RST", self.sent[client], b"", self.sent[not client], at, behind=behind)
