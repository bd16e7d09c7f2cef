"""The first bytes of a segment → the lines that can be read in them, each with its bytes: the head
of an HTTP/1 message (RFC 9112 §2.1), a PROXY protocol header, TLS hellos and alerts (RFC 8446 §4.1,
§6).

Only the segment itself is read: of a message that began in another one nothing is known here. The
lines of a head may hold credentials; the others hold none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lbtrace.http import proxy_protocol
from lbtrace.http_fields import Meaning, field
from lbtrace.model.frame_parts import FramePart, RestsOn
from lbtrace.model.http import ClientHello, ProxyHeader
from lbtrace.model.tls_alerts import FATAL, WARNING, TlsAlert
from lbtrace.tls_messages import choice, offer

_START: Final = re.compile(rb"(?:HTTP/\d\.\d \d{3}|[!-~]+ \S+ HTTP/\d\.\d\r?$)")
_RECORD: Final = 5  # bytes of the head of a TLS record
_ALERT, _HANDSHAKE = 0x15, 0x16
_RECORDS: Final = {0x14: "change_cipher_spec", 0x15: "alert", 0x16: "handshake", 0x17: "data"}
_MEANINGS: Final = (
    (FramePart.FORWARDING, Meaning.BALANCER | Meaning.CLIENT_ADDRESS | Meaning.CLIENT_PROTOCOL),
    (FramePart.FORWARDING, Meaning.CLIENT_HOST | Meaning.CLIENT_PORT | Meaning.PROXY),
    (FramePart.FRAMING, Meaning.FRAMING),
    (FramePart.HOP, Meaning.CONNECTION),
)


class PayloadLine(NamedTuple):
    """A line, the bytes it is read from, and what may rest on it. `secret`: it may hold
    credentials.
    """

    text: str
    begin: int
    end: int
    parts: RestsOn
    secret: bool = True


def payload_lines(payload: bytes) -> list[PayloadLine]:
    """All lines, in order; none where the payload begins with nothing that is known."""
    found: list[PayloadLine] = []
    at = 0
    while (header := proxy_protocol.header_of(payload[at:])) is not None:
        end = at + header.length
        parts, secret = (FramePart.PROXY_HEADER,), bool(header.tlvs)
        found.append(PayloadLine(_proxy(header), at, end, parts, secret))
        at = end
    found += _records(payload, at) if payload[at + 1 : at + 2] == b"\x03" else _head(payload, at)
    return found


def _proxy(header: ProxyHeader) -> str:
    ends = f": {header.source} → {header.destination}" if header.source else ""
    return f"PROXY protocol, version {header.version}, {header.command}{ends}"


def _head(payload: bytes, at: int) -> Iterator[PayloadLine]:
    """The lines of a head, up to the last whole one."""
    lines = payload[at:].split(b"\r\n")
    if not _START.match(lines[0]):
        return
    parts: RestsOn = (FramePart.START_LINE,)
    for line in lines[:-1]:
        if not line:
            return
        end = at + len(line)
        yield PayloadLine(line.decode("latin-1"), at, end, parts or _field(line))
        at, parts = end + 2, ()


def _field(line: bytes) -> RestsOn:
    """What may rest on a field line: its name, and what the field is for."""
    name = line.partition(b":")[0].strip().decode("latin-1").lower()
    known = field(name)
    meanings = [part for part, means in _MEANINGS if known and known.meaning & means]
    return (FramePart.FIELDS, name, *dict.fromkeys(meanings))


def _records(payload: bytes, at: int) -> Iterator[PayloadLine]:
    """TLS records, the last of which may be cut."""
    while at + _RECORD <= len(payload) and payload[at] in _RECORDS and payload[at + 1] == 3:
        size = int.from_bytes(payload[at + 3 : at + 5], "big")
        end = min(at + _RECORD + size, len(payload))
        told = _told(payload[at], payload[at + _RECORD : end], size)
        name = f"TLS {_RECORDS[payload[at]]}"
        text = f"{name}, {told}" if told else f"{name}, {size} bytes"
        yield PayloadLine(text, at, end, (FramePart.TLS,) if told else (), False)
        at = end


def _told(kind: int, body: bytes, size: int) -> str:
    """What a record in the clear says; "" for any other one."""
    if kind == _ALERT and len(body) == size == 2 and body[0] in (WARNING, FATAL):
        alert = TlsAlert(True, body[0], body[1], 0, 0)
        return f"{'fatal' if alert.level == FATAL else 'warning'}: {alert.name}"
    if kind != _HANDSHAKE or len(body) < 4 or int.from_bytes(body[1:4], "big") > size - 4:
        return ""
    if choice(body) is not None:
        return "ServerHello"
    found = offer(body, 0)
    return "" if found is None else _hello(found.hello, len(body) < size)


def _hello(hello: ClientHello, cut: bool) -> str:
    """The names in it; that there is none is known of a whole one only."""
    said = ["" if cut else ", no server name"]
    if hello.server_name:
        said = [f", server name {hello.server_name}"]
    if hello.alpn:
        said.append(f", ALPN {' '.join(hello.alpn)}")
    return f"ClientHello{''.join(said)}"
