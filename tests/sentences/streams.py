"""Connections in the clear → the HTTP/2 frames of each end (RFC 9113 §4.1), each with the packet
that ends it; heads are read by the `hpack` library. Nothing of lbtrace is used here.

Of a direction whose beginning is not there, or that is encrypted, nothing is read; behind a hole
nothing either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import hpack

from tests.sentences.packets import End, Packet, Talk

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
CONTINUATION = 9
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
    "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
    "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip


class StreamFrame(NamedTuple):
    """A frame. `packet` ends it."""

    packet: Packet
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM and GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[at : at + 4], "big")

    @property
    def acks(self) -> bool:
        """Whether a SETTINGS or PING acknowledges one."""
        return bool(self.flags & 1)

    def setting(self, number: int) -> int | None:
        """The value of a setting that it has."""
        found = None
        for at in range(0, len(self.payload) - 5, 6):
            if int.from_bytes(self.payload[at : at + 2], "big") == number:
                found = int.from_bytes(self.payload[at + 2 : at + 6], "big")
        return found


def sent(talk: Talk, end: End) -> tuple[bytes, list[tuple[int, Packet]]]:
    """(what an end sent in order, up to a hole; where each packet that brought some of it ends)."""
    direction = talk.directions.get(end)
    data, ends, at = b"", [], 1
    for begin, upto, packet in sorted(direction.sent, key=lambda s: s[0]) if direction else ():
        if packet.syn or not packet.payload or upto <= at:
            continue
        if begin > at:
            break
        data += packet.payload[at - begin :]
        at = begin + len(packet.payload)
        ends.append((len(data), packet))
        if len(packet.payload) < packet.size:
            break
    return data, ends


def has_hole(talk: Talk, end: End) -> bool:
    """Whether an end sent bytes behind a hole, so that `sent` does not have them all."""
    direction = talk.directions.get(end)
    parts = direction.sent if direction else []
    last = max((begin + packet.size for begin, _, packet in parts if packet.payload), default=1)
    return len(sent(talk, end)[0]) < last - 1


def frames(talk: Talk, end: End) -> list[StreamFrame]:
    """The frames that an end sent."""
    data, ends = sent(talk, end)
    at = len(PREFACE) if data.startswith(PREFACE) else 0
    if not at and (end == talk.client or data[3:4] != bytes([SETTINGS])):
        return []
    found = []
    while at + 9 <= len(data):
        upto = at + 9 + int.from_bytes(data[at : at + 3], "big")
        if upto > len(data):
            break
        packet = next(packet for place, packet in ends if place >= upto)
        stream = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
        found.append(StreamFrame(packet, data[at + 3], data[at + 4], stream, data[at + 9 : upto]))
        at = upto
    return found


def heads(talk: Talk, end: End) -> Iterator[tuple[Packet, dict[str, str]]]:
    """The field sections that an end sent, each with the packet that ends it."""
    decoder, block = hpack.Decoder(), b""
    for frame in frames(talk, end):
        if frame.kind not in (HEADERS, CONTINUATION):
            continue
        payload = frame.payload
        if frame.kind == HEADERS:
            block = b""
            if frame.flags & 0x8:
                payload = payload[1 : len(payload) - payload[0]]
            if frame.flags & 0x20:
                payload = payload[5:]
        block += payload
        if frame.flags & 0x4:
            fields = decoder.decode(block)
            yield frame.packet, {str(name): str(value) for name, value, *_ in fields}
