"""What two capture points write down of a conversation: scripts of TCP connections → Trace objects,
and → pcap bytes.

A `Line` is one connection as it was spoken on the wire of one side, in true time. `trace()` turns
the lines of one point into the Trace the reading stages would make of them (no bytes are parsed),
`packets.pcap()` into a capture file. Both apply the point's clock and lose the same messages.
Frames are numbered in order of true time, as a capture would number them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import xxhash

from lbtrace.model.http import (
    NO_BODY,
    Application,
    Body,
    ClientHello,
    Exchange,
    Framing,
    HeaderLine,
    Interim,
    Mark,
    Protocol,
    ProxyHeader,
    Request,
    Response,
)
from lbtrace.model.net import Endpoint, Side, SynFingerprint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.model.trace import CaptureFile, PacketCounts, Trace

EPOCH_NS = 1_700_000_000_000_000_000
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Message:
    """A request or a response as it is sent: start line parts, header lines, body. `start` is
    (method, target) or (status, reason).
    """

    start: tuple[str, str]
    lines: list[tuple[str, str]]
    body: bytes = b""
    version: str = "HTTP/1.1"
    coding: str = ""  # the content coding `body` is the decoded form of
    chunked: bool = False
    trailers: list[tuple[str, str]] = field(default_factory=list)  # of a chunked one
    bodiless: bool = False  # an answer to HEAD: its length is declared, and no body comes

    def head(self) -> bytes:
        """The bytes of its start line and header lines on the wire."""
        method_or_status, rest = self.start
        status = method_or_status.isdigit()
        first = (
            f"{self.version} {method_or_status} {rest}"
            if status
            else f"{method_or_status} {rest} {self.version}"
        )
        return ("\r\n".join([first, *(f"{n}: {v}" for n, v in self.lines)]) + "\r\n\r\n").encode(
            "latin-1"
        )

    def payload(self) -> bytes:
        """The bytes on the wire."""
        body = self.coded()
        if self.chunked:
            ending = "".join(f"{n}: {v}\r\n" for n, v in self.trailers).encode("latin-1")
            body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            body += b"0\r\n" + ending + b"\r\n"
        return self.head() + body

    def coded(self) -> bytes:
        """The body after its content coding."""
        if self.coding == "gzip":
            import gzip

            return gzip.compress(self.body, mtime=0)
        return self.body

    def as_body(self) -> Body:
        """What the http stage says of the body."""
        if self.bodiless:
            return NO_BODY
        coded = self.coded()
        declared = next((int(v) for n, v in self.lines if n.lower() == "content-length"), None)
        framing = (
            Framing.CHUNKED
            if self.chunked
            else Framing.CONTENT_LENGTH
            if declared is not None
            else Framing.NONE
        )
        plain = xxhash.xxh3_128_hexdigest(self.body) if self.coding else None
        digest = None if framing is Framing.NONE else xxhash.xxh3_128_hexdigest(coded)
        return Body(
            framing,
            len(coded),
            declared,
            True,
            digest,
            plain,
            len(self.body) if self.coding else None,
        )


@dataclass(slots=True)
class Turn:
    """One message on a line: when its first and its last byte pass the capture point (true time,
    ns), and whether the capture missed it.
    """

    from_client: bool
    message: Message
    first_ns: int
    last_ns: int
    lost: bool = False
    repeated: bool = False  # a segment of it was sent twice
    parts: int = 1  # it is sent in so many parts, evenly from its first to its last byte
    continued_ns: int | None = None  # the server said 100 Continue then, and the body came after


@dataclass(slots=True)
class Line:
    """One TCP connection at one capture point. `turns` are in order; request k is answered by
    response k. `key` is for the simulation's truth.
    """

    client: Endpoint
    server: Endpoint
    opened_ns: int
    isn: int = 1000
    server_isn: int = 5000
    turns: list[Turn] = field(default_factory=list)
    closed_ns: int | None = None
    closed_by_client: bool = True
    reset: bool = False
    fin_ns: int | None = None  # the server's FIN, when something came after it
    syn_seen: bool = True
    proxy: ProxyHeader | None = None
    proxy_bytes: bytes = b""
    tls: ClientHello | None = None
    opaque: tuple[int, int] = (
        0,
        0,
    )  # bytes of a connection that is not HTTP, from client and from server
    opaque_first_ns: int = 0
    opaque_last_ns: int = 0
    # when client and server first and last spoke, where that is not the whole time
    opaque_spoke: dict[bool, tuple[int, int]] = field(default_factory=dict)
    digests: tuple[str | None, str | None] = (None, None)  # of a protocol that is not HTTP
    timestamp: int = 0
    ttl: int = 64

    @property
    def last_ns(self) -> int:
        """The time of its last packet."""
        last = [t.last_ns for t in self.turns] + [self.opened_ns, self.opaque_last_ns]
        return max([*last, self.closed_ns or 0])

    def hide(self) -> None:
        """What it says is in a protocol that is not HTTP."""
        ends = [
            b"".join(t.message.payload() for t in self.turns if t.from_client is end)
            for end in (True, False)
        ]
        self.encrypt()
        self.opaque = len(ends[0]), len(ends[1])
        self.digests = xxhash.xxh3_128_hexdigest(ends[0]), xxhash.xxh3_128_hexdigest(ends[1])

    def encrypt(self) -> None:
        """What it says is in TLS: only its sizes and times are left (29 bytes a record and the
        handshakes).
        """
        up = sum(len(t.message.payload()) + 29 for t in self.turns if t.from_client)
        down = sum(len(t.message.payload()) + 29 for t in self.turns if not t.from_client)
        self.opaque = (up + 517, down + 1400)
        self.opaque_first_ns = self.turns[0].first_ns if self.turns else self.opened_ns + 5_000
        self.opaque_last_ns = self.turns[-1].last_ns if self.turns else self.opened_ns + 10_000
        for end in (True, False):
            spoken = [t for t in self.turns if t.from_client is end]
            if spoken:
                self.opaque_spoke[end] = spoken[0].first_ns, spoken[-1].last_ns
        self.turns = []


def _header(name: str, value: str) -> HeaderLine:
    return _HEADERS.setdefault((name, value), HeaderLine(name, value, f"{name}: {value}"))


_HEADERS: dict[tuple[str, str], HeaderLine] = {}


@dataclass(slots=True)
class Clockwork:
    """A capture point's clock: what it shows at a true time."""

    offset_ns: int = 0
    drift_ppb: int = 0
    step_at_ns: int | None = None
    step_ns: int = 0
    since_ns: int = EPOCH_NS

    def show(self, true_ns: int) -> int:
        """True time → the time the capture writes."""
        shown = (
            true_ns + self.offset_ns + (true_ns - self.since_ns) * self.drift_ppb // 1_000_000_000
        )
        if self.step_at_ns is not None and true_ns >= self.step_at_ns:
            shown += self.step_ns
        return shown


@dataclass(slots=True)
class Written:
    """A Trace, and where things are in it: line → connection id, (line, index of the request's
    turn) → exchange id.
    """

    trace: Trace
    connections: dict[int, int]
    exchanges: dict[tuple[int, int], int]


def _where(hello: ClientHello, connection: Connection) -> ClientHello:
    """A ClientHello where the first bytes of the client are: only a PROXY header stands before."""
    way = connection.from_client
    frame, time_ns = way.first_payload_frame, way.first_payload_ns
    if frame is None or time_ns is None:
        frame, time_ns = connection.first_frame, connection.first_ns
    return hello._replace(frame=frame, time_ns=time_ns)


def trace(
    side: Side,
    point: int,
    lines: Sequence[Line],
    clock: Clockwork,
    window: tuple[int, int] | None = None,
) -> Written:
    """Lines of one point → its Trace.

    `window` (true time) limits what was captured: a line outside it is not seen, turns outside it
    neither.
    """
    begin, end = window or (-(1 << 62), 1 << 62)
    moments: list[
        tuple[int, int, int, int]
        # time, line, kind (0 syn, 1 synack, 2 ack, 3 turn, 4 TLS, 5 interim, 8 FIN, 9 close), index
    ] = []
    for at, line in enumerate(lines):
        if line.syn_seen:
            moments += [(line.opened_ns + k * 1000, at, k, 0) for k in range(3)]
        moments += [(t.first_ns, at, 3, k) for k, t in enumerate(line.turns) if not t.lost]
        moments += [
            (t.continued_ns, at, 5, k)
            for k, t in enumerate(line.turns)
            if t.continued_ns is not None and not t.lost
        ]
        if line.fin_ns is not None:
            moments.append((line.fin_ns, at, 8, 0))
        if line.opaque_last_ns:
            moments += [(line.opaque_first_ns, at, 4, 0), (line.opaque_last_ns, at, 4, 1)]
        if line.closed_ns is not None:
            moments.append((line.closed_ns, at, 9, 0))
    moments = sorted(m for m in moments if begin <= m[0] <= end)
    frame_of = {(at, kind, k): number + 1 for number, (_, at, kind, k) in enumerate(moments)}
    frames_of: dict[int, list[int]] = {}
    for number, moment in enumerate(moments):
        frames_of.setdefault(moment[1], []).append(number + 1)
    seen = list(frames_of)  # in order of their first frame
    connections: list[Connection] = []
    applications: list[Application] = []
    found: list[tuple[int, int, int, Exchange]] = []
    for number, at in enumerate(seen):
        line = lines[at]
        connections.append(
            _connection(number, at, line, frame_of, frames_of[at], clock, begin, end)
        )
        name = (
            Protocol.TLS
            if line.tls
            else Protocol.HTTP1
            if line.turns
            else Protocol.OTHER
            if any(line.opaque)
            else Protocol.NONE
        )
        applications.append(
            Application(
                name,
                proxy=(line.proxy,) if line.proxy else (),
                tls=line.tls and _where(line.tls, connections[-1]),
                digests=line.digests,
            )
        )
        for k, exchange in _exchanges(number, at, line, frame_of, clock, begin, end):
            first = (
                exchange.request.first_frame
                if exchange.request
                else exchange.response.first_frame
                if exchange.response
                else 0
            )
            found.append((first, at, k, exchange))
    found.sort(key=lambda f: f[0])
    ids = {(at, k): number for number, (_, at, k, _) in enumerate(found)}
    exchanges = [e._replace(id=number) for number, (_, _, _, e) in enumerate(found)]
    first = clock.show(moments[0][0]) if moments else 0
    last = clock.show(moments[-1][0]) if moments else 0
    files = (
        CaptureFile(
            f"{side}-{point}.pcap",
            "pcap",
            "",
            1,
            len(moments),
            1,
            first,
            last,
            1000,
            ("EN10MB",),
            None,
            None,
        ),
    )
    counts = PacketCounts(len(moments), len(moments))
    made = Trace(side, point, files, counts, first, last, connections, applications, exchanges)
    return Written(made, {at: number for number, at in enumerate(seen)}, ids)


def _direction(
    line: Line,
    at: int,
    from_client: bool,
    frame_of: dict[tuple[int, int, int], int],
    clock: Clockwork,
) -> Direction:
    turns = [
        (k, t)
        for k, t in enumerate(line.turns)
        if t.from_client is from_client and (at, 3, k) in frame_of
    ]
    lost = sum(
        len(t.message.payload())
        for k, t in enumerate(line.turns)
        if t.from_client is from_client and t.lost
    )
    size = (
        sum(len(t.message.payload()) for _, t in turns)
        + line.opaque[0 if from_client else 1]
        + (len(line.proxy_bytes) if from_client else 0)
    )
    closes = (
        line.closed_ns is not None
        and (at, 9, 0) in frame_of
        and line.closed_by_client is from_client
    )
    half_closed = not from_client and line.fin_ns is not None and (at, 8, 0) in frame_of
    fin = (closes and not line.reset) or half_closed
    rst = closes and line.reset
    syn = line.syn_seen and (at, 0 if from_client else 1, 0) in frame_of
    fingerprint = (
        SynFingerprint(line.ttl, 64240, 1460, 7, True, line.timestamp, (2, 4, 8, 1, 3))
        if syn
        else None
    )
    close_frame = frame_of.get((at, 9, 0))
    close_ns = clock.show(line.closed_ns) if line.closed_ns is not None else None
    fin_frame = frame_of[at, 8, 0] if half_closed else close_frame
    fin_ns = clock.show(line.fin_ns) if half_closed and line.fin_ns is not None else close_ns
    hidden = line.opaque_spoke.get(from_client, (line.opaque_first_ns, line.opaque_last_ns))
    hidden_ns = [clock.show(t) for t in hidden] if line.opaque_last_ns else [None, None]
    hidden_frame = frame_of.get((at, 4, 0 if from_client else 1))
    return Direction(
        packets=len(turns) + 2,
        bytes=size,
        missing=lost,
        truncated=0,
        retransmissions=sum(t.repeated for _, t in turns),
        out_of_order=0,
        zero_windows=0,
        fins=int(fin),
        rsts=int(rst),
        isn=(line.isn if from_client else line.server_isn) if syn else None,
        fin_frame=fin_frame if fin else None,
        fin_ns=fin_ns if fin else None,
        rst_frame=close_frame if rst else None,
        rst_ns=close_ns if rst else None,
        first_payload_frame=frame_of[at, 3, turns[0][0]] if turns else hidden_frame,
        first_payload_ns=clock.show(turns[0][1].first_ns) if turns else hidden_ns[0],
        last_payload_ns=clock.show(turns[-1][1].last_ns) if turns else hidden_ns[1],
        last_packet_ns=clock.show(turns[-1][1].last_ns) if turns else hidden_ns[1],
        syn=fingerprint,
        start_seq=((line.isn if from_client else line.server_isn) + 1) % (1 << 32)
        if turns or syn
        else None,
    )


def _connection(
    number: int,
    at: int,
    line: Line,
    frame_of: dict[tuple[int, int, int], int],
    frames: list[int],
    clock: Clockwork,
    begin: int,
    end: int,
) -> Connection:
    syn = (at, 0, 0) in frame_of
    return Connection(
        id=number,
        client=line.client,
        server=line.server,
        network="",
        role_source=RoleSource.SYN if syn else RoleSource.PAYLOAD,
        syns=int(syn),
        syn_retransmissions=0,
        synacks=int(syn),
        opened=syn,
        syn_frame=frame_of.get((at, 0, 0)),
        syn_ns=clock.show(line.opened_ns) if syn else None,
        synack_ns=clock.show(line.opened_ns + 1000) if syn else None,
        established_ns=clock.show(line.opened_ns + 2000) if syn else None,
        first_frame=frames[0],
        first_ns=clock.show(max(line.opened_ns, begin)),
        last_frame=frames[-1],
        last_ns=clock.show(min(line.last_ns, end)),
        from_client=_direction(line, at, True, frame_of, clock),
        from_server=_direction(line, at, False, frame_of, clock),
    )


def _exchanges(
    number: int,
    at: int,
    line: Line,
    frame_of: dict[tuple[int, int, int], int],
    clock: Clockwork,
    begin: int,
    end: int,
) -> list[tuple[int, Exchange]]:
    out: list[tuple[int, Exchange]] = []
    asked = [k for k, t in enumerate(line.turns) if t.from_client]
    answers = [k for k, t in enumerate(line.turns) if not t.from_client]
    sent = {True: len(line.proxy_bytes), False: 0}
    offset: list[int] = []
    for t in line.turns:
        offset.append(sent[t.from_client])
        sent[t.from_client] += len(t.message.payload())
        sent[False] += len(CONTINUE) if t.continued_ns is not None else 0
    for ordinal, k in enumerate(asked):
        request: Request | None = None
        response: Response | None = None
        interim: tuple[Interim, ...] = ()
        if (at, 3, k) in frame_of:
            turn = line.turns[k]
            request = _request(turn, frame_of[at, 3, k], offset[k], clock)
            if turn.continued_ns is not None and (at, 5, k) in frame_of:
                interim = (Interim(100, (), frame_of[at, 5, k], clock.show(turn.continued_ns)),)
        j = answers[ordinal] if ordinal < len(answers) else None
        if j is not None and (at, 3, j) in frame_of:
            response = _response(line.turns[j], frame_of[at, 3, j], offset[j], clock)
        if request is None and response is None:
            continue
        marks: tuple[Mark, ...] = ()
        if request is None:
            marks = (Mark.LOST,)
        elif response is None:
            marks = (_missing(line, j, end),)
        out.append((k, Exchange(0, number, ordinal + 1, request, response, interim, marks)))
    return out


def _missing(line: Line, answer: int | None, end: int) -> Mark:
    """Why a response is not in the capture."""
    if answer is not None and line.turns[answer].lost:
        return Mark.LOST
    if answer is not None or line.closed_ns is None or line.closed_ns > end:
        return Mark.CAPTURE_ENDED
    return Mark.RESET if line.reset else Mark.CLOSED


def _request(turn: Turn, frame: int, offset: int, clock: Clockwork) -> Request:
    return Request(
        turn.message.start[0],
        turn.message.start[1],
        turn.message.version,
        tuple(_header(n, v) for n, v in turn.message.lines),
        turn.message.as_body(),
        frame,
        frame,
        frame,
        clock.show(turn.first_ns),
        clock.show(turn.first_ns),
        clock.show(turn.last_ns),
        (Mark.RETRANSMITTED,) if turn.repeated else (),
        tuple(_header(n, v) for n, v in turn.message.trailers),
        offset=offset,
    )


def _response(turn: Turn, frame: int, offset: int, clock: Clockwork) -> Response:
    return Response(
        int(turn.message.start[0]),
        turn.message.start[1],
        turn.message.version,
        tuple(_header(n, v) for n, v in turn.message.lines),
        turn.message.as_body(),
        frame,
        frame,
        frame,
        clock.show(turn.first_ns),
        clock.show(turn.first_ns),
        clock.show(turn.last_ns),
        (Mark.RETRANSMITTED,) if turn.repeated else (),
        tuple(_header(n, v) for n, v in turn.message.trailers),
        offset=offset,
    )
