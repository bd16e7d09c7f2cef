"""What a Content-Type says of the content."""

from __future__ import annotations

import pytest

from lbtrace.http_fields.content import is_event_stream, is_grpc


@pytest.mark.parametrize(
    ("value", "grpc", "events"),
    [
        ("application/grpc", True, False),
        (" Application/gRPC+proto", True, False),
        ("application/grpc-web+proto", False, False),
        ("text/event-stream; charset=utf-8", False, True),
        ("Text/Event-Stream", False, True),
        ("", False, False),
    ],
)
def test_kinds(value: str, grpc: bool, events: bool) -> None:
    assert (is_grpc(value), is_event_stream(value)) == (grpc, events)
