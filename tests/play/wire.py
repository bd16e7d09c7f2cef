"""What two capture points write down of a conversation: scripts of TCP connections → Trace objects, and → pcap bytes.

A `Line` is one connection as it was spoken on the wire of one side, in true time. `trace()` turns the lines of one point into
the Trace the
reading stages would make of them (no bytes are parsed), `pcap()` into a capture file.
Both apply the point's clock and lose the same messages.
Frames are numbered in order of true time, as a capture would number them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import xxhash

from lbtrace.model.http import (
    Application,
    Body,
    ClientHello,
    Exchange,
    Framing,
    HeaderLine,
    Mark,
    Protocol,
    ProxyHeader,
    Request,
    Response,
)
from lbtrace.model.net import Endpoint, Side, SynFingerprint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.model.trace import CaptureFile, PacketCounts, Trace

MSS = 1448
EPOCH_NS = 1_700_000_000_000_000_000


@dataclass(slots=True)
class Message:
    """A request or a response as it is sent: start line parts, header lines, body. `start` is (method, target) or (status, reason)."""

    start: tuple[str, str]
    lines: list[tuple[str, str]]
    body: bytes = b""
    version: str = "HTTP/1.1"
    coding: str = ""  # the content coding `body` is the decoded form of
    chunked: bool = False

    def payload(self) -> bytes:
        """The bytes on the wire."""
        method_or_status, rest = self.start
        status = method_or_status.isdigit()
        first = f"{self.version} {method_or_status} {rest}" if status else f"{method_or_status} {rest} {self.version}"
        head = "\r\n".join([first, *(f"{n}: {v}" for n, v in self.lines)]) + "\r\n\r\n"
        body = self.coded()
        if self.chunked:
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        return head.encode("latin-1") + body

    def coded(self) -> bytes:
        """The body after its content coding."""
        if self.coding == "gzip":
            import gzip

            return gzip.compress(self.body, mtime=0)
        return self.body

    def as_body(self) -> Body:
        """What the http stage says of the body."""
        coded = self.coded()
        declared = next((int(v) for n, v in self.lines if n.lower() == "content-length"), None)
        framing = Framing.CHUNKED if self.chunked else Framing.CONTENT_LENGTH if declared is not None else Framing.NONE
        plain = xxhash.xxh3_128_hexdigest(self.body) if self.coding else None
        digest = None if framing is Framing.NONE else xxhash.xxh3_128_hexdigest(coded)
        return Body(framing, len(coded), declared, True, digest, plain, len(self.body) if self.coding else None)


@dataclass(slots=True)
class Turn:
    """One message on a line: when its first and its last byte pass the capture point (true time, ns), and whether the capture
    missed it."""

    from_client: bool
    message: Message
    first_ns: int
    last_ns: int
    lost: bool = False
    repeated: bool = False  # a segment of it was sent twice


@dataclass(slots=True)
class Line:
    """One TCP connection at one capture point. `turns` are in order; request k is answered by response k. `key` is for the
    play's truth."""

    client: Endpoint
    server: Endpoint
    opened_ns: int
    isn: int = 1000
    server_isn: int = 5000
    turns: list[Turn] = field(default_factory=list)
    closed_ns: int | None = None
    closed_by_client: bool = True
    reset: bool = False
    syn_seen: bool = True
    proxy: ProxyHeader | None = None
    proxy_bytes: bytes = b""
    tls: ClientHello | None = None
    opaque: tuple[int, int] = (0, 0)  # bytes of a connection that is not HTTP, from client and from server
    opaque_last_ns: int = 0
    timestamp: int = 0
    ttl: int = 64
    captured_from_ns: int | None = None  # the capture began here: turns before it were not seen

    @property
    def last_ns(self) -> int:
        """The time of its last packet."""
        last = [t.last_ns for t in self.turns] + [self.opened_ns, self.opaque_last_ns]
        return max([*last, self.closed_ns or 0])


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
        shown = true_ns + self.offset_ns + (true_ns - self.since_ns) * self.drift_ppb // 1_000_000_000
        if self.step_at_ns is not None and true_ns >= self.step_at_ns:
            shown += self.step_ns
        return shown


def trace(
    side: Side, point: int, lines: Sequence[Line], clock: Clockwork, window: tuple[int, int] | None = None
) -> tuple[Trace, dict[tuple[int, int], int]]:
    """Lines of one point → its Trace, and {(line index, request index): exchange id} for every exchange in it.

    `window` (true time) limits what was captured: a line outside it is not seen, turns outside it neither.
    """
    begin, end = window or (-(1 << 62), 1 << 62)
    moments: list[tuple[int, int, int, int]] = []  # time, line, kind (0 syn, 1 synack, 2 ack, 3 turn, 9 close), index
    for at, line in enumerate(lines):
        if line.syn_seen:
            moments += [(line.opened_ns + k * 1000, at, k, 0) for k in range(3)]
        moments += [(t.first_ns, at, 3, k) for k, t in enumerate(line.turns) if not t.lost]
        if line.opaque_last_ns:
            moments.append((line.opaque_last_ns, at, 4, 0))
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
        connections.append(_connection(number, at, line, frame_of, frames_of[at], clock, begin, end))
        name = Protocol.TLS if line.tls else Protocol.HTTP1 if line.turns else Protocol.OTHER if any(line.opaque) else Protocol.NONE
        applications.append(Application(name, proxy=(line.proxy,) if line.proxy else (), tls=line.tls))
        for k, exchange in _exchanges(number, at, line, frame_of, clock, begin, end):
            first = exchange.request.first_frame if exchange.request else exchange.response.first_frame if exchange.response else 0
            found.append((first, at, k, exchange))
    found.sort(key=lambda f: f[0])
    ids = {(at, k): number for number, (_, at, k, _) in enumerate(found)}
    exchanges = [e._replace(id=number) for number, (_, _, _, e) in enumerate(found)]
    first = clock.show(moments[0][0]) if moments else 0
    last = clock.show(moments[-1][0]) if moments else 0
    files = (CaptureFile(f"{side}-{point}.pcap", "pcap", "", 1, len(moments), 1, first, last, 1000, ("EN10MB",), None, None),)
    counts = PacketCounts(len(moments), len(moments))
    return Trace(side, point, files, counts, first, last, connections, applications, exchanges), ids


def _direction(line: Line, at: int, from_client: bool, frame_of: dict[tuple[int, int, int], int], clock: Clockwork) -> Direction:
    turns = [(k, t) for k, t in enumerate(line.turns) if t.from_client is from_client and (at, 3, k) in frame_of]
    lost = sum(len(t.message.payload()) for k, t in enumerate(line.turns) if t.from_client is from_client and t.lost)
    size = (
        sum(len(t.message.payload()) for _, t in turns)
        + line.opaque[0 if from_client else 1]
        + (len(line.proxy_bytes) if from_client else 0)
    )
    closes = line.closed_ns is not None and (at, 9, 0) in frame_of and line.closed_by_client is from_client
    fin = closes and not line.reset
    rst = closes and line.reset
    syn = line.syn_seen and (at, 0 if from_client else 1, 0) in frame_of
    fingerprint = SynFingerprint(line.ttl, 64240, 1460, 7, True, line.timestamp, (2, 4, 8, 1, 3)) if syn else None
    close_frame = frame_of.get((at, 9, 0))
    close_ns = clock.show(line.closed_ns) if line.closed_ns is not None else None
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
        fin_frame=close_frame if fin else None,
        fin_ns=close_ns if fin else None,
        rst_frame=close_frame if rst else None,
        rst_ns=close_ns if rst else None,
        first_payload_frame=frame_of[at, 3, turns[0][0]] if turns else None,
        first_payload_ns=clock.show(turns[0][1].first_ns) if turns else clock.show(line.opaque_last_ns) if line.opaque_last_ns else None,
        last_payload_ns=clock.show(turns[-1][1].last_ns) if turns else clock.show(line.opaque_last_ns) if line.opaque_last_ns else None,
        syn=fingerprint,
        start_seq=((line.isn if from_client else line.server_isn) + 1) % (1 << 32) if turns or syn else None,
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
    number: int, at: int, line: Line, frame_of: dict[tuple[int, int, int], int], clock: Clockwork, begin: int, end: int
) -> list[tuple[int, Exchange]]:
    out: list[tuple[int, Exchange]] = []
    asked = [k for k, t in enumerate(line.turns) if t.from_client]
    answers = [k for k, t in enumerate(line.turns) if not t.from_client]
    sent = {True: len(line.proxy_bytes), False: 0}
    offset: list[int] = []
    for t in line.turns:
        offset.append(sent[t.from_client])
        sent[t.from_client] += len(t.message.payload())
    for ordinal, k in enumerate(asked):
        request: Request | None = None
        response: Response | None = None
        marks: list[Mark] = []
        if (at, 3, k) in frame_of:
            turn, frame = line.turns[k], frame_of[at, 3, k]
            request = Request(
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
                offset=offset[k],
            )
        j = answers[ordinal] if ordinal < len(answers) else None
        if j is not None and (at, 3, j) in frame_of:
            turn, frame = line.turns[j], frame_of[at, 3, j]
            response = Response(
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
                offset=offset[j],
            )
        if request is None and response is None:
            continue
        if request is None:
            marks.append(Mark.LOST)
        elif response is None:
            if j is not None and line.turns[j].lost:
                marks.append(Mark.LOST)
            elif j is not None or line.closed_ns is None or line.closed_ns > end:
                marks.append(Mark.CAPTURE_ENDED)
            else:
                marks.append(Mark.RESET if line.reset else Mark.CLOSED)
        out.append((k, Exchange(0, number, ordinal + 1, request, response, (), tuple(marks))))
    return out


def pcap(lines: Sequence[Line], clock: Clockwork, window: tuple[int, int] | None = None) -> bytes:
    """Lines of one point → a nanosecond pcap of raw IP packets (LINKTYPE_RAW)."""
    begin, end = window or (-(1 << 62), 1 << 62)
    packets: list[tuple[int, int, bytes]] = []
    for line in lines:
        for time_ns, data in _packets(line):
            if begin <= time_ns <= end:
                packets.append((time_ns, len(packets), data))
    packets.sort()
    out = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)]
    for time_ns, _, data in packets:
        shown = clock.show(time_ns)
        out.append(struct.pack("<IIII", shown // 10**9, shown % 10**9, len(data), len(data)) + data)
    return b"".join(out)


def _packets(line: Line) -> list[tuple[int, bytes]]:
    out: list[tuple[int, bytes]] = []
    seq = {True: line.isn, False: line.server_isn}

    def send(time_ns: int, from_client: bool, flags: int, data: bytes = b"", lost: bool = False) -> None:
        ack = seq[not from_client] if flags & 16 else 0
        if not lost:
            out.append((time_ns, _packet(line, from_client, seq[from_client], ack, flags, data)))
        seq[from_client] = (seq[from_client] + len(data) + (1 if flags & 3 else 0)) & 0xFFFFFFFF

    opening_lost = not line.syn_seen
    send(line.opened_ns, True, 2, lost=opening_lost)
    send(line.opened_ns + 1000, False, 18, lost=opening_lost)
    send(line.opened_ns + 2000, True, 16, lost=opening_lost)
    if line.proxy_bytes:
        send(line.opened_ns + 3000, True, 24, line.proxy_bytes)
    for turn in line.turns:
        payload = turn.message.payload()
        pieces = [payload[i : i + MSS] for i in range(0, len(payload), MSS)]
        for n, piece in enumerate(pieces):
            time_ns = turn.first_ns + (turn.last_ns - turn.first_ns) * n // max(len(pieces) - 1, 1)
            if turn.repeated and n == 0:
                out.append((time_ns, _packet(line, turn.from_client, seq[turn.from_client], seq[not turn.from_client], 24, piece)))
            send(time_ns, turn.from_client, 24, piece, turn.lost)
        send(turn.last_ns + 1, not turn.from_client, 16, lost=turn.lost)
    if any(line.opaque):
        for from_client, size in ((True, line.opaque[0]), (False, line.opaque[1])):
            data = bytes((line.isn * 31 + i * 7) & 0xFF for i in range(size))
            for i in range(0, size, MSS):
                send(line.opaque_last_ns - size + i, from_client, 24, data[i : i + MSS])
    if line.closed_ns is not None:
        if line.reset:
            send(line.closed_ns, line.closed_by_client, 20)
        else:
            send(line.closed_ns, line.closed_by_client, 17)
            send(line.closed_ns + 1000, not line.closed_by_client, 17)
            send(line.closed_ns + 2000, line.closed_by_client, 16)
    return out


def _packet(line: Line, from_client: bool, seq: int, ack: int, flags: int, data: bytes) -> bytes:
    source, target = (line.client, line.server) if from_client else (line.server, line.client)
    options = b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + struct.pack(">II", line.timestamp, 0) + b"\x01\x03\x03\x07" if flags & 2 else b""
    header = struct.pack(">HHIIBBHHH", source.port, target.port, seq, ack, (5 + len(options) // 4) << 4, flags, 64240, 0, 0) + options
    a, b = ip_address(source.address), ip_address(target.address)
    if a.version == 4:
        total = 20 + len(header) + len(data)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, line.ttl, 6, 0, a.packed, b.packed)
    else:
        ip = struct.pack(">IHBB16s16s", 6 << 28, len(header) + len(data), 6, line.ttl, a.packed, b.packed)
    return ip + header + data
