"""A TLS conversation → what the stage and the HTTP stage make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbtrace import http, tls
from lbtrace.model.http import Application, Exchange
from lbtrace.model.tls_session import TlsSession
from lbtrace.options import DEFAULT, quiet
from lbtrace.tables.packets import StreamTable
from tests.http.streams import Talk, connection, table
from tests.tls.wire import CLIENT, SERVER, Tls

ASK = b"GET /%s HTTP/1.1\r\nHost: lb.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


def get(target: bytes) -> bytes:
    return ASK % target


def ok(body: bytes) -> bytes:
    return ANSWER % (len(body), body)


def secrets_of(*conversations: Tls) -> tls.Secrets:
    found = tls.Secrets()
    for one in conversations:
        found.add(one.keylog())
    return found


@dataclass
class Read:
    """What was read."""

    streams: StreamTable
    applications: list[Application]
    exchanges: Sequence[Exchange]

    @property
    def session(self) -> TlsSession:
        hello = self.applications[0].tls
        assert hello is not None
        assert hello.session is not None
        return hello.session

    def text(self, stream: int) -> bytes:
        """What is there of a stream, holes left out."""
        s = self.streams
        return b"".join(
            bytes(s.buffers[s.buffer[r]][s.payload[r] : s.payload[r] + s.length[r]])
            for r in s.pieces(stream)
        )

    def story(self) -> list[tuple[str | None, int | None]]:
        return [
            (e.request.target if e.request else None, e.response.status if e.response else None)
            for e in self.exchanges
        ]


def read(talk: Talk, secrets: tls.Secrets) -> Read:
    """One connection, through both stages."""
    opened = tls.opened(table([talk]), secrets, quiet)
    applications, exchanges, *_ = http.exchanges([connection(0)], opened.streams, DEFAULT, quiet)
    return Read(opened.streams, tls.told(applications, opened, secrets), exchanges)


def talk_of(tls_: Tls, lost: Sequence[int] = ()) -> Talk:
    """Each record is a segment; those of these places are not in the capture."""
    talk = Talk()
    for place, (who, record) in enumerate(tls_.sent):
        talk.say(who, record, lost=place in lost)
    return talk


def one_exchange(tls_: Tls) -> Tls:
    """A handshake, a request, its response."""
    return tls_.handshake().say(CLIENT, get(b"a")).say(SERVER, ok(b"body" * 100))
