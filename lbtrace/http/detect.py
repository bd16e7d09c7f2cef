"""The first bytes of both directions → the protocol that a connection speaks.

HTTP is recognised by bytes that cannot be anything else; a protocol that only resembles it (RTSP,
SIP, ICY) is not HTTP. Where the beginning was not captured, the first pieces are searched for one
that begins a message. Protocols other than HTTP are named and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from lbtrace.http import tls
from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.start_line import (
    begins_request,
    begins_response,
    is_simple_request,
    may_begin_request,
    may_begin_response,
)
from lbtrace.http.h2.frames import PREFACE, begins_with_settings
from lbtrace.model.http import Mismatch, Protocol

# Pieces that are looked at for a first message: where the beginning of the stream is not in the
# capture, and where it is, but other bytes may stand in front of HTTP.
_SEARCHED: Final = 4096
_PREFIXED: Final = 16
_REQUEST_LINE: Final = re.compile(
    rb"(?:\r?\n)*[!-9;-~]{1,64}[ \t][^\n]{0,65536}?[ \t](?i:HTTP)/[0-9.]{1,8}[ \t]*\r?(?:\n|\Z)"
)
_STATUS_LINE: Final = re.compile(rb"(?:\r?\n)*(?i:HTTP)/[0-9]\.[0-9] +[0-9]{3}")


class Detected(NamedTuple):
    """What a connection speaks.

    `name` is that of an OTHER protocol, if its first bytes tell. `reversed`: the end that opened
    the connection answers, the other asks. `before`: other bytes stand in front of the first
    message. `hello`: the client speaks TLS, and the server answers in HTTP/1 without it.
    """

    protocol: Protocol
    name: str = ""
    reversed: bool = False
    before: bool = False
    hello: bool = False


HTTP1: Final = Detected(Protocol.HTTP1)  # and nothing else to say


def detect(client: Cursor, server: Cursor) -> Detected:
    """The protocol behind the cursors. Where other bytes stand in front of HTTP (a greeting, a
    tunnel of some kind), the cursors move behind them.
    """
    asked = client.peek(4096)
    if begins_request(asked):
        return HTTP1
    answered = server.peek(4096)
    known = _preface_or_tls(asked, answered)
    if known is not None:
        return known
    if _asks(asked):
        return Detected(Protocol.HTTP1, before=_behind(client, server, asked.find(b"\n")))
    if _answers(answered) and not _asks(answered):
        return Detected(Protocol.HTTP1)
    if _asks(answered) or _answers(asked):
        return Detected(Protocol.HTTP1, "", True)
    name = _named(asked, answered)
    hidden = _behind_other_bytes(client, server, asked) if name in ("", "socks") else None
    return hidden or Detected(Protocol.OTHER, name)


def _preface_or_tls(asked: bytes, answered: bytes) -> Detected | None:
    """HTTP/2 by its preface, TLS by its records."""
    if len(asked) >= 4 and asked.startswith(PREFACE[: len(asked)]):
        return Detected(Protocol.HTTP2)
    if answered.startswith(PREFACE):
        return Detected(Protocol.HTTP2, reversed=True)
    if tls.looks_like(asked):
        in_clear = _answers(answered)
        return Detected(Protocol.HTTP1 if in_clear else Protocol.TLS, hello=in_clear)
    if tls.looks_like(answered) and not _asks(asked):
        return Detected(Protocol.TLS)
    return None


def _behind_other_bytes(client: Cursor, server: Cursor, asked: bytes) -> Detected | None:
    """HTTP that begins with no known message: HTTP/0.9, or other bytes in front of the first."""
    if is_simple_request(asked) and client.pieces.known_start[client.stream]:
        return Detected(Protocol.HTTP1)
    if _behind(client, server):
        return Detected(Protocol.HTTP1, before=True)
    if _behind(server, client):
        return Detected(Protocol.HTTP1, "", True, before=True)
    return None


def mismatch(client: Cursor, server: Cursor) -> Mismatch | None:
    """What both ends speak, where that is not the same. Unknown where the beginning of either was
    not captured.
    """
    if any(_late(cursor) or cursor.first_row == cursor.end_row for cursor in (client, server)):
        return None
    asked = _spoken(client.peek(4096), asking=True)
    answered = _spoken(server.peek(4096), asking=False)
    if asked is None or answered is None or asked is answered:
        return None
    row, p = server.first_row, server.pieces
    return Mismatch(asked, answered, p.frame[row], p.time_ns[row])


def _spoken(data: bytes, asking: bool) -> Protocol | None:
    """The protocol that the first bytes of a client, or of a server, are; None when unknown."""
    if tls.looks_like(data):
        return Protocol.TLS
    if data.startswith(PREFACE) if asking else begins_with_settings(data):
        return Protocol.HTTP2
    if begins_request(data) if asking else _answers(data):
        return Protocol.HTTP1
    return None


def _asks(data: bytes) -> bool:
    return begins_request(data) or _REQUEST_LINE.match(data) is not None


def _answers(data: bytes) -> bool:
    return begins_response(data) or _STATUS_LINE.match(data) is not None


def first_request(cursor: Cursor) -> int:
    """The first piece from the cursor on that begins a request; -1 when none of the pieces that are
    looked at does.
    """
    return _search(cursor, may_begin_request, begins_request)


def _behind(asking: Cursor, answering: Cursor, within: int = 1 << 62) -> bool:
    """Move the cursors to the first pieces that begin a request and a response; False, and no move,
    when there are none, or the request is not `within` so many bytes.
    """
    request = first_request(asking)
    if request >= 0 and asking.pieces.start[request] - asking.offset > within:
        return False
    response = _search(answering, may_begin_response, begins_response)
    if request < 0 and (response < 0 or asking.first_row < asking.end_row):
        return False
    for cursor, row in ((asking, request), (answering, response)):
        if row >= 0 and not _late(cursor):
            cursor.move_to(cursor.pieces.start[row])
    return True


def _late(cursor: Cursor) -> bool:
    """The beginning of the stream is not in the capture."""
    if cursor.first_row == cursor.end_row:
        return False
    return not cursor.pieces.known_start[cursor.stream] or cursor.pieces.start[cursor.first_row] > 0


def _search(
    cursor: Cursor, may_begin: Callable[[bytes], bool], begins: Callable[[bytes], bool]
) -> int:
    """The first piece that begins a message; -1 when none of the pieces that are looked at does."""
    p = cursor.pieces
    for row in cursor.rows_ahead()[: _SEARCHED if _late(cursor) else _PREFIXED]:
        o = p.payload[row]
        view = p.buffers[p.buffer[row]]
        n = p.length[row]
        if may_begin(bytes(view[o : o + min(n, 24)])) and begins(bytes(view[o : o + min(n, 4096)])):
            return row
    return -1


# a packet of variables: how long it is, then the first name with its length
_UWSGI: Final = re.compile(rb"\0..\0[\x01-\x40]\0[A-Z][A-Z_]{2,}", re.DOTALL)
_CLIENT: Final = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("ssh", rb"SSH-[12]"),
        ("rtsp", rb"[A-Z_]+ [^\r\n]+ RTSP/1"),
        ("sip", rb"(?:[A-Z]+ [^\r\n]+ SIP/2|SIP/2)"),
        ("redis", rb"\*\d{1,7}\r\n\$\d{1,9}\r\n"),
        ("postgresql", rb"\0\0..(?:\0\x03\0[\0-\x02]|\x04\xd2\x16[\x2e-\x30])"),
        ("mqtt", rb"\x10.{1,4}\0(?:\x04MQTT|\x06MQIsdp)"),
        ("amqp", rb"AMQP[\0-\x03]"),
        ("mongodb", rb"..\0\0.{8}(?:\xdd\x07\0\0|\xd4\x07\0\0)"),
        ("rdp", rb"\x03\0..[\x06-\xff]\xe0"),
        ("smb", rb"\0...[\xff\xfe]SMB"),
        ("ldap", rb"\x30(?:.|\x84....|\x81.|\x82..)\x02\x01.[\x60\x63\x77]"),
        ("bittorrent", rb"\x13BitTorrent protocol"),
        ("xmpp", rb"<(?:\?xml|stream:stream)"),
        ("irc", rb"(?:NICK|USER|PASS|CAP LS) ?[^\r\n]*\r\n(?:NICK|USER|CAP)"),
        ("memcached", rb"(?:get|gets|set|add|stats|version)(?: [^\r\n]+)?\r\n"),
        ("fastcgi", rb"\x01[\x01-\x0b]..[\0-\xff]{2}.\0"),
        ("ajp", rb"\x12\x34"),
        ("scgi", rb"\d{2,7}:CONTENT_LENGTH\0"),
        ("bgp", rb"\xff{16}"),
        ("spdy", rb"\x80[\x02\x03]\0[\x01-\x09]"),
        ("rtmp", rb"\x03.{8,1536}\Z"),
        ("tds", rb"[\x10\x12]\x01..\0\0"),
        ("dcerpc", rb"\x05\0[\x0b\x0e]"),
        ("iiop", rb"GIOP\x01"),
        ("socks", rb"\x05[\x01-\x04][\0-\x02]{1,4}\Z|\x04[\x01\x02].{6}"),
        ("git", rb"[0-9a-f]{4}git-(?:upload|receive)-pack "),
        ("cassandra", rb"[\x03-\x05]\0..[\x01\x05]"),
        ("dns", rb"\0[\x0c-\xff].{2}[\x01\0]\x00\0[\x01-\x04]\0\0\0\0\0[\0-\x02]"),
    )
)
_SERVER: Final = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("ssh", rb"SSH-[12]"),
        ("mysql", rb"..\0\0\x0a[\x20-\x7e]{3,64}\0|..\0\0\xff.\x04"),
        ("vnc", rb"RFB \d{3}\.\d{3}\n"),
        ("pop3", rb"\+OK"),
        ("imap", rb"\* (?:OK|PREAUTH|BYE) "),
        ("redis", rb"\$-?\d{1,9}\r\n"),
        ("nats", rb"INFO \{"),
        ("telnet", rb"\xff[\xfb-\xfe]"),
        ("icy", rb"ICY \d{3} "),
        ("rtsp", rb"RTSP/1"),
        ("sip", rb"SIP/2"),
        ("ftp", rb"220[ \-][^\r\n]*(?i:ftp)"),
        ("smtp", rb"220[ \-][^\r\n]*(?i:smtp|mail|esmtp)"),
    )
)


def beside_http(client: Cursor, server: Cursor) -> str:
    """What one end speaks where the other speaks HTTP/1, "" when its first bytes do not tell, or
    are not in the capture: a service that is no HTTP server; uwsgi, whose answers are HTTP.
    """
    if _late(client) or _late(server):
        return ""
    if _UWSGI.match(client.peek(4096)):
        return "uwsgi"
    answered = server.peek(4096)
    return next((name for name, pattern in _SERVER if pattern.match(answered)), "")


def _named(asked: bytes, answered: bytes) -> str:
    """The name of a protocol by its first bytes, "" when no pattern fits."""
    if answered[:3] == b"220":
        word = asked[:4].upper()
        if word in (b"EHLO", b"HELO"):
            return "smtp"
        if word in (b"USER", b"AUTH", b"FEAT"):
            return "ftp"
    if _UWSGI.match(asked):
        return "uwsgi"
    for name, pattern in _SERVER:
        if pattern.match(answered):
            return name
    for name, pattern in _CLIENT:
        if pattern.match(asked):
            return name
    return ""
