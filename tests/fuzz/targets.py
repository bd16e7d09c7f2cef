"""What is fuzzed: each target takes any bytes, runs one room on them, and checks what that room
promises.

    reader       bytes of a file → records that lie inside their buffer
    decoder      link type and packets → read = decoded + skipped; payloads inside their buffer
    reassembler  segments of a few flows near the end of the ring → every byte once, the first
                 captured wins; the compiled core gives what pure Python gives
    http         two byte streams cut into segments → exchanges whose messages lie inside their
                 stream
    http2        frames of both ends → control frames, stalls and gRPC calls where they can be
    websocket    bytes of both ends behind an upgrade → counts that the bytes allow
    tls          bytes of both ends and a key log → streams as the tables promise, and exchanges
    compiled     bursts of both ends → the compiled core gives what pure Python gives
    inspect      bytes of a file → a Trace, and JSON that parses
    pairs        a recorded pair with damage → a report that the truth does not contradict (`pairs`)

A target raises AssertionError when a promise is broken; any other exception is a finding too.
`seeds` are inputs to begin with.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbtrace import capture, decode, http, pipeline, tcp, tls
from lbtrace.errors import InputError
from lbtrace.http.h2.frames import PREFACE
from lbtrace.model.http import Mark
from lbtrace.model.http2 import ControlKind
from lbtrace.options import DEFAULT, quiet
from lbtrace.render import View
from lbtrace.render import json as json_format
from lbtrace.tables.packets import Recording, RecordTable, SegmentTable, StreamTable
from tests.bench.generate import write
from tests.compiled import on_both
from tests.compiled.conversations import told
from tests.compiled.heads import NAMES, STARTS, VALUES
from tests.fuzz.harm import programs
from tests.fuzz.pairs import pairs
from tests.http.h2.wire import End, frame
from tests.http.streams import Talk, connection, hear, table
from tests.tcp.wire import CLIENT, SERVER, Segment, Wire, segment_table
from tests.tls.conversations import get, ok
from tests.tls.wire import Tls

_LINKS = (0, 1, 9, 50, 101, 104, 105, 107, 108, 113, 127, 192, 228, 229, 239, 242, 276)
TLS_KINDS = (
    (0x1301, "1.3"), (0x1303, "1.3"), (0xC02F, "1.2"), (0xC013, "1.2"), (0xC013, "1.0"),
    (0x000A, "1.0"), (0xC0A0, "1.2"), (0x0041, "1.1"),
)  # fmt: skip
_SAMPLES = Path(__file__).parents[2] / "samples"


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes; `seeds` gives inputs worth mutating. An input that takes longer than
    `slow_s` is a finding.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    slow_s: int = 5


def _file(data: bytes) -> str:
    """The bytes under a path, without a disk where there is one in memory."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path("/tmp")
    path = folder / f"lbtrace-fuzz-{os.getpid()}"
    if not path.exists():
        atexit.register(path.unlink, missing_ok=True)
    path.write_bytes(data)
    return str(path)


def reader(data: bytes) -> None:
    try:
        recording = capture.read([_file(data)], quiet)
    except InputError:
        return
    records = recording.records
    for column in (records.offset, records.captured, records.wire, records.link, records.buffer):
        assert len(column) == len(records.time_ns)
    sizes = np.array([len(b) for b in recording.buffers], np.int64)
    assert (records.offset >= 0).all()
    assert (records.offset + records.captured <= sizes[records.buffer]).all()
    assert sum(f.frames for f in recording.files) == len(records.time_ns)


def decoder(data: bytes) -> None:
    """First byte: the link type; then packets, each with two bytes of captured and one of missing
    length.
    """
    link = _LINKS[data[0] % len(_LINKS)] if data else 1
    offsets, lengths, wires, at = [], [], [], 1
    while at + 3 <= len(data):
        length = min(int.from_bytes(data[at : at + 2], "big"), len(data) - at - 3)
        offsets.append(at + 3)
        lengths.append(length)
        wires.append(length + data[at + 2])
        at += 3 + length
    count = len(offsets)
    records = RecordTable(
        time_ns=np.arange(count, dtype=np.int64),
        offset=np.array(offsets, np.int64),
        captured=np.array(lengths, np.uint32),
        wire=np.array(wires, np.uint32),
        link=np.full(count, link, np.uint16),
        buffer=np.zeros(count, np.uint8),
    )
    table = decode.segments(Recording(records, [data], ()), quiet)
    counts = table.counts
    assert counts.read == count
    assert counts.read == counts.decoded + sum(n for _, n in counts.skipped)
    sizes = np.array([len(b) for b in table.buffers], np.int64)
    assert (table.payload.astype(np.int64) + table.length <= sizes[table.buffer]).all()
    assert (table.length <= table.wire_length).all()
    assert not len(table) or int(table.flow.max()) < len(table.flows)
    (connections, streams), by_core = on_both(lambda: tcp.connections(table))
    assert (connections, streams) == by_core
    _promises(table, streams)
    assert sum(c.from_client.packets + c.from_server.packets for c in connections) == len(table)


def reassembler(data: bytes) -> None:
    """Eight bytes a segment: flow and direction, flags, sequence number (near the end of the ring),
    ack, length, cut, content.
    """
    segments: list[Segment] = []
    for at in range(0, len(data) - 7, 8):
        which, flags, far, near, ack, length, cut, fill = data[at : at + 8]
        ends = (CLIENT, SERVER._replace(port=80 + (which >> 1) % 3))
        seq = (2**32 - 100 + near + (far << 24 if far & 15 == 15 else (far & 3) << 8)) % 2**32
        octets = bytes(
            (fill * (k + seq) + k) & 255 if fill & 1 else (k + seq) & 255 for k in range(length)
        )
        segments.append(
            Segment(
                ends if which & 1 else ends[::-1],
                flags,
                seq,
                octets,
                (2**32 - 60 + ack) % 2**32,
                500,
                at,
                min(cut & 7, length),
                b"",
            )
        )
    table = segment_table(segments)
    (connections, streams), by_core = on_both(lambda: tcp.connections(table))
    assert (connections, streams) == by_core
    _promises(table, streams)
    assert sum(c.from_client.packets + c.from_server.packets for c in connections) == len(table)
    for c in connections:
        for stream, way in ((2 * c.id, c.from_client), (2 * c.id + 1, c.from_server)):
            rows = streams.pieces(stream)
            assert way.bytes == int(streams.length[rows.start : rows.stop].sum())
            assert way.bytes + way.missing == max(int(streams.end[stream]), way.bytes)
            assert way.truncated <= way.missing


def _promises(table: SegmentTable, streams: StreamTable) -> None:
    """What StreamTable's documentation says of the pieces."""
    count = len(streams.first) - 1
    of = np.repeat(np.arange(count), np.diff(streams.first))
    assert int(streams.first[0]) == 0
    assert int(streams.first[-1]) == len(streams.start)
    assert (streams.length > 0).all()
    assert (streams.start >= 0).all()
    ends = streams.start + streams.length
    same = of[1:] == of[:-1]
    assert (streams.start[1:][same] >= ends[:-1][same]).all()
    assert (ends <= streams.end[of]).all()
    sizes = np.array([len(b) for b in streams.buffers], np.int64)
    assert (streams.payload + streams.length <= sizes[streams.buffer]).all()
    sound = streams.clean[of]
    assert not streams.repeated[sound].any()
    assert (streams.start[1:] == ends[:-1])[same & sound[1:]].all()
    assert (streams.known_start | ~streams.clean).all()
    assert int(streams.length.sum(dtype=np.int64)) <= int(table.length.sum(dtype=np.int64))


def http1(data: bytes) -> None:
    """First byte: how the streams are cut and whether their start is known; what follows: requests,
    b"\\xff\\xff", responses.
    """
    mode = data[0] if data else 0
    client, _, server = data[1:].partition(b"\xff\xff")
    size = (1, 7, 100, 1460)[mode & 3]
    wire = Wire()
    if not mode & 4:
        wire.c("SYN", 99).s("SYN", 999, ack=100)
    parts = [("c", i, client[i : i + size]) for i in range(0, len(client), size)]
    parts += [("s", i, server[i : i + size]) for i in range(0, len(server), size)]
    for number, (who, at, octets) in enumerate(parts):
        if mode & 8 and number % 5 == 3:
            continue
        if who == "c":
            wire.c("PSH", 100 + at, octets, ack=1000)
        else:
            wire.s(
                "PSH",
                1000 + at,
                octets,
                ack=100 + (len(client) if mode & 16 else min(at, len(client))),
            )
    if mode & 32:
        wire.s("FIN", 1000 + len(server), ack=100 + len(client))
    connections, streams = tcp.connections(wire.table())
    applications, exchanges, *_ = http.exchanges(connections, streams, DEFAULT, quiet)
    assert len(applications) == len(connections)
    for i, exchange in enumerate(exchanges):
        assert exchange.id == i
        assert exchange.request is not None or exchange.response is not None or exchange.interim
        application = applications[exchange.connection]
        asking = int(application.reversed)
        for half, stream in ((exchange.request, asking), (exchange.response, 1 - asking)):
            if half is not None and exchange.stream_id is None:
                # inside a tunnel, or where both ends ask, either end may be the one that asks
                either = application.upgraded or Mark.FROM_SERVER in half.marks
                end = streams.end[:2].max() if either else streams.end[stream]
                assert 0 <= half.offset <= int(end)
                assert half.body.length >= 0
                assert (half.body.digest is not None) <= half.body.complete


def _pieces(data: bytes, begins: tuple[bytes, bytes]) -> Talk:
    """What both ends send, behind what each begins with. First byte: how it is cut and lost; what
    follows: the client's, b"\\xff\\xff", the server's.
    """
    mode = data[0] if data else 0
    size = (1, 7, 100, 1460)[mode & 3]
    said = data[1:].partition(b"\xff\xff")
    talk = Talk(syn=not mode & 4)
    for who, begin, octets in ((0, begins[0], said[0]), (1, begins[1], said[2])):
        talk.say(who, begin)
        for n, k in enumerate(range(0, len(octets), size)):
            talk.say(who, octets[k : k + size], lost=bool(mode & 8) and n % 5 == 3)
    return talk.fin() if mode & 16 else talk


def _carried(talk: Talk) -> http.Carried:
    """What the HTTP stage makes of it, with what holds for whatever it is."""
    frames = range(1, talk.frame + 1)
    carried = http.exchanges([connection(0)], table([talk]), DEFAULT, quiet)
    assert carried.control.faults() == carried.stalls.faults() == carried.calls.faults() == []
    assert all(f.frame in frames and f.kind in set(ControlKind) for f in carried.control)
    assert all(s.frame < s.end_frame and s.begin_ns <= s.end_ns for s in carried.stalls)
    for call in carried.calls:
        assert carried.exchanges[call.exchange].id == call.exchange
        assert min(call.asked or 0, call.answered or 0, call.previous_attempts) >= 0
    for held in carried.web_sockets:
        for end in (held.client, held.server):
            assert (end.digest is None) | end.whole
            assert (end.close_code is None) == (end.close_frame is None)
            assert 0 <= end.messages <= sum(talk.sent)
            assert 0 <= end.bytes <= sum(talk.sent)
    return carried


def http2(data: bytes) -> None:
    """Frames behind the preface and the SETTINGS of both ends; see `_pieces`. Whatever the compiled
    core reads of them, the careful road tells the same.
    """
    settings = bytes.fromhex("000000040000000000")
    talk = _pieces(data, (PREFACE + settings, settings))
    _carried(talk)
    assert hear(talk) == hear(talk, careful=True)


def websocket(data: bytes) -> None:
    """What both ends send behind an upgrade; see `_pieces`."""
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    ask = b"GET / HTTP/1.1\r\nHost: a\r\n" + upgrade
    carried = _carried(_pieces(data, (ask, b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade)))
    assert len(carried.web_sockets) <= 1


def opened(data: bytes) -> None:
    """The seed of one of a few conversations, then what is done to it, two bytes at a time: a
    record, and whether it is lost, cut, or a bit of it turned; 255 cuts the key log.
    """
    conversation = _tls_conversation(data[0] if data else 0)
    records = [(who, bytearray(record)) for who, record in conversation.sent]
    log, lost, cut = conversation.keylog(), set[int](), dict[int, int]()
    for at in range(1, len(data) - 1, 2):
        place, what = data[at] % len(records), data[at + 1]
        record = records[place][1]
        if data[at] == 255:
            log = log[: what * 4]
        elif what < 16:
            lost.add(place)
        elif what < 80:
            cut[place] = what
        else:
            record[what % len(record)] ^= 1 << (what & 7)
    talk = Talk(syn=data[:1] != b"\7")
    for place, (who, record) in enumerate(records):
        talk.say(who, bytes(record), lost=place in lost, cut=cut.get(place))
    secrets = tls.Secrets()
    secrets.add(log)
    found = tls.opened(table([talk]), secrets, quiet)
    streams = found.streams
    ends = streams.start + streams.length
    of = np.repeat(np.arange(2), np.diff(streams.first))
    assert (streams.length > 0).all()
    assert (streams.start[1:] >= ends[:-1])[of[1:] == of[:-1]].all()
    assert (ends <= streams.end[of]).all()
    assert (streams.ack <= streams.end[1 - of]).all()
    sizes = np.array([len(b) for b in streams.buffers], np.int64)
    assert (streams.payload + streams.length <= sizes[streams.buffer]).all()
    applications, *_ = http.exchanges([connection(0)], streams, DEFAULT, quiet)
    tls.told(applications, found, secrets)


def _tls_conversation(number: int) -> Tls:
    """One of a few, of every mode and handshake."""
    suite, version = TLS_KINDS[number % len(TLS_KINDS)]
    found = Tls(suite, version, etm=bool(number & 32))
    if version == "1.3":
        early = [get(b"early")] if number & 64 else []
        found.handshake(retry=bool(number & 16), early=early, accepted=bool(number & 128))
    else:
        found.handshake(resumed=bool(number & 64))
    found.say(0, get(b"a"), 3).say(1, ok(bytes(700)), 300)
    if version == "1.3":
        found.key_update(0).key_update(1)
    elif number & 16:
        found.handshake()
    return found.say(0, get(b"b")).say(1, ok(b"b"))


def compiled(data: bytes) -> None:
    """First byte: how the bursts are cut; what follows: bursts of the client and the server in
    turn, b"\\xff\\xff" between them. Without the compiled core both roads are one.
    """
    mode = data[0] if data else 0
    size = (1 << 20, 100, 17, 1460)[mode & 3]
    talk = Talk(syn=not mode & 4)
    for number, burst in enumerate(data[1:].split(b"\xff\xff")):
        for at in range(0, len(burst), size):
            talk.say(number & 1, burst[at : at + size])
    plain, by_core = on_both(lambda: told([talk.fin()], rotated=bool(mode & 8)))
    assert plain == by_core


def inspect(data: bytes) -> None:
    try:
        report = pipeline.show([[_file(data)]])
    except InputError:
        return
    counts = report.trace.packets
    assert counts.read == counts.decoded + sum(n for _, n in counts.skipped)
    out = io.StringIO()
    json_format.write_trace(report, out, View())
    json.loads(out.getvalue())


# seeds
# -----------------------------------------------------------------------------------------------------------------------------  # noqa: E501


def _captures() -> Iterator[bytes]:
    for path in sorted(_SAMPLES.glob("*/*.pcap*")):
        yield path.read_bytes()[:6000]
    for kind in ("short", "keepalive", "lossy"):
        path = Path(_file(b""))
        write(path, kind, 30)
        yield path.read_bytes()
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    interface = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    for _, packet in _packets():
        padded = packet + bytes(-len(packet) % 4)
        size = 32 + len(padded)
        yield (
            section
            + interface
            + struct.pack("<IIIIIII", 6, size, 0, 1, 2, len(packet), len(packet))
            + padded
            + struct.pack("<I", size)
        )


def _packets() -> Iterator[tuple[int, bytes]]:
    """(index in _LINKS, packet) of a few encapsulations."""
    tcp_header = (
        struct.pack(">HHIIBBHHH", 40000, 80, 1, 1, 0x50, 24, 100, 0, 0) + b"GET / HTTP/1.1\r\n\r\n"
    )
    ip = (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp_header), 1, 0, 64, 6, 0)
        + bytes((10, 0, 0, 1, 10, 0, 0, 2))
        + tcp_header
    )
    ip6 = (
        struct.pack(">IHBB", 6 << 28, len(tcp_header), 6, 64)
        + bytes(15)
        + b"\1"
        + bytes(15)
        + b"\2"
        + tcp_header
    )
    ethernet = bytes(12) + b"\x08\x00" + ip
    vxlan = (
        struct.pack(">HHHH", 5000, 4789, 16 + len(ethernet), 0)
        + struct.pack(">BxxxI", 8, 77 << 8)
        + ethernet
    )
    gre = b"\0\0\x08\0" + ip
    outer = bytes((10, 9, 0, 1, 10, 9, 0, 2))
    yield 1, ethernet
    yield 1, bytes(12) + b"\x86\xdd" + ip6
    yield 1, bytes(12) + b"\x81\x00\0\5\x81\x00\0\6\x08\x00" + ip
    yield 1, bytes(12) + b"\x88\x47\0\0\x11\x40" + ip
    yield 1, bytes(12) + b"\x88\x64\x11\0\0\1\0\0\0\x21" + ip
    yield (
        1,
        bytes(12)
        + b"\x08\x00"
        + struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(vxlan), 1, 0, 64, 17, 0)
        + outer
        + vxlan,
    )
    yield (
        1,
        bytes(12)
        + b"\x08\x00"
        + struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(gre), 1, 0, 64, 47, 0)
        + outer
        + gre,
    )
    yield 0, b"\2\0\0\0" + ip
    yield 4, ip
    yield 9, b"\0\0\0\1\0\6" + bytes(8) + b"\x08\x00" + ip
    yield 16, b"\x08\x00\0\0\0\0\0\1\0\1\0\6" + bytes(8) + ip


def _decoder_seeds() -> Iterator[bytes]:
    for link, packet in _packets():
        yield bytes([link]) + (struct.pack(">HB", len(packet), 0) + packet) * 2


def _reassembler_seeds() -> Iterator[bytes]:
    plain = [
        (1, 2, 0, 50, 0, 0),
        (0, 18, 0, 50, 111 - 20, 0),
        (1, 24, 0, 51, 91, 40),
        (1, 24, 0, 71, 91, 40),
        (0, 24, 0, 51, 91, 200),
        (1, 17, 0, 111, 0, 0),
    ]
    yield b"".join(bytes((*s, 0, 1)) for s in plain)
    yield b"".join(bytes((*s, 3, 2)) for s in plain[::-1] + plain)


def _tls_seeds() -> Iterator[bytes]:
    for kind in range(256):
        if kind % 8 < len(TLS_KINDS) and kind % 5 == 0:
            yield bytes([kind])
            yield bytes([kind, kind % 23, kind % 90, 5, 200])


def _compiled_seeds() -> Iterator[bytes]:
    """Heads with oddities that both roads must see alike."""
    lines = [
        b": ".join(pair) for name in NAMES for pair in ((name, b"a"), (name, VALUES[len(name)]))
    ]
    for mode in (0, 1, 8):
        for at, start in enumerate(STARTS):
            head = b"\r\n".join((start, *lines[at : at + 4], b"", b""))
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + VALUES[at] + b"\r\n\r\nok"
            yield bytes([mode]) + b"\xff\xff".join((head, answer, head, answer))


def _http_seeds() -> Iterator[bytes]:
    request = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"
    post = (
        b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
    )
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz"
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: "
        b"gzip\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    for mode in (0, 2, 15, 55):
        yield (
            bytes([mode])
            + request
            + post
            + request
            + b"\xff\xff"
            + answer
            + chunked
            + b"HTTP/1.1 100 Continue\r\n\r\n"
            + answer
        )
        yield bytes([mode]) + b"CONNECT a:1 HTTP/1.1\r\n\r\nxx\xff\xffHTTP/1.1 200 OK\r\n\r\nyy"
        yield (
            bytes([mode])
            + b"HEAD / HTTP/1.0\nContent-Length: 5, 6\n\n\xff\xffHTTP/1.0 304 \r\nContent-Length: "
            b"9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest"
        )
        yield bytes([mode]) + b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + request + b"\xff\xff" + answer
        yield (
            bytes([mode])
            + b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"
            + bytes(36)
            + b"\xff\xff\x16\x03\x03\x00\x04\x02\x00\x00\x00"
        )
        yield (
            bytes([mode])
            + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + bytes(9)
            + b"\0\0\4\1\5\0\0\0\1\x82\x84\x86\x41"
            + b"\xff\xff"
            + bytes(9)
        )


def _http2_seeds() -> Iterator[bytes]:
    client, server = End(), End()
    grpc = ("content-type", "application/grpc")
    ask = client.ask(1, "/a", 0, grpc, ("grpc-timeout", "1S")) + frame(0, 1, 1, b"\0\0\0\0\1x")
    asked = client.block((":method", "CONNECT"), (":protocol", "websocket"), (":path", "/c"))
    upgrade = frame(1, 4, 3, asked) + frame(0, 0, 3, b"\x81\x81abcdx\x88\x80abcd")
    answer = frame(1, 4, 1, server.block((":status", "200"), grpc)) + frame(0, 0, 1, bytes(9))
    answer += frame(1, 5, 1, server.block(("grpc-status", "14"), ("grpc-message", "no%20one")))
    granted = frame(1, 4, 3, server.block((":status", "200"))) + frame(0, 1, 3, b"\x82\1x\x88\0")
    steered = (
        frame(4, 0, 0, b"\0\4\0\0\0\1\0\3\0\0\0\2")
        + frame(3, 0, 1, b"\0\0\0\7")
        + frame(6, 0, 0, bytes(8))
        + frame(7, 0, 0, bytes(8) + b"too_many_pings")
        + frame(8, 0, 1, b"\0\0\0\1")
        + frame(8, 0, 0, b"\0\0\0\1")
    )
    for mode in (0, 2, 3, 11, 19):
        yield bytes([mode]) + ask + upgrade + steered + b"\xff\xff" + answer + granted + steered
        yield bytes([mode]) + steered + ask + b"\xff\xff" + steered + answer + frame(0, 0, 1, b"x")


def _websocket_seeds() -> Iterator[bytes]:
    masked = b"\x81\x85abcdhello\x02\x81abcdx\x80\x80abcd\x89\x80abcd\x88\x82abcd\x62\x8a"
    plain = b"\x82\x7e\1\0" + bytes(256) + b"\x8a\0\x88\6\3\xe9gone\x82\x7f" + bytes(7) + b"\1x"
    for mode in (0, 2, 3, 11, 19):
        yield bytes([mode]) + masked + b"\xff\xff" + plain
        yield bytes([mode]) + plain + b"\xff\xff" + masked


TARGETS: dict[str, Target] = {
    "reader": Target(reader, _captures),
    "decoder": Target(decoder, _decoder_seeds),
    "reassembler": Target(reassembler, _reassembler_seeds),
    "http": Target(http1, _http_seeds),
    "http2": Target(http2, _http2_seeds),
    "websocket": Target(websocket, _websocket_seeds),
    "tls": Target(opened, _tls_seeds),
    "compiled": Target(compiled, _compiled_seeds),
    "inspect": Target(inspect, _captures),
    "pairs": Target(pairs, programs, slow_s=60),
}
