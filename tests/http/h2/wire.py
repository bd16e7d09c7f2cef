"""HTTP/2 frames as bytes: what one end of a connection sends."""

from __future__ import annotations

import struct

import hpack

from lbtrace.http.h2.frames import PREFACE

DATA, HEADERS, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 0x20

__all__ = ["PREFACE", "End", "frame", "settings_frame"]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113 §4.1)."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def settings_frame() -> bytes:
    return frame(SETTINGS, 0, 0, b"\0\x03\0\0\0\x64")


class End:
    """One end's compression state."""

    def __init__(self) -> None:
        self.encoder = hpack.Encoder()

    def block(self, *fields: tuple[str, str]) -> bytes:
        return bytes(self.encoder.encode(list(fields)))

    def ask(self, stream: int, path: str, flags: int = END_STREAM, *more: tuple[str, str]) -> bytes:
        """A GET request."""
        fields = (
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "shop.example"),
            (":path", path),
            *more,
        )
        return frame(HEADERS, END_HEADERS | flags, stream, self.block(*fields))

    def answer(self, stream: int, body: bytes = b"", *more: tuple[str, str]) -> bytes:
        """A response with status 200."""
        head = frame(
            HEADERS,
            END_HEADERS | (0 if body else END_STREAM),
            stream,
            self.block((":status", "200"), ("server", "x"), *more),
        )
        return head + (frame(DATA, END_STREAM, stream, body) if body else b"")
