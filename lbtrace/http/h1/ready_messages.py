"""Messages that were read before, by the bulk reader → what a plain reader takes where it stands at
one.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Protocol

from lbtrace.http.h1.head import HeadCaches
from lbtrace.model.http import Request, Response
from lbtrace.tables.packets import Column


class MessageSource(Protocol):
    """Rows of messages, made into objects when somebody asks for one."""

    def request(self, number: int, caches: HeadCaches, marks: int, /) -> Request:
        """Row `number` of the requests; `marks` is an index in MARK_SETS."""

    def response(self, number: int, caches: HeadCaches, marks: int, /) -> Response:
        """Row `number` of the responses."""

    def requests(self, numbers: Column, marks: Column, /) -> list[Request]:
        """Many rows of the requests."""

    def responses(self, numbers: Column, marks: Column, /) -> list[Response]:
        """Many rows of the responses."""


@dataclass(frozen=True, slots=True)
class ReadyMessages:
    """The messages that a plain reader may take, by stream and offset.

    Message k lies from offset `begin[k]` to `end[k]`, its head up to `head[k]`. It begins with
    piece `row[k]`, ends in frame `last[k]`, and is row `number[k]` of the source. The messages k to
    `stop[k]` - 1 follow each other: between two of them no byte was captured. Those of which the
    bytes before them are missing are in `gaps`, ascending. Those of stream s are `first[s]` to
    `first[s + 1]` - 1. `marks[k]` is an index in MARK_SETS, of what its pieces say about it. All
    columns are memory views, of i64, but `marks` of bytes.
    """

    source: MessageSource
    first: memoryview
    begin: memoryview
    head: memoryview
    end: memoryview
    row: memoryview
    number: memoryview
    last: memoryview
    stop: memoryview
    gaps: memoryview
    marks: memoryview

    def at(self, stream: int, offset: int) -> int:
        """The message of a stream that begins at `offset`; -1 when none does."""
        first, last = self.first[stream], self.first[stream + 1]
        k = bisect_left(self.begin, offset, first, last)
        return k if k < last and self.begin[k] == offset else -1
