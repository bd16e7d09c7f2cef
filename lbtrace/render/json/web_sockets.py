"""What WebSockets carried → one JSON array per connection (docs/json-format.md specifies the
keys).
"""

from __future__ import annotations

from collections import defaultdict

from lbtrace.http_fields.quoting import short
from lbtrace.model.trace import Trace
from lbtrace.model.websocket import WebSocket, WebSocketEnd
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.text import Json, encode


def web_sockets(trace: Trace, frames: FrameWriter) -> dict[int, str]:
    """Connections that carry WebSockets → their arrays."""
    held: dict[int, list[WebSocket]] = defaultdict(list)
    for each in trace.web_sockets:
        held[each.connection].append(each)
    return {n: encode([_object(each, frames) for each in own]) for n, own in held.items()}


def _object(held: WebSocket, frames: FrameWriter) -> Json:
    return {
        "stream_id": held.stream,
        "deflate": held.deflate,
        "client": _end(held.client, frames),
        "server": _end(held.server, frames),
    }


def _end(end: WebSocketEnd, frames: FrameWriter) -> Json:
    close_file, close = (None, None) if end.close_frame is None else frames.split(end.close_frame)
    last_file, last = (None, None) if end.last_frame is None else frames.split(end.last_frame)
    return {
        "messages": end.messages,
        "bytes": end.bytes,
        "digest": end.digest,
        "pings": end.pings,
        "whole": end.whole,
        "close_code": end.close_code,
        "close_reason": short(end.close_reason),
        "close_frame": close,
        "close_file": close_file,
        "close_ns": end.close_ns,
        "last_frame": last,
        "last_file": last_file,
        "last_ns": end.last_ns,
    }
