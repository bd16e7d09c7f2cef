"""The first bytes of a TLS client → ClientHello (RFC 8446 §4.1.2 and §5.1); what an end says before
it encrypts → its alerts (§6); the sizes of a client's records → whether it sent any data (§5.2).

The hello may be spread over several records and segments; of one that is cut, what is there is
read.
"""

from __future__ import annotations

from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import ClientHello, Mark
from lbtrace.model.tls_alerts import FATAL, WARNING, TlsAlert
from lbtrace.tls_messages import offer

_MAX_HELLO: Final = 1 << 16
_RECORD_HEAD: Final = 5  # type, version, length (§5.1)
_ALERT, _APPLICATION_DATA = 0x15, 0x17
_ALERT_SIZE: Final = 2  # level and description; an encrypted alert is longer
_OVER: Final = (Mark.CLOSED, Mark.RESET)
_LOOKED_AT: Final = 64  # records; a handshake has fewer
_HANDSHAKE, _CLIENT_HELLO = 0x16, 1
# TLS 1.3 encrypts the end of the handshake as if it were data (§5.2): the text, a byte that says
# what it is, and 16 bytes of the AEAD
_HIDDEN_ALERT: Final = _ALERT_SIZE + 17
_HIDDEN_FINISHED: Final = (4 + 32 + 17, 4 + 48 + 17)  # by the hash of the cipher suite (§4.4.4)


def looks_like(data: bytes) -> bool:
    """True when `data` begins with a TLS record that can begin a connection or continue one."""
    return len(data) >= 3 and data[0] in (0x14, 0x15, 0x16, 0x17) and data[1] == 3 and data[2] <= 4


def client_hello(cursor: Cursor) -> ClientHello | None:
    """The ClientHello at the cursor, which stays where it is; None when there is none."""
    message = _handshake(cursor)
    if not message:
        return None
    row = cursor.row_at(cursor.offset)
    found = offer(message, cursor.pieces.frame[row], cursor.pieces.time_ns[row])
    return found and found.hello


def alerts(cursor: Cursor, from_client: bool) -> tuple[TlsAlert, ...]:
    """The alerts in the clear among the records from the cursor on, which moves, up to the first
    that hold application data, or that are not in the capture.
    """
    found: list[TlsAlert] = []
    for _ in range(_LOOKED_AT):
        head = cursor.peek(_RECORD_HEAD)
        if len(head) < _RECORD_HEAD or not looks_like(head) or head[0] == _APPLICATION_DATA:
            break
        size = int.from_bytes(head[3:], "big")
        said = cursor.peek(_RECORD_HEAD + _ALERT_SIZE)[_RECORD_HEAD:]
        if head[0] == _ALERT and size == len(said) == _ALERT_SIZE and said[0] in (WARNING, FATAL):
            row = cursor.row_at(cursor.offset)
            at = cursor.pieces.frame[row], cursor.pieces.time_ns[row]
            found.append(TlsAlert(from_client, said[0], said[1], *at))
        cursor.take(_RECORD_HEAD + size, None)
    return tuple(found)


def asked_nothing(cursor: Cursor) -> bool:
    """Whether a client sent no data, from its ClientHello at the cursor on, which moves, to its FIN
    or a RST. False where that cannot be known: bytes are missing, or early data was offered.
    """
    begin = Cursor(cursor.pieces, cursor.stream)
    begin.take(cursor.offset - begin.offset, None)
    if not _sends_no_data(cursor):
        return False
    first = offer(_handshake(begin), 0)
    return first is not None and not first.early_data


def _sends_no_data(cursor: Cursor) -> bool:
    """Whether the records from the cursor on, to the end of the stream, are as long as those of a
    handshake and of its end.
    """
    older = finished = False
    for _ in range(_LOOKED_AT):
        head = cursor.peek(_RECORD_HEAD + 1)
        if not head:
            return cursor.ended() and cursor.pieces.cut_mark(cursor.stream) in _OVER
        size = int.from_bytes(head[3:_RECORD_HEAD], "big")
        if len(head) <= _RECORD_HEAD or not looks_like(head):
            return False
        # in TLS 1.3 only a ClientHello is a handshake record of the client
        older |= head[0] == _HANDSHAKE and head[_RECORD_HEAD] != _CLIENT_HELLO
        if head[0] == _APPLICATION_DATA:
            finishes = size in _HIDDEN_FINISHED and not finished
            if older or not (finishes or size == _HIDDEN_ALERT):
                return False
            finished |= finishes
        if cursor.take(_RECORD_HEAD + size, None) < _RECORD_HEAD + size:
            return False
    return False


def _handshake(cursor: Cursor) -> bytes:
    """The first handshake message, put together from its records, as far as it is there."""
    data = cursor.peek(_MAX_HELLO)
    message = b""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x16 and data[at + 1] == 3:
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return message[: 4 + int.from_bytes(message[1:4], "big")]
    return message
