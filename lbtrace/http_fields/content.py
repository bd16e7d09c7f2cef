"""A Content-Type → what kind of content that is, where it decides how a message is read."""

from __future__ import annotations

from typing import Final

_GRPC: Final = "application/grpc"
_GRPC_WEB: Final = "application/grpc-web"  # made for HTTP/1: its trailers are in the body
_EVENTS: Final = "text/event-stream"


def is_grpc(content_type: str) -> bool:
    """Whether it is that of gRPC, with whatever its messages are written in."""
    kind = content_type.strip().lower()
    return kind.startswith(_GRPC) and not kind.startswith(_GRPC_WEB)


def is_event_stream(content_type: str) -> bool:
    """Whether it is that of server-sent events (HTML, §9.2)."""
    return content_type.strip().lower().startswith(_EVENTS)
