"""Seeded HTTP captures of any size: same kind, packets and seed → the same bytes.

    short       a connection per exchange: handshake, one exchange, both FINs      10 packets each
    keepalive   100 exchanges per connection                                        5 packets per
                exchange
    bulk        responses of about 1 MB                                         1 100 packets per
                exchange
    lossy       keepalive, of which 1 % of the packets is lost, 1 % sent twice and 1 % late
    constant    keepalive, of which every head is the same
    fresh       keepalive with four values of its own in every exchange: target, two request ids,
                ETag
    pipelined   keepalive, four requests sent before the first is answered
    http2       keepalive over HTTP/2 without TLS; what recurs is in the dynamic table (RFC 7541)

The two sides of a balancer, for `compare` (PAIRS): the same exchanges before and behind it, on
another clock.

    reuse       a connection per exchange in front, 64 reused connections behind; X-Forwarded-For
                and a request id added
    kept        keepalive in front, keepalive behind, X-Forwarded-For added
    identical   reuse, of which every request and every answer is the same
    nat         short, passed on packet by packet under other addresses
    strangers   two captures that have nothing to do with each other: nothing has a partner
    names       kept, of which every request has a field with a name of its own

A capture is laid out in batches of connections that talk at the same time. A batch is one byte
matrix: every packet of it is a template, and sequence numbers, ports, times and counters are
written into its columns by numpy, so ten million packets take seconds. Checksums are left 0, as on
a machine that offloads them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
_START_US = 1_700_000_000_000_000
_RECORD, _ETHERNET, _IP, _TCP = 16, 14, 20, 32
_IP_AT, _TCP_AT = _RECORD + _ETHERNET, _RECORD + _ETHERNET + _IP
_HEAD = _TCP_AT + _TCP
_SEGMENT = 1448
_BATCH = 64  # connections that talk at the same time
_TURNS = 100  # exchanges on a connection that is kept open
_PERIOD_US = 4_000  # between the exchanges of a connection
_LATENCY_US = 180  # what the balancer adds, on the way in and on the way back
_CLOCK_US = 7_300_000  # what the clock behind it is ahead

_AGENTS = (
    b"curl/7.88.1",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/120.0.0.0 Safari/537.36",
    b"python-requests/2.31.0",
    b"okhttp/4.12.0",
)
_ID, _WHO = b"########", b"@@@@@@@@"  # replaced by the number of the exchange, of the connection
_STREAM = b"\xf0\xf1\xf2\xf3"  # replaced by a stream identifier of HTTP/2: 3, 5, … turn by turn


def _request(agent: bytes, target: bytes, more: bytes) -> bytes:
    return (
        b"GET " + target + b" HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: " + agent + b"\r\n"
        b"Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, "
        b"br\r\nAccept-Language: en-US,en;q=0.9\r\n"
        b"Cookie: session=@@@@@@@@c0ffee; theme=dark\r\nReferer: https://shop.example.com/list\r\n"
        + more
        + b"\r\n"
    )


def _response(length: int, more: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nDate: Tue, 14 Nov 2023 22:13:20 "
        b"GMT\r\nContent-Type: application/json\r\n"
        b"Content-Length: "
        + str(length).encode()
        + b"\r\nConnection: keep-alive\r\nCache-Control: no-store\r\n"
        b"Vary: Accept-Encoding\r\n" + more + b"\r\n"
    )


@dataclass(frozen=True)
class _Packet:
    """One packet of a conversation. `sent`/`heard`: bytes this end, and the other one, sent before
    it in the exchange.
    """

    from_client: bool
    flags: int
    payload: bytes
    sent: int
    heard: int
    at_us: int


@dataclass(frozen=True)
class _Place:
    """Who talks to whom: the server, and the network the clients are in."""

    server: tuple[int, int, int, int]
    port: int
    client: tuple[int, int]
    late_us: int = 0
    clock_us: int = 0


_FRONT = _Place((203, 0, 113, 10), 80, (198, 18))
_BEHIND = _Place((10, 0, 2, 20), 8080, (10, 0), _LATENCY_US, _CLOCK_US)
_SYN, _FIN, _PSH, _ACK = 2, 1, 8, 16

_ONE, _SAME = b"/api/items/########?page=2&sort=name", b"/api/items?page=2&sort=name"
_TAG = b'ETag: "########-5f"\r\n'
_BY = (
    b"X-Forwarded-For: 198.18.7.9\r\nX-Forwarded-Proto: http\r\nX-Trace: "
    b"Root=1-65534a40-########00000000########\r\n"
)
_BIG = (bytes(range(32, 127)) * 11_038)[: 724 * _SEGMENT]


@dataclass(frozen=True)
class Kind:
    """What a capture shows. `turns`: exchanges per connection; `asks`, `answers`: lines more than
    every head has.
    """

    turns: int = _TURNS
    target: bytes = _ONE
    asks: bytes = b""
    answers: bytes = _TAG
    body: bytes = (
        b'{"id": ########, "name": "An item of the shop", "price": 1299, "currency": '
        b'"EUR", "stock": 17, "tags": ["a", "b"]}'
    )
    place: _Place = _FRONT
    damaged: bool = False
    at_once: int = 1  # requests before the first is answered; `turns` counts these groups
    http2: bool = False
    numbers: int = 0  # which series the initial sequence numbers are drawn from


_EACH = Kind(turns=1)
_ALIKE = Kind(target=_SAME, answers=b"", body=b'{"items": [], "page": 2, "sort": "name"}')
_FRESH = Kind(
    asks=b"X-Request-Id: 4f1c22e0-########-@@@@@@@@\r\n",
    answers=_TAG + b"X-Request-Id: 4f1c22e0-########-@@@@@@@@\r\n",
)
KINDS: dict[str, Kind] = {
    "keepalive": Kind(),
    "constant": _ALIKE,
    "fresh": _FRESH,
    "short": _EACH,
    "bulk": Kind(turns=1, body=_BIG),
    "lossy": Kind(damaged=True),
    "pipelined": Kind(turns=_TURNS // 4, at_once=4),
    "http2": Kind(http2=True),
}
HTTP2 = frozenset(name for name, kind in KINDS.items() if kind.http2)
PAIRS: dict[str, tuple[Kind, Kind]] = {
    "reuse": (_EACH, Kind(asks=_BY, place=_BEHIND, numbers=1)),
    "kept": (Kind(), Kind(asks=_BY, place=_BEHIND, numbers=1)),
    "identical": (replace(_ALIKE, turns=1), replace(_ALIKE, asks=_BY, place=_BEHIND, numbers=1)),
    "nat": (_EACH, replace(_EACH, place=_BEHIND)),
    "strangers": (
        _EACH,
        Kind(
            target=b"/cart?of=c########",
            answers=b'ETag: "c########"\r\n',
            body=b'{"cart": "c########"}',
            place=_BEHIND,
            numbers=1,
        ),
    ),
    "names": (
        Kind(asks=b"X-########: 1\r\n"),
        Kind(asks=b"X-########: 1\r\n" + _BY, place=_BEHIND, numbers=1),
    ),
}


def write(path: Path, kind: str, packets: int, seed: int = 1) -> int:
    """Write a capture of one of the KINDS with about `packets` packets; returns how many there
    are.
    """
    return _write(path, _chunks(KINDS[kind], packets, seed))


def write_pair(
    front: Path, back: Path, name: str, exchanges: int, seed: int = 1
) -> tuple[int, int]:
    """Write both sides of one of the PAIRS, with `exchanges` of them rounded to whole batches;
    returns (exchanges, packets) written.

    Exchanges are counted on one side, packets on both.
    """
    whole = max(round(exchanges / (_BATCH * _TURNS)), 1) * _BATCH * _TURNS
    counts = [
        _write(p, _chunks(k, round(whole * _per_exchange(k)), seed))
        for p, k in zip((front, back), PAIRS[name], strict=True)
    ]
    return whole, sum(counts)


def _write(path: Path, chunks: Iterator[tuple[bytes, int]]) -> int:
    count = 0
    with path.open("wb") as file:
        file.write(_HEADER)
        for chunk, number in chunks:
            file.write(chunk)
            count += number
    return count


def _chunks(kind: Kind, packets: int, seed: int) -> Iterator[tuple[bytes, int]]:
    """Pieces of the file as (bytes, packets in it)."""
    chance = np.random.default_rng((seed, kind.numbers))
    done, connection, exchange = 0, 0, 0
    while done < packets:
        agent = _AGENTS[
            exchange // (_BATCH * _TURNS) % len(_AGENTS)
        ]  # both sides of a balancer see the same one
        opening, talk, closing = _script(kind, agent)
        turns = kind.turns
        per_connection = len(opening) + turns * len(talk) + len(closing)
        left = packets - done
        width = min(_BATCH, max(1, left // per_connection))
        if width == 1 and left < per_connection:
            turns = max(1, min(turns, (left - len(opening) - len(closing)) // len(talk)))
        batch = _Batch(kind.place, connection, width, chance.integers(0, 1 << 32, (2, width)))
        now = _START_US + exchange * _PERIOD_US // _BATCH
        blob = batch.rows(opening, 1, exchange, now)
        blob += batch.rows(talk, turns, exchange, now + 1_000)
        blob += batch.rows(closing, 1, exchange, now + (turns - 1) * _PERIOD_US + 3_000)
        connection, exchange = connection + width, exchange + width * turns
        number = (len(opening) + len(talk) * turns + len(closing)) * width
        if kind.damaged:
            blob, number = _damaged(blob, chance)
        yield blob, number
        done += number


def _per_exchange(kind: Kind) -> float:
    """Packets."""
    opening, talk, closing = _script(kind, _AGENTS[0])
    return len(talk) + (len(opening) + len(closing)) / kind.turns


def _script(kind: Kind, agent: bytes) -> tuple[list[_Packet], list[_Packet], list[_Packet]]:
    """Opening, one exchange, closing."""
    if kind.http2:
        return _over_http2(kind, agent)
    request, body = _request(agent, kind.target, kind.asks), kind.body
    head = _response(len(body), kind.answers)
    opening = [
        _Packet(True, _SYN, b"", 0, 0, 0),
        _Packet(False, _SYN | _ACK, b"", 0, 1, 200),
        _Packet(True, _ACK, b"", 1, 1, 400),
    ]
    talk = [
        _Packet(True, _PSH | _ACK, request, 0, 0, 0),
        _Packet(False, _ACK, b"", 0, len(request), 40),
    ]
    if kind.at_once > 1:
        answer, asked = head + body, kind.at_once * len(request)
        each = range(kind.at_once)
        talk = [_Packet(True, _PSH | _ACK, request, n * len(request), 0, n) for n in each]
        talk += [_Packet(False, _PSH | _ACK, answer, n * len(answer), asked, 900 + n) for n in each]
        talk.append(_Packet(True, _ACK, b"", asked, kind.at_once * len(answer), 1_000))
    elif kind.turns == 1 and len(body) < _SEGMENT:
        talk.append(_Packet(False, _PSH | _ACK, head + body, 0, len(request), 900))
        talk.append(_Packet(True, _ACK, b"", len(request), len(head + body), 1_000))
    else:
        talk.append(_Packet(False, _PSH | _ACK, head, 0, len(request), 900))
        sent = len(head)
        for i, at in enumerate(range(0, len(body), _SEGMENT)):
            piece = body[at : at + _SEGMENT]
            talk.append(_Packet(False, _PSH | _ACK, piece, sent, len(request), 910 + i * 2))
            sent += len(piece)
            if i % 2 == 1 or at + _SEGMENT >= len(body):
                talk.append(_Packet(True, _ACK, b"", len(request), sent, 911 + i * 2))
    closing = [
        _Packet(True, _FIN | _ACK, b"", 0, 0, 0),
        _Packet(False, _FIN | _ACK, b"", 0, 1, 100),
        _Packet(True, _ACK, b"", 1, 1, 200),
    ]
    return opening, talk, closing


def _over_http2(kind: Kind, agent: bytes) -> tuple[list[_Packet], list[_Packet], list[_Packet]]:
    """The same with HTTP/2 (RFC 9113): the connection preface and a first exchange, which fills the
    dynamic tables, belong to the opening.
    """
    from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple

    def lines(head: bytes) -> list[HeaderTuple]:
        found = []
        for line in head.split(b"\r\n")[1:]:
            name, colon, value = line.partition(b": ")
            pair = NeverIndexedHeaderTuple if _ID in value else HeaderTuple
            found += [pair(name.lower(), value)] if colon else []
        return found

    def frame(kind_: int, flags: int, stream: bytes, payload: bytes = b"") -> bytes:
        return len(payload).to_bytes(3, "big") + bytes((kind_, flags)) + stream + payload

    headers, data, settings, ends_headers, ends_stream = 1, 0, 4, 4, 1
    asks, answers, body = Encoder(), Encoder(), kind.body
    asked = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"shop.example.com"),
             NeverIndexedHeaderTuple(b":path", kind.target),
             *lines(_request(agent, kind.target, kind.asks))[1:]]  # fmt: skip
    kept = [line for line in lines(_response(len(body), kind.answers)) if line[0] != b"connection"]
    answered = [(b":status", b"200"), *kept]

    def exchange(stream: bytes) -> tuple[bytes, bytes]:
        request = frame(headers, ends_headers | ends_stream, stream, asks.encode(asked, False))
        response = frame(headers, ends_headers, stream, answers.encode(answered, False))
        return request, response + frame(data, ends_stream, stream, body)

    none, one = bytes(4), b"\0\0\0\1"
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, none)
    greeting = frame(settings, 0, none) + frame(settings, 1, none)
    first, second = exchange(one), exchange(_STREAM)
    begun, replied = preface + first[0], greeting + first[1]
    opening = [
        _Packet(True, _SYN, b"", 0, 0, 0),
        _Packet(False, _SYN | _ACK, b"", 0, 1, 100),
        _Packet(True, _ACK, b"", 1, 1, 200),
        _Packet(True, _PSH | _ACK, begun, 1, 1, 210),
        _Packet(False, _PSH | _ACK, replied, 1, 1 + len(begun), 300),
        _Packet(True, _PSH | _ACK, frame(settings, 1, none), 1 + len(begun), 1 + len(replied), 400),
    ]
    request, response = second
    talk = [
        _Packet(True, _PSH | _ACK, request, 0, 0, 0),
        _Packet(False, _ACK, b"", 0, len(request), 40),
        _Packet(False, _PSH | _ACK, response, 0, len(request), 900),
        _Packet(True, _ACK, b"", len(request), len(response), 1_000),
    ]
    closing = [
        _Packet(True, _FIN | _ACK, b"", 0, 0, 0),
        _Packet(False, _FIN | _ACK, b"", 0, 1, 100),
        _Packet(True, _ACK, b"", 1, 1, 200),
    ]
    return opening, talk, closing


class _Batch:
    """`width` connections that say the same at the same time; keeps their sequence numbers."""

    def __init__(self, place: _Place, first: int, width: int, isn: NDArray[np.int64]) -> None:
        self.place = place
        self.number = first + np.arange(width)
        self.next = isn.astype(np.int64)  # (client, server) × connection

    def rows(self, packets: list[_Packet], turns: int, exchange: int, now: int) -> bytes:
        """The packets, `turns` times over; `exchange` numbers the first exchange, `now` is its time
        in µs.
        """
        width = len(self.number)
        sizes = [_HEAD + len(p.payload) for p in packets]
        out = np.empty((turns, sum(sizes) * width), np.uint8)
        sent = [
            max(
                p.sent + len(p.payload) + bool(p.flags & (_SYN | _FIN))
                for p in packets
                if p.from_client is c
            )
            for c in (True, False)
        ]
        turn = np.arange(turns)[:, None]
        name = exchange + turn * width + np.arange(width)
        at = 0
        for packet, size in zip(packets, sizes, strict=True):
            rows = out[:, at : at + size * width].reshape(turns, width, size)
            at += size * width
            rows[:] = np.frombuffer(self._template(packet), np.uint8)
            own, other = (0, 1) if packet.from_client else (1, 0)
            _number32(rows, _TCP_AT + 4, self.next[own] + turn * sent[own] + packet.sent)
            if packet.flags & _ACK:
                _number32(rows, _TCP_AT + 8, self.next[other] + turn * sent[other] + packet.heard)
            late = self.place.late_us if packet.from_client else -self.place.late_us
            time = (
                now
                + self.place.clock_us
                + late
                + turn * _PERIOD_US
                + packet.at_us
                + np.arange(width)
            )
            rows[..., 0:8] = (
                np.stack((time // 1_000_000, time % 1_000_000), -1).astype("<u4").view(np.uint8)
            )
            client, port = (
                (_IP_AT + 12, _TCP_AT) if packet.from_client else (_IP_AT + 16, _TCP_AT + 2)
            )
            rows[..., client + 2] = self.number // 40_000 // 250 % 250
            rows[..., client + 3] = self.number // 40_000 % 250 + 1
            rows[..., port] = (20_000 + self.number % 40_000) >> 8
            rows[..., port + 1] = (20_000 + self.number % 40_000) & 255
            for mark, value in ((_ID, name), (_WHO, np.broadcast_to(self.number, name.shape))):
                place = packet.payload.find(mark)
                while place >= 0:
                    for k in range(8):
                        rows[..., _HEAD + place + k] = value // 10 ** (7 - k) % 10 + 48
                    place = packet.payload.find(mark, place + 8)
            place = packet.payload.find(_STREAM)
            while place >= 0:
                _number32(rows, _HEAD + place, 2 * turn + 3)
                place = packet.payload.find(_STREAM, place + 4)
        self.next += np.array(sent)[:, None] * turns
        return out.tobytes()

    def _template(self, packet: _Packet) -> bytes:
        length = len(packet.payload)
        size = _HEAD - _RECORD + length
        client, server = bytes((*self.place.client, 0, 0)), bytes(self.place.server)
        ends = client + server if packet.from_client else server + client
        ports = (
            struct.pack(">HH", 0, self.place.port)
            if packet.from_client
            else struct.pack(">HH", self.place.port, 0)
        )
        options = (
            b"\x02\x04\x05\xb4\x04\x02\x01\x01\x01\x03\x03\x07"
            if packet.flags & _SYN
            else b"\x01\x01\x08\x0a" + bytes(8)
        )
        return (
            struct.pack("<IIII", 0, 0, size, size)
            + bytes.fromhex("0200000000010200000000020800")
            + struct.pack(">BBHHHBBH", 0x45, 0, size - _ETHERNET, 0, 0x4000, 64, 6, 0)
            + ends
            + ports
            + struct.pack(">IIBBHHH", 0, 0, 0x80, packet.flags, 502, 0, 0)
            + options
            + packet.payload
        )


def _number32(rows: Bytes, at: int, value: NDArray[np.int64]) -> None:
    for k in range(4):
        rows[..., at + k] = (value >> (24 - 8 * k)) & 255


def _damaged(blob: bytes, chance: np.random.Generator) -> tuple[bytes, int]:
    """Of the records 1 % is lost, 1 % is there twice, 1 % comes one place late."""
    records, at = [], 0
    while at < len(blob):
        size = _RECORD + int.from_bytes(blob[at + 8 : at + 12], "little")
        records.append(blob[at : at + size])
        at += size
    out: list[bytes] = []
    for record, fate in zip(records, chance.integers(0, 100, len(records)).tolist(), strict=True):
        if fate == 0:
            continue
        if fate == 1:
            out.append(record)
        if fate == 2 and out:
            out.insert(-1, record)
            continue
        out.append(record)
    return b"".join(out), len(out)
