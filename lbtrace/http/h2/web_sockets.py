"""WebSockets on HTTP/2 streams (RFC 8441): an extended CONNECT with `:protocol` websocket, whose
DATA frames carry the frames of the WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lbtrace.http.websocket import DEFLATE, WebSocketDigest, WebSocketReader
from lbtrace.http_fields import SEC_WEBSOCKET_EXTENSIONS
from lbtrace.http_fields.lines import lowered
from lbtrace.model.websocket import WebSocket

if TYPE_CHECKING:
    from lbtrace.http.h2.direction import Http2Direction, StreamHalf


def web_sockets(
    connection: int, asking: Http2Direction, answering: Http2Direction
) -> Iterator[WebSocket]:
    """The WebSockets that were asked for and granted on a connection."""
    for stream in sorted(asking.web_sockets):
        ask, answer = asking.halves[stream], answering.halves.get(stream)
        if answer is None or answer.section is None or answer.section.status[:1] != "2":
            continue
        extensions = (
            line.value.lower()
            for line in answer.section.lines
            if lowered(line.name) == SEC_WEBSOCKET_EXTENSIONS
        )
        deflate = any(DEFLATE in value for value in extensions)
        reset = stream in asking.resets | answering.resets
        ends = (_reader(half).end(half.ended or reset) for half in (ask, answer))
        yield WebSocket(connection, stream, deflate, *ends)


def _reader(half: StreamHalf) -> WebSocketReader:
    """What read a stream; nothing was sent where there is none."""
    reader = half.digest.reader if isinstance(half.digest, WebSocketDigest) else WebSocketReader()
    if half.holes:
        reader.lost()
    return reader
