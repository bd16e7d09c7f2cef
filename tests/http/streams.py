"""A conversation, piece by piece → the StreamTable the HTTP stage reads, without any packet.

    Talk().client(b"GET / HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK\r\n…").fin()

Each call is one segment: frames count from 1, one millisecond apart, and each acknowledges all the
other side sent before. `lost=True` sends a segment that the capture does not have; `cut=n` keeps
only its first n bytes; `early_ns=n` stamps it so much earlier than the capture has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lbtrace import http
from lbtrace.model.event_stream import EventStream
from lbtrace.model.grpc import GrpcCall
from lbtrace.model.http import Application, Exchange
from lbtrace.model.http2 import ControlFrame, StreamParts, WindowStall
from lbtrace.model.net import Endpoint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.model.trace import Diagnostic
from lbtrace.model.tunnel import Tunnel
from lbtrace.model.websocket import WebSocket
from lbtrace.options import DEFAULT, Options, quiet
from lbtrace.tables.packets import StreamTable

MS = 1_000_000


@dataclass
class Piece:
    start: int
    data: bytes
    frame: int
    ack: int
    repeated: bool = False
    early_ns: int = 0


@dataclass
class Talk:
    """One connection. `syn=False`: the capture began later."""

    syn: bool = True
    frame: int = 0
    pieces: tuple[list[Piece], list[Piece]] = field(default_factory=lambda: ([], []))
    sent: list[int] = field(default_factory=lambda: [0, 0])
    fins: list[int] = field(default_factory=lambda: [-1, -1])
    reset: bool = False

    def say(
        self,
        who: int,
        data: bytes,
        lost: bool = False,
        cut: int | None = None,
        repeated: bool = False,
        ack: int | None = None,
        early_ns: int = 0,
    ) -> Talk:
        self.frame += 1
        start = self.sent[who]
        self.sent[who] += len(data)
        kept = b"" if lost else data[:cut]
        if kept:
            had = self.sent[1 - who] if ack is None else ack
            self.pieces[who].append(Piece(start, kept, self.frame, had, repeated, early_ns))
        return self

    def client(self, data: bytes, **how: object) -> Talk:
        return self.say(0, data, **how)  # type: ignore[arg-type]

    def server(self, data: bytes, **how: object) -> Talk:
        return self.say(1, data, **how)  # type: ignore[arg-type]

    def fin(self, unseen: int = 0) -> Talk:
        """Both ends close, the server behind so many bytes that nobody captured or acknowledged."""
        self.fins = [self.sent[0], self.sent[1] + unseen]
        return self

    def rst(self) -> Talk:
        self.reset = True
        return self


def table(talks: Sequence[Talk]) -> StreamTable:
    """The talks as one StreamTable, connection i being talks[i]."""
    buffer = bytearray()
    rows: list[tuple[int, int, int, int, int, bool, int]] = []
    first = [0]
    clean, known, end, fin, reset = [], [], [], [], []
    for talk in talks:
        for who in (0, 1):
            pieces = sorted(talk.pieces[who], key=lambda p: p.start)
            at, frame, tidy = 0, 0, talk.syn
            for piece in pieces:
                tidy = tidy and piece.start == at and piece.frame > frame and not piece.repeated
                at, frame = piece.start + len(piece.data), piece.frame
                rows.append(
                    (
                        piece.start,
                        len(piece.data),
                        len(buffer),
                        piece.frame,
                        piece.ack,
                        piece.repeated,
                        piece.frame * MS - piece.early_ns,
                    )
                )
                buffer += piece.data
            first.append(len(rows))
            clean.append(tidy and at == talk.sent[who] >= talk.fins[who])
            known.append(talk.syn)
            end.append(talk.sent[who])
            fin.append(talk.fins[who])
            reset.append(talk.reset)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    return StreamTable(
        first=np.array(first, dtype=np.int64),
        start=np.array(columns[0], dtype=np.int64),
        length=np.array(columns[1], dtype=np.uint32),
        payload=np.array(columns[2], dtype=np.int64),
        buffer=np.zeros(len(rows), dtype=np.uint8),
        frame=np.array(columns[3], dtype=np.uint32),
        time_ns=np.array(columns[6], dtype=np.int64),
        ack=np.array(columns[4], dtype=np.int64),
        repeated=np.array(columns[5], dtype=bool),
        clean=np.array(clean, dtype=bool),
        known_start=np.array(known, dtype=bool),
        end=np.array(end, dtype=np.int64),
        fin=np.array(fin, dtype=np.int64),
        reset=np.array(reset, dtype=bool),
        buffers=[bytes(buffer)],
    )


_NOTHING = Direction(
    0, 0, 0, 0, 0, 0, 0, 0, 0, None, None, None, None, None, None, None, None, None
)


def connection(number: int) -> Connection:
    return Connection(
        number, Endpoint("10.0.0.1", 40000 + number), Endpoint("10.0.0.2", 80), "", RoleSource.SYN,
        1, 0, 1, True, 1, 0, 0, 0, 1, 0, 1, 0, _NOTHING, _NOTHING,
    )  # fmt: skip


@dataclass
class Heard:
    applications: list[Application]
    exchanges: Sequence[Exchange]
    diagnostics: tuple[Diagnostic, ...]
    control: Sequence[ControlFrame] = ()
    stalls: Sequence[WindowStall] = ()
    calls: Sequence[GrpcCall] = ()
    web_sockets: Sequence[WebSocket] = ()
    event_streams: Sequence[EventStream] = ()
    parts: Sequence[StreamParts] = ()
    tunnels: Sequence[Tunnel] = ()
    spent: int = field(default=0, compare=False)  # by the careful road only
    limited: bool = False

    @property
    def slugs(self) -> set[str]:
        return {d.slug for d in self.diagnostics}


def hear(
    *talks: Talk,
    options: Options = DEFAULT,
    careful: bool = False,
    several: http.Several = http.one_shard,
) -> Heard:
    """What the HTTP stage makes of them."""
    connections = [connection(i) for i in range(len(talks))]
    return Heard(*http.exchanges(connections, table(talks), options, quiet, careful, several))


def story(heard: Heard) -> list[tuple[str | None, int | None]]:
    """(target, status) of each exchange, in order."""
    return [
        (e.request.target if e.request else None, e.response.status if e.response else None)
        for e in heard.exchanges
    ]


def get(target: str, *lines: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1")


def ok(body: bytes = b"", *lines: str, status: str = "200 OK") -> bytes:
    """A response with a Content-Length."""
    return (
        "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]).encode(
            "latin-1"
        )
        + body
    )
