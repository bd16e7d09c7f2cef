"""Start lines → numbers, and the kind of message each begins. Each distinct line is parsed once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np

from lbtrace.http.bulk.head_dictionary import TextNumbers
from lbtrace.http.h1.body_length import BODILESS, response_facts
from lbtrace.http.h1.start_line import begins_response, parse_status_line
from lbtrace.tables.packets import Column

# Flags of a start line, beside BODILESS of `body_length`: it is of ordinary shape; its method is
# HEAD; its version is HTTP/1.0; where it is not known that a message begins, it does not show it.
PLAIN, HEAD, OLD, UNSURE = 1, 2, 8, 16
_REQUEST: Final = re.compile(
    rb"[A-Z][A-Z_\-]{1,23} (?:/|https?://)[^\x00-\x20]{0,2000} HTTP/1\.[01]"
).fullmatch
_ELSEWHERE: Final = (b"CONNECT ", b"PROXY ")  # these do not begin an ordinary request


class StartLines:
    """The start lines of one side that were seen so far; `texts` are by number."""

    def __init__(self, kinds: Callable[[list[bytes]], bytearray]) -> None:
        """`kinds` is `request_kinds` or `status_kinds`."""
        self._kinds_of = kinds
        self._kinds = bytearray()
        self._numbers = TextNumbers()
        self.texts: list[bytes] = []

    def of(self, lines: list[bytes]) -> tuple[Column, Column]:
        """The number (i64) and the flags (u8) of each line."""
        numbers, new = self._numbers.of(lines, len(self.texts))
        self.texts += new
        self._kinds += self._kinds_of(new)
        return numbers, np.frombuffer(self._kinds, np.uint8)[numbers]


def request_kinds(lines: list[bytes]) -> bytearray:
    """The flags of request lines (RFC 9112 §3)."""
    kinds = bytearray(map(bool, map(_REQUEST, lines)))  # PLAIN or nothing
    text = b"\n".join((b"", *lines, b""))
    if any(mark in text for mark in (b" HTTP/1.0\n", b"\nHEAD ", *_ELSEWHERE)):
        for k, line in enumerate(lines):
            if line.startswith(_ELSEWHERE):
                kinds[k] = 0
            if kinds[k]:
                kinds[k] |= HEAD * line.startswith(b"HEAD ") | OLD * line.endswith(b"0")
    return kinds


def status_kinds(lines: list[bytes]) -> bytearray:
    """The flags of status lines (RFC 9112 §4). An interim response is not ordinary, and neither is
    101.
    """
    kinds = bytearray()
    for raw in lines:
        line = parse_status_line(raw)
        flags = PLAIN | response_facts(line.status, None) & BODILESS
        flags |= OLD * (line.version == "HTTP/1.0") | UNSURE * (not begins_response(raw + b"\r\n"))
        kinds.append(0 if line.weirds or line.status < 200 else flags)
    return kinds
