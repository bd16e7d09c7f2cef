"""Small captures made to cost much: each costs a reader that is careless in one place minutes or
gigabytes.

`CAPTURES` names functions that give the bytes of a file, one to four megabytes at most.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator

from tests.capture.files import block, enhanced, interface, option, section

A, B = b"\x0a\0\0\x09", b"\x0a\0\0\x01"
MACS = bytes.fromhex("020000000001020000000002")
START_S = 1_700_000_000
SYN, ACK, RST, PSH = 2, 16, 4, 24

Sent = tuple[
    bool, int, int, int, bytes
]  # by the client?, flags, sequence and acknowledgement number, payload


def ip(
    source: bytes, target: bytes, protocol: int, inside: bytes, number: int = 0, fragment: int = 0
) -> bytes:
    """An IPv4 packet; `fragment` are the flags and the offset."""
    return (
        struct.pack(
            ">BBHHHBBH4s4s",
            0x45,
            0,
            20 + len(inside),
            number & 0xFFFF,
            fragment,
            64,
            protocol,
            0,
            source,
            target,
        )
        + inside
    )


def tcp(sent: Sent, port: int = 40000) -> bytes:
    """A TCP segment between that port and port 80."""
    by_client, flags, seq, ack, payload = sent
    ports = (port, 80) if by_client else (80, port)
    return (
        struct.pack(">HHIIBBHHH", *ports, seq % 2**32, ack % 2**32, 0x50, flags, 0xFFFF, 0, 0)
        + payload
    )


def frame(sent: Sent, port: int = 40000, number: int = 0) -> bytes:
    """An Ethernet frame with a segment."""
    ends = (A, B) if sent[0] else (B, A)
    return MACS + b"\x08\0" + ip(*ends, 6, tcp(sent, port), number)


def pcap(frames: Iterator[bytes] | list[bytes], network: int = 1) -> bytes:
    """A pcap file, a frame each microsecond."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, network)]
    for i, packet in enumerate(frames):
        parts += (
            struct.pack("<IIII", START_S + i // 1_000_000, i % 1_000_000, len(packet), len(packet)),
            packet,
        )
    return b"".join(parts)


def conversation(asked: bytes, answered: bytes, size: int = 1400) -> bytes:
    """A capture of one connection on which this was sent, in segments of that size."""
    return pcap(_conversation(asked, answered, size))


def _conversation(asked: bytes, answered: bytes, size: int) -> Iterator[bytes]:
    yield frame((True, SYN, 99, 0, b""))
    yield frame((False, SYN | ACK, 999, 100, b""))
    for at in range(0, len(asked), size):
        yield frame((True, PSH, 100 + at, 1000, asked[at : at + size]))
    for at in range(0, len(answered), size):
        yield frame((False, PSH, 1000 + at, 100 + len(asked), answered[at : at + size]))


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def h2(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def stream(data: bytes, size: int) -> list[bytes]:
    """Data in parts."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def _gzip_bodies() -> bytes:
    bomb = gzip.compress(bytes(20_000_000))
    answer = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    return conversation(GET * 20, answer * 20)


def _gzip_in_gzip_body() -> bytes:
    bomb = gzip.compress(gzip.compress(bytes(60_000_000)))
    head = OK + b"Content-Encoding: gzip, gzip, deflate\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    return conversation(GET * 40, (head + bomb) * 40)


def _compressed_capture() -> bytes:
    return gzip.compress(pcap([]) + bytes(60_000_000))


def _compressed_capture_pcapng() -> bytes:
    return gzip.compress(section() + interface() + bytes(60_000_000))


def _compressed_capture_of_packets() -> bytes:
    packets = pcap([frame((True, PSH, 100 + i, 1, b"x")) for i in range(500)])
    return gzip.compress(packets + packets[24:] * 800, 1)


def _fragments_that_overlap() -> bytes:
    inside = bytes(24)
    return pcap(
        [MACS + b"\x08\0" + ip(A, B, 6, inside, 7, 0x2000 | i % 8000) for i in range(40_000)]
    )


def _fragments_that_never_end() -> bytes:
    return pcap([MACS + b"\x08\0" + ip(A, B, 6, bytes(8), i, 0x2000 | 8100) for i in range(40_000)])


def _compressed_packets() -> bytes:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(tcp((True, PSH, 1, 1, bytes(65_000)))) + packer.flush()
    return pcap([MACS + b"\x08\0" + ip(A, B, 108, b"\6\0\0\2" + bomb, i) for i in range(4_000)])


def _interim_responses() -> bytes:
    return conversation(GET, b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000 + OK + b"\r\n")


def _tiny_chunks() -> bytes:
    return conversation(
        GET, OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 300_000 + b"0\r\n\r\n"
    )


def _chunk_extensions() -> bytes:
    return conversation(
        GET,
        OK
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"1;" + b"a=b;" * 5000 + b"\r\nx\r\n") * 90
        + b"0\r\n\r\n",
    )


def _header_lines() -> bytes:
    return conversation(
        b"GET / HTTP/1.1\r\n" + b"".join(b"a%d:\r\n" % i for i in range(200_000)) + b"\r\n",
        OK + b"\r\n",
    )


def _short_header_lines() -> bytes:
    return conversation((b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 2000 + b"\r\n") * 250, OK + b"\r\n")


def _folded_lines() -> bytes:
    return conversation(b"GET / HTTP/1.1\r\na: b\r\n" + b" c\r\n" * 250_000 + b"\r\n", OK + b"\r\n")


def _heads_that_never_end() -> bytes:
    return conversation(
        (b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * 1_300_000), OK + b"a: " + b"y" * 1_300_000
    )


def _empty_lines() -> bytes:
    return conversation(b"\r\n" * 700_000 + GET, b"\n" * 700_000)


def _start_lines_that_are_none() -> bytes:
    return conversation(b"GET / HTTP/1.1" * 100_000, b"HTTP/1.1 200" * 100_000)


def _pipelined_requests() -> bytes:
    return conversation(b"GET / HTTP/1.0\r\n\r\n" * 40_000, b"HTTP/1.0 204 \r\n\r\n" * 40_000)


def _lost_between_requests() -> bytes:
    """Each second segment of a pipelined connection is lost."""
    asked, answered = (
        stream(GET * 20_000, 97),
        stream((OK + b"Content-Length: 2\r\n\r\nhi") * 20_000, 89),
    )
    frames = [frame((True, PSH, 100 + 97 * i, 1000, part)) for i, part in enumerate(asked) if i % 2]
    return pcap(
        frames
        + [
            frame((False, PSH, 1000 + 89 * i, 100 + 97 * i, part))
            for i, part in enumerate(answered)
            if i % 3
        ]
    )


def _pieces_that_seem_to_begin_a_request() -> bytes:
    """Behind a gap, each segment looks like the beginning of a start line that never ends."""
    return pcap(_gap_and([b"GET /a"] * 25_000, [b"HTTP/1."] * 5_000))


def _pieces_that_seem_to_begin_a_frame() -> bytes:
    """Behind a gap, each segment looks like the head of an HTTP/2 frame."""
    head = struct.pack(">I", 5000)[1:] + b"\x01\4\0\0\0\1"
    return pcap(_gap_and([PREFACE, *[head] * 25_000], [h2(4, 0, 0), *[head] * 5_000]))


def _gap_and(asked: list[bytes], answered: list[bytes]) -> Iterator[bytes]:
    yield frame((True, SYN, 99, 0, b""))
    yield frame((False, SYN | ACK, 999, 100, b""))
    for by_client, parts in ((True, asked), (False, answered)):
        at = 100 if by_client else 1000
        for i, part in enumerate(parts):
            yield frame((by_client, PSH, at, 1000, part))
            at += len(part) + 5000 * (not i)


def _h2_streams() -> bytes:
    head = bytes([0x82, 0x84, 0x86])
    return conversation(
        PREFACE + b"".join(h2(1, 5, 2 * i + 1, head) for i in range(50_000)), h2(4, 0, 0)
    )


def _h2_resets() -> bytes:
    head = bytes([0x82, 0x84, 0x86])
    both = (h2(1, 5, 2 * i + 1, head) + h2(3, 0, 2 * i + 1, bytes(4)) for i in range(30_000))
    return conversation(PREFACE + b"".join(both), h2(4, 0, 0))


def _h2_header_bomb() -> bytes:
    """One field of 4000 bytes in the dynamic table, then named a million times by one byte."""
    first = bytes([0x82, 0x84, 0x86, 0x40, 1]) + b"a" + b"\x7f\xa1\x1e" + b"v" * 4000
    frames = [h2(1, 5, 1, first)] + [
        h2(1, 5, 2 * i + 3, bytes([0x82, 0x84, 0x86]) + b"\xbe" * 16_000) for i in range(60)
    ]
    return conversation(PREFACE + b"".join(frames), h2(4, 0, 0))


def _h2_continuations() -> bytes:
    more = b"".join(h2(9, 0, 1, b"\x86") for _ in range(100_000))
    return conversation(PREFACE + h2(1, 1, 1, bytes([0x82, 0x84])) + more, h2(4, 0, 0))


def _h2_empty_frames() -> bytes:
    return conversation(PREFACE + h2(0, 0, 1) * 120_000, h2(6, 0, 0, bytes(8)) * 60_000)


def _proxy_headers() -> bytes:
    one = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
    return conversation(one * 80_000 + GET, OK + b"\r\n")


def _interfaces() -> bytes:
    blocks = [section()] + [interface(1, options=option(9, bytes([i % 10]))) for i in range(60_000)]
    return b"".join(blocks) + b"".join(
        enhanced(frame((True, PSH, 100 + i, 1, b"x")), i, i) for i in range(20_000)
    )


def _sections() -> bytes:
    return b"".join(
        section() + interface() + enhanced(frame((True, PSH, i, 1, b"x"))) for i in range(12_000)
    )


def _resolutions() -> bytes:
    blocks = [section()] + [interface(1, options=option(9, bytes([i % 256]))) for i in range(256)]
    return b"".join(blocks) + b"".join(
        enhanced(frame((True, PSH, 100 + i, 1, b"x")), i, i % 256) for i in range(20_000)
    )


def _names() -> bytes:
    records = b"".join(
        struct.pack("<HH", 1, 8) + struct.pack(">I", i) + b"abc\0" for i in range(4000)
    )
    return section() + interface() + block(4, records + bytes(4)) * 40


def _damaged_lengths() -> bytes:
    """Every other record's length is nonsense."""
    good = pcap([frame((True, PSH, 100 + i, 1, bytes(64))) for i in range(12_000)])
    out, size = bytearray(good), 16 + 54 + 64
    for i in range(0, 12_000, 2):
        out[24 + i * size + 8 : 24 + i * size + 12] = b"\xff\xff\xff\x7f"
    return bytes(out)


def _headers_everywhere() -> bytes:
    """Packets full of what looks like record headers, and the end of the file cut."""
    fake = struct.pack("<IIII", START_S, 1, 16, 16)
    return pcap([MACS + b"\x12\x34" + fake * 500 for _ in range(250)])[:-9] + b"\xff" * 5000


def _deep_tunnels() -> bytes:
    inside = ip(A, B, 6, tcp((True, PSH, 1, 1, GET)))
    for _ in range(70):
        inside = ip(A, B, 4, inside)
    return pcap([MACS + b"\x81\0\0\1" * 300 + b"\x08\0" + inside for _ in range(1000)])


def _many_networks() -> bytes:
    vlans = range(4000)
    return pcap(
        [
            MACS
            + struct.pack(">HHHHH", 0x88A8, v, 0x8100, v ^ 5, 0x0800)
            + ip(A, B, 6, tcp((True, PSH, v, 1, b"x")))
            for v in vlans
        ]
        * 4
    )


def _extension_headers() -> bytes:
    chain = b"\x3c\0" + bytes(6)
    return pcap(
        [
            struct.pack(">IHBB", 6 << 28, 8000, 60, 64) + bytes(32) + chain * 1000
            for _ in range(200)
        ],
        101,
    )


def _one_byte_segments_backwards() -> bytes:
    data = (GET * 800)[:20_000]
    return pcap(
        [frame((True, PSH, 100 + i, 1, data[i : i + 1])) for i in reversed(range(len(data)))]
    )


def _segments_that_overlap() -> bytes:
    data = bytes(range(256)) * 8
    return pcap(
        [
            frame((True, PSH, 100 + (i * 7919) % 60_000, 1, data[: 1 + i % 200]))
            for i in range(12_000)
        ]
    )


def _giant_gaps() -> bytes:
    return pcap([frame((True, PSH, i * 0x0F00_0000, 1, GET)) for i in range(20_000)])


def _syns() -> bytes:
    return pcap(
        [
            frame((bool(i % 3), SYN if i % 3 else SYN | ACK, i * 77_777, i, b""))
            for i in range(30_000)
        ]
    )


def _flows() -> bytes:
    return pcap([frame((True, SYN, i, 0, b""), i & 0xFFFF, i) for i in range(30_000)])


def _resets() -> bytes:
    return pcap(
        [
            frame((bool(i % 2), RST if i % 5 else PSH, i * 3, i, b"x" * (i % 3)), 40000, i)
            for i in range(30_000)
        ]
    )


CAPTURES: dict[str, Callable[[], bytes]] = {
    name.strip("_").replace("_", " "): made
    for name, made in list(globals().items())
    if name.startswith("_")
    and callable(made)
    and name not in ("_conversation", "_gap_and")
    and getattr(made, "__module__", "") == __name__
}
