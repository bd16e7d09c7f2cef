"""The first bytes of both directions → what protocol the connection speaks. Protocols that are not HTTP are named and left alone."""

from __future__ import annotations

from lbtrace.http.cursor import Cursor
from lbtrace.http.head import begins_request, begins_response
from lbtrace.model.http import Protocol

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def detect(client: Cursor, server: Cursor) -> tuple[Protocol, str]:
    """The protocol, and the name of one that is OTHER."""
    asked, answered = client.peek(4096), server.peek(4096)
    if asked.startswith(H2_PREFACE[:16]):
        return Protocol.HTTP2, ""
    if asked[:2] == b"\x16\x03" or answered[:2] == b"\x16\x03":
        return Protocol.TLS, ""
    if begins_request(asked) or begins_response(answered) or b" HTTP/1." in asked[:2048]:
        return Protocol.HTTP1, ""
    return Protocol.OTHER, ""
