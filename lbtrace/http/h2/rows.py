"""Exchanges of HTTP/2 with nothing unusual about them → rows of an ExchangeTable.

A head is kept as the lines that HTTP/1 would send: `GET /a HTTP/2`, `HTTP/2 200 `, `name: value`.
What they would not tell exactly stays an object, and so does every exchange of which there is more
to say: trailers, interim responses, gRPC, event streams, tunnels, bytes that are missing.

Invariant, and a law in the tests: a row is told as the Exchange that would be made in its place.
"""

from __future__ import annotations

import re
from array import array
from typing import Final

import numpy as np

from lbtrace.http.digest import BodyDigest
from lbtrace.http.h2.direction import Http2Direction, StreamHalf
from lbtrace.http.h2.messages import body, place
from lbtrace.http_fields import AUTHORITY
from lbtrace.http_fields.content import is_event_stream, is_grpc
from lbtrace.model.http import NO_BODY, Body, HeaderLine
from lbtrace.tables.columns import Column, running
from lbtrace.tables.exchanges import (
    FRAMES,
    FRAMES_LENGTH,
    NOTHING,
    OTHER,
    ExchangeTable,
    HeadTexts,
    MessageTable,
)
from lbtrace.tables.words import numbering

_REQUEST: Final = re.compile(r"[!-~]+ [^\x00-\x20]+ HTTP/2").fullmatch
_STATUS: Final = re.compile(r"[1-9][0-9]{2}", re.ASCII).fullmatch
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII).fullmatch
_VALUE: Final = re.compile(r"[^ \t\r\n](?:[^\r\n]*[^ \t\r\n])?").fullmatch
_NO_DIGEST: Final = bytes(16)
_NO_ROW: Final = -1  # the number of a line that no row may have
_WIDTH: Final = 10  # numbers of a message: start line, kind and length of the body, places, offset


class StreamRows:
    """The rows of a capture point, in the order of their connections."""

    def __init__(self) -> None:
        self._line_numbers = numbering()
        # by identity: a head of a connection has the lines of the one before it
        self._known: dict[int, int] = {}
        self._held: list[HeaderLine] = []  # so that none takes the identity of another one
        self._requests, self._statuses = numbering(), numbering()
        self._rows = array("q")  # connection, ordinal, stream
        self._messages = array("q"), array("q")  # of requests, of responses: see `_WIDTH`
        self._sizes = array("q")  # lines of each block: of a request, of its response, …
        self._lines = array("i")
        self._digests = bytearray()  # 16 bytes of each request, of its response, …
        self._others: list[Body] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows) // 3

    def add(
        self,
        connection: int,
        ordinal: int,
        stream: int,
        asking: Http2Direction,
        answering: Http2Direction,
    ) -> bool:
        """Keep the exchange of a stream as a row, and use its halves up; False, and nothing is
        done, when it must be an object.
        """
        asked, answered = asking.halves.get(stream), answering.halves.get(stream)
        if asked is None or answered is None:
            return False
        if stream in answering.promised or stream in answering.asked:
            return False
        question, answer = asked.section, answered.section
        if question is None or answer is None or not (_is_plain(asked) and _is_plain(answered)):
            return False
        request = f"{question.method} {question.path} HTTP/2"
        if question.protocol or not _REQUEST(request) or not _STATUS(answer.status):
            return False
        known, new = self._known, self._number
        fields = [
            [known.get(id(line)) or new(line) for line in lines]
            for lines in (question.lines, answer.lines)
        ]
        places = place(asked, asking, False), place(answered, answering, False)
        if any(_NO_ROW in each for each in fields) or any(each.repeated for each in places):
            return False
        starts = self._requests[request], self._statuses[f"HTTP/2 {answer.status} "]
        for half, side, start, where, lines, out in zip(
            (asked, answered),
            (asking, answering),
            starts,
            places,
            fields,
            self._messages,
            strict=True,
        ):
            kind, length, digest = self._body(half, side)
            out.extend((start, kind, length, *where[1:7], half.begin))
            self._digests += digest
            self._sizes.append(len(lines))
            self._lines.extend(lines)
        self._rows.extend((connection, ordinal, stream))
        del asking.halves[stream], answering.halves[stream]
        return True

    def _number(self, line: HeaderLine) -> int:
        """The number of a line, counted from 1; _NO_ROW when it must be part of an object."""
        name, value, raw = line
        named = _NAME(name) or (name == AUTHORITY and "@" not in value)  # it may hold a password
        if named and _VALUE(value):
            number = self._line_numbers[raw.encode("latin-1")] + 1
        else:
            number = _NO_ROW
        self._known[id(line)] = number
        self._held.append(line)
        return number

    def _body(self, half: StreamHalf, side: Http2Direction) -> tuple[int, int, bytes]:
        """Kind, length and digest of a body, as a MessageTable has them."""
        assert half.section is not None
        found = body(half, side, half.section, False)
        if found is NO_BODY:
            return NOTHING, 0, _NO_DIGEST
        if (
            found.digest is None
            or found.content_digest
            or found.declared not in (None, found.length)
        ):
            self._others.append(found)
            return OTHER, len(self._others) - 1, _NO_DIGEST
        kind = FRAMES if found.declared is None else FRAMES_LENGTH
        return kind, found.length, bytes.fromhex(found.digest)

    def table(self) -> ExchangeTable:
        """All of them, in the order in which they were added; ids count from 0."""
        count = len(self)
        connection, ordinal, stream = np.frombuffer(self._rows, np.int64).reshape(-1, 3).T
        heads = HeadTexts(
            list(self._line_numbers),
            frozenset(),
            running(np.frombuffer(self._sizes, np.int64)),
            np.frombuffer(self._lines, np.int32) - np.int32(1),
            [text.encode("latin-1") for text in self._requests],
            [text.encode("latin-1") for text in self._statuses],
        )
        block, digests = np.arange(2 * count), np.frombuffer(self._digests, "V16")
        return ExchangeTable(
            np.arange(count),
            connection.astype(np.int32),
            ordinal.astype(np.int32),
            stream.copy(),
            _messages(self._messages[0], block[::2], digests[::2]),
            _messages(self._messages[1], block[1::2], digests[1::2]),
            heads,
            self._others,
        )


def _messages(held: array[int], block: Column, digests: Column) -> MessageTable:
    start, kind, length, first, head, last, *times, offset = (
        np.frombuffer(held, np.int64).reshape(-1, _WIDTH).T.copy()
    )
    first_ns, head_ns, last_ns = times
    return MessageTable(
        start.astype(np.int32),
        block.astype(np.int32),
        kind.astype(np.uint8),
        length,
        digests.copy(),
        first.astype(np.uint32),
        head.astype(np.uint32),
        last.astype(np.uint32),
        first_ns,
        head_ns,
        last_ns,
        offset,
        np.zeros(len(block), np.uint8),
    )


def _is_plain(half: StreamHalf) -> bool:
    """A whole message of which a start line, field lines and a body tell all."""
    section = half.section
    return (
        section is not None
        and half.ended
        and not (half.holes or half.unreadable or half.trailers or half.interims)
        and (half.digest is None or half.digest.__class__ is BodyDigest)
        and not (
            section.content_type
            and (is_grpc(section.content_type) or is_event_stream(section.content_type))
        )
    )
