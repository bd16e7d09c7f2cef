"""WebSockets: what each end sent in one, and how it was closed (RFC 6455)."""

from __future__ import annotations

from typing import Final, NamedTuple

CLOSE_CODES: Final = {  # RFC 6455 §7.4.1; IANA, WebSocket Close Code Number Registry
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid payload",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension needed",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}


class WebSocketEnd(NamedTuple):
    """What one end sent. `messages` are those that came whole, `bytes` their payload as sent;
    `digest` is that of all of them, None unless every byte until the end is in the capture.

    `close_code` is that of its Close frame: 1005 when it states none, None without such a frame.
    """

    messages: int
    bytes: int
    digest: str | None
    pings: int
    close_code: int | None
    close_reason: str
    close_frame: int | None
    close_ns: int | None
    last_frame: int | None  # where its last frame ends
    last_ns: int | None
    whole: bool  # every byte of it is in the capture


class WebSocket(NamedTuple):
    """A WebSocket. `stream` is that of an extended CONNECT (RFC 8441), None on HTTP/1. `deflate`:
    the ends agreed on permessage-deflate (RFC 7692).
    """

    connection: int
    stream: int | None
    deflate: bool
    client: WebSocketEnd
    server: WebSocketEnd


def close_name(code: int) -> str:
    """A close code with its name, where it has one."""
    if code == 1005:
        return "no code"
    return f"{code} {CLOSE_CODES[code]}" if code in CLOSE_CODES else str(code)
