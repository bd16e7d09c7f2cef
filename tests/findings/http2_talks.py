"""HTTP/2 conversations, spoken by the `h2` library, as packets: a plain capture of one side.

talk = Http2Talk()
talk.asks("/a")              stream 1, in a packet of its own
talk.answers(1, b"ok")
talk.server.close_connection()
found = told(talk)           the findings on a capture of it
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hyperframe.frame import RstStreamFrame

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.tcp.wire import Wire, pcap

MS = 1_000_000


class Http2Talk:
    """One connection. Each packet comes a millisecond after the one before; `at` is in ms."""

    scheme = "http"

    def __init__(
        self,
        port: int = 40000,
        at: int = 0,
        settings: dict[SettingCodes, int] | None = None,
        asking: dict[SettingCodes, int] | None = None,
        isn: int = 99,
    ) -> None:
        """`settings`: of the server; `asking`: of the client; `isn`: where the client begins."""
        self.wire = Wire([], Endpoint("10.0.0.9", port), Endpoint("10.0.0.80", 80))
        self.now = at * MS
        self.sent = {True: isn + 1, False: isn + 901}
        self.wire.c("SYN", isn, at=self.now)
        self.wire.s("SYN", isn + 900, ack=isn + 1, at=self._next())
        self.wire.c("ACK", isn + 1, ack=isn + 901, at=self._next())
        self.client = H2Connection(H2Configuration(client_side=True))
        self.server = H2Connection(
            H2Configuration(client_side=False, validate_outbound_headers=False)
        )
        if settings:
            self.server.local_settings = Settings(client=False, initial_values=settings)
        if asking:
            self.client.local_settings = Settings(client=True, initial_values=asking)
        self.client.initiate_connection()
        self.server.initiate_connection()
        self.said()

    def between(self, client: str, server: Endpoint) -> None:
        """Other ends, before anything is asked."""
        self.wire = self.wire.between(self.wire.client._replace(address=client), server)

    def moved(self, port: int, ns: int = 0) -> None:
        """Another port of the client, and another time."""
        self.wire = self.wire.between(self.wire.client._replace(port=port), self.wire.server)
        for segment in self.wire.segments:
            segment.time_ns += ns

    def _next(self) -> int:
        self.now += MS
        return self.now

    def wait(self, ms: int) -> None:
        """Nothing is sent for so long."""
        self.now += ms * MS

    def send(self, from_client: bool, data: bytes, flags: str = "PSH") -> None:
        """A packet."""
        add = self.wire.c if from_client else self.wire.s
        add(flags, self.sent[from_client], data, ack=self.sent[not from_client], at=self._next())
        self.sent[from_client] += len(data) + flags.count("FIN")

    def said(self) -> None:
        """What both have to say is sent and heard."""
        for _ in range(2):
            for from_client, one, other in (
                (True, self.client, self.server),
                (False, self.server, self.client),
            ):
                data = one.data_to_send()
                if data:
                    self.send(from_client, data)
                    other.receive_data(data)

    def resets(self, stream: int, code: int = 8) -> None:
        """The client resets a stream, whatever has become of it."""
        self.send(True, RstStreamFrame(stream, code).serialize())

    def unheard(self, from_client: bool) -> None:
        """What one has to say is sent, and the other has not read it yet."""
        self.send(from_client, (self.client if from_client else self.server).data_to_send())

    def asks(self, path: str, body: bytes | None = None, *more: tuple[str, str]) -> int:
        """A request, on the stream that is returned."""
        stream: int = self.client.get_next_available_stream_id()
        method = "GET" if body is None else "POST"
        head = [(":method", method), (":path", path), (":scheme", self.scheme)]
        head.append((":authority", "a"))
        self.client.send_headers(stream, [*head, *more], end_stream=body is None)
        if body is not None:
            self.client.send_data(stream, body, end_stream=True)
        self.said()
        return stream

    def answers(
        self,
        stream: int,
        body: bytes = b"",
        *more: tuple[str, str],
        ends: bool = True,
        status: str = "200",
        trailers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """The answer on a stream, or its beginning."""
        only = not body and not trailers
        self.server.send_headers(stream, [(":status", status), *more], end_stream=ends and only)
        if body:
            self.server.send_data(stream, body, end_stream=ends and not trailers)
        if trailers:
            self.server.send_headers(stream, trailers, end_stream=True)
        self.said()

    def closes(self, from_client: bool = False) -> None:
        """One end closes, then the other."""
        self.send(from_client, b"", "FIN+ACK")
        self.send(not from_client, b"", "FIN+ACK")


def told(*talks: Http2Talk) -> list[Finding]:
    """The findings on one capture of these conversations."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.pcap"
        path.write_bytes(pcap(*(talk.wire for talk in talks)))
        (alone,) = show([[str(path)]]).captures
    return list(alone.findings)


def of(findings: list[Finding], slug: str) -> list[Finding]:
    """Those of a slug, or of one of its variants."""
    return [f for f in findings if f.slug == slug or f.slug.startswith(f"{slug}.")]
