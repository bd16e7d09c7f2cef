"""Connections of HTTP/2 with nothing unusual about them as a whole → rows, with the compiled core.

    both directions ─▶ Streams (C) ─▶ rows of plain streams
                                   ─▶ the frames of any other stream ─▶ Http2Direction

The careful reader of a connection is `direction`, frame by frame. Most connections do not need it:
no byte is missing, both ends begin as they must, every frame may stand where it stands, every
header block can be read, and the budget suffices. Of such a connection the core reads all frames
and header blocks. Exchanges of ordinary shape become rows. The frames of any other stream are
named, and `Http2Direction` reads these alone, with the fields that the core found in their header
blocks: trailers, interim responses, gRPC, event streams, tunnels, resets, messages that took their
time.

Invariant, and a law in the tests: what is told of a connection is the same on both roads.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from hpack.huffman_constants import REQUEST_CODES_LENGTH
from xxhash import xxh3_128_digest

from lbtrace import compiled
from lbtrace.http.budget import FRAMES_EACH, UNFOLDED_EACH
from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.digest import CODINGS, CONTENT_LIMITED, BodyDigest
from lbtrace.http.h2.field_sections import SCHEMES, declared_length
from lbtrace.http.h2.frames import begins_well
from lbtrace.http.h2.hpack_tolerant import STATIC, HpackField
from lbtrace.http.weirds import Weirds
from lbtrace.http_fields import CONTENT_LENGTH, CONTENT_TYPE, READ_IN_STREAMS
from lbtrace.http_fields.content import is_event_stream, is_grpc
from lbtrace.model.http import Body, Framing
from lbtrace.tables.columns import Column, running
from lbtrace.tables.exchanges import (
    FRAMES,
    FRAMES_LENGTH,
    OTHER,
    RETRANSMITTED,
    ExchangeTable,
    HeadTexts,
    MessageTable,
)
from lbtrace.tables.pace import PAUSE_NS

if TYPE_CHECKING:
    from lbtrace.compiled import _core

_WATCHED: Final = tuple(name.encode() for name in READ_IN_STREAMS)
# those that the core asks `_Stated` of
_OF_TYPE: Final = READ_IN_STREAMS.index(CONTENT_TYPE)
_OF_LENGTH: Final = READ_IN_STREAMS.index(CONTENT_LENGTH)
_UNKNOWN: Final = -1  # no length is declared
_TOO_LARGE: Final = -2  # one that no column of integers can hold
_MOST: Final = (1 << 63) - 1
# numbers of a message: start line, body, its length, frames, times, offset, whether it is repeated
_WIDTH: Final = 11
_BODY: Final = 6  # numbers of a body in front of its pieces
_PIECE: Final = 3  # buffer, begin, end


class ToldEnd(NamedTuple):
    """What the core found in one direction. `notes` are those of `ControlNotes`, `texts` the debug
    data of GOAWAY by note. `kept`, `data` and `window` as there. `unfolded`: bytes of its fields.
    `stop`: the offset up to which it was read. `whole`: its last frame is not cut. `frames` belong
    to streams that are no rows: where each begins, and the numbers of the fields in its header
    block (u32), None for DATA.
    """

    notes: bytes
    texts: list[tuple[int, bytes]]
    kept: int
    data: int
    window: int
    unfolded: int
    stop: int
    whole: bool
    frames: list[tuple[int, bytes | None]]


class ToldConnection(NamedTuple):
    """What the core found on a connection. `ordinals`: by stream, those of exchanges that are no
    rows; `schemes` as in `Application`; `fields`: those of the frames that are named, by number.
    """

    schemes: tuple[str, ...]
    ordinals: dict[int, int]
    fields: dict[int, HpackField]
    asking: ToldEnd
    answering: ToldEnd


class _Stated:
    """What the value of a field says, as a number (hpack.h)."""

    def __init__(self, decode: bool) -> None:
        """`decode`: content digests are wanted."""
        self.codings = [""]
        self._decode = decode

    def examined(self, which: int, value: bytes) -> int:
        """1 where a Content-Type decides how a message is read; which of `codings` a
        Content-Encoding is; the number in a Content-Length, _UNKNOWN or _TOO_LARGE.
        """
        text = value.decode("latin-1")
        if which == _OF_TYPE:
            return int(is_grpc(text) or is_event_stream(text))
        if which == _OF_LENGTH:
            length = declared_length(text)
            return _UNKNOWN if length is None else length if length <= _MOST else _TOO_LARGE
        coding = text.lower()
        if not self._decode or coding not in CODINGS:
            return 0
        if coding not in self.codings:
            self.codings.append(coding)
        return self.codings.index(coding)


class PlainStreams:
    """The connections of a capture point that the core reads, and their rows."""

    def __init__(
        self, core: compiled.Core, pieces: StreamPieces, decode: bool, weirds: Weirds
    ) -> None:
        """`decode`: content digests are wanted."""
        self._pieces = pieces
        self._weirds = weirds
        self._stated = _Stated(decode)
        p = pieces
        self._streams: _core.Streams = core.Streams(
            (p.start, p.length, p.payload, p.buffer, p.frame, p.time_ns, p.repeated),
            tuple(p.buffers),
            PAUSE_NS,
            [(name or b"", value or b"") for name, value in STATIC],
            bytes(REQUEST_CODES_LENGTH),
            _WATCHED,
            self._stated.examined,
            # no secret: it only makes the places of texts in a table hard to foresee
            int.from_bytes(os.urandom(8), "little"),
        )
        self._others: list[Body] = []
        self._digests = bytearray()  # of bodies in frames that are no objects
        self._count = 0

    def __len__(self) -> int:
        """How many rows there are."""
        return self._count

    def read(
        self, connection: int, client: Cursor, server: Cursor, limit: int
    ) -> ToldConnection | None:
        """Read a connection from both cursors on, which stay where they are; None, and nothing is
        done, when it is one for the careful reader. `limit`: how many messages of each direction
        may be made.
        """
        if not all(self._pieces.is_whole(end.stream) for end in (client, server)):
            return None
        if not (begins_well(client) and begins_well(server)):
            return None
        ends = self._end(client), self._end(server)
        most = limit, FRAMES_EACH * limit, UNFOLDED_EACH * limit
        told = self._streams.read(connection, ends, *most)
        if told is None:
            return None
        made, bodies, schemes, apart, fields, asking, answering = told
        self._count += made - len(apart)
        if bodies:
            self._add_bodies(memoryview(bodies).cast("q"))
        names = dict.fromkeys(scheme.decode("latin-1") for scheme in schemes)
        return ToldConnection(
            tuple(names)[:SCHEMES],
            dict(apart),
            {number: HpackField(*field) for number, field in fields.items()},
            ToldEnd(*asking),
            ToldEnd(*answering),
        )

    def _end(self, cursor: Cursor) -> tuple[int, int, int, bool]:
        """The pieces of a direction, where reading begins, and whether they came in order."""
        clean = bool(self._pieces.clean[cursor.stream])
        return cursor.first_row, cursor.end_row, cursor.offset, clean

    def _add_bodies(self, numbers: memoryview) -> None:
        """The bodies of rows, as the core tells them: what it is, declared length, length, coding,
        first frame, how many pieces, and these.
        """
        at, buffers, codings = 0, self._pieces.buffers, self._stated.codings
        while at < len(numbers):
            kind, stated, length, coding, frame, pieces = numbers[at : at + _BODY].tolist()
            at += _BODY
            begins, at = range(at, at + _PIECE * pieces, _PIECE), at + _PIECE * pieces
            if kind != OTHER and pieces == 1:
                buffer, begin, end = numbers[begins.start : at].tolist()
                self._digests += xxh3_128_digest(buffers[buffer][begin:end])
                continue
            sink = BodyDigest(codings[coding])
            for k in begins:
                buffer, begin, end = numbers[k : k + _PIECE].tolist()
                sink.update(buffers[buffer][begin:end])
            declared = None if stated == _UNKNOWN else stated
            body = sink.body(Framing.DATA_FRAMES, length, declared, True)
            if kind == OTHER:
                self._others.append(body)
            else:
                self._digests += bytes.fromhex(body.digest or "")
            if sink.limited:
                self._weirds.add(CONTENT_LIMITED, frame)

    def table(self) -> ExchangeTable:
        """The rows, in the order of their connections; ids count from 0."""
        rows, asked, answered, sizes, lines = self._streams.columns()
        texts, requests, statuses = self._streams.texts()
        count = len(self)
        connection, ordinal, stream = np.frombuffer(rows, np.int64).reshape(-1, 3).T
        block = np.arange(2 * count)
        sides = (np.frombuffer(held, np.int64).reshape(-1, _WIDTH) for held in (asked, answered))
        messages = np.stack(tuple(sides), axis=1)  # a request, its response, …
        digests = np.zeros(2 * count, "V16")
        digests[np.isin(messages[:, :, 1].ravel(), (FRAMES, FRAMES_LENGTH))] = np.frombuffer(
            self._digests, "V16"
        )
        heads = HeadTexts(
            texts,
            frozenset(),
            running(np.frombuffer(sizes, np.int64)),
            np.frombuffer(lines, np.int32),
            requests,
            statuses,
        )
        return ExchangeTable(
            np.arange(count),
            connection.astype(np.int32),
            ordinal.astype(np.int32),
            stream.copy(),
            _messages(messages[:, 0], block[::2], digests[::2]),
            _messages(messages[:, 1], block[1::2], digests[1::2]),
            heads,
            self._others,
        )


def _messages(held: Column, block: Column, digests: Column) -> MessageTable:
    """One row of numbers for each message."""
    start, kind, length, first, head, last, *times, offset, repeated = held.T
    first_ns, head_ns, last_ns = (time.copy() for time in times)
    return MessageTable(
        start=start.astype(np.int32),
        block=block.astype(np.int32),
        body=kind.astype(np.uint8),
        length=length.copy(),
        digest=digests.copy(),
        first_frame=first.astype(np.uint32),
        head_frame=head.astype(np.uint32),
        last_frame=last.astype(np.uint32),
        first_ns=first_ns,
        head_ns=head_ns,
        last_ns=last_ns,
        offset=offset.copy(),
        marks=np.where(repeated, np.uint8(RETRANSMITTED), np.uint8(0)),
    )
