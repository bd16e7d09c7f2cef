"""Exchanges → one line of JSON each, fast (docs/json-format.md specifies the keys).

A capture has hundreds of thousands of exchanges and few distinct header lines, so no dictionary is built: each message is one f-string over
the unpacked tuple, and what recurs (a header block, a body that is none, a tuple of marks) is encoded once and remembered. Memories are
keyed by object identity, which is sound because the Trace keeps every object alive while it is written, and they are emptied when
they grow: memory stays bounded on a capture where nothing recurs. Everything that came from the wire goes through the JSON string
encoder, so the output is ASCII and valid whatever the bytes were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii

from lbtrace.model.http import Body, Exchange, HeaderLine, Interim, Mark, Request, Response
from lbtrace.model.trace import Trace

quoted = encode_basestring_ascii  # str → a JSON string literal, ASCII only

_REMEMBERED = 20_000  # entries per memory, then it starts afresh


class FrameWriter:
    """Frames numbered through a point's files → the file's index and the number Wireshark shows."""

    def __init__(self, trace: Trace) -> None:
        self._starts = [f.first_frame for f in trace.files]
        self.single = len(self._starts) <= 1

    def split(self, frame: int) -> tuple[int, int]:
        """(file index, frame number in that file)."""
        if self.single:
            return 0, frame
        file = max(bisect_right(self._starts, frame) - 1, 0)
        return file, frame - self._starts[file] + 1

    def keys(self, name: str, frame: int | None) -> str:
        """'"first_frame":5,"first_file":0' for the name "first"."""
        if frame is None:
            return f'"{name}_frame":null,"{name}_file":null'
        file, number = self.split(frame)
        return f'"{name}_frame":{number},"{name}_file":{file}'


class ExchangeWriter:
    """Writes the exchanges of one trace; keeps the memories described above."""

    def __init__(self, trace: Trace) -> None:
        self._frames = FrameWriter(trace)
        self._blocks: dict[int, str] = {}
        self._lines: dict[int, str] = {}
        self._bodies: dict[int, str] = {}
        self._marks: dict[tuple[Mark, ...], str] = {(): "[]"}

    def lines(self, exchanges: Iterator[Exchange]) -> Iterator[str]:
        """One JSON object per exchange, without a line end."""
        message = self._message
        for id_, connection, ordinal, request, response, interim, marks, stream_id in exchanges:
            if request is None:
                asked = "null"
            else:
                asked = f'{{"method":{quoted(request[0])},"target":{quoted(request[1])},"version":{quoted(request[2])},{message(request)}}}'
            if response is None:
                answered = "null"
            else:
                answered = f'{{"status":{response[0]},"reason":{quoted(response[1])},"version":{quoted(response[2])},{message(response)}}}'
            yield (
                f'{{"id":{id_},"connection":{connection},"ordinal":{ordinal},"stream_id":{"null" if stream_id is None else stream_id},'
                f'"marks":{self._marks_of(marks) if marks else "[]"},"request":{asked},'
                f'"interim":{self._interim(interim) if interim else "[]"},"response":{answered}}}'
            )

    def _message(self, message: Request | Response) -> str:
        _, _, _, lines, body, first, head, last, first_ns, head_ns, last_ns, marks, trailers, offset = message
        block = self._blocks.get(id(lines)) or self._block(lines)
        if self._frames.single:
            frames = f'"first_frame":{first},"first_file":0,"head_frame":{head},"head_file":0,"last_frame":{last},"last_file":0'
        else:
            keys = self._frames.keys
            frames = f"{keys('first', first)},{keys('head', head)},{keys('last', last)}"
        return (
            f'"headers":{block},"body":{self._bodies.get(id(body)) or self._body(body)},"trailers":'
            f'{self._block(trailers) if trailers else "[]"},{frames},"first_ns":{first_ns},"head_ns":{head_ns},"last_ns":{last_ns},'
            f'"offset":{offset},"marks":{self._marks_of(marks) if marks else "[]"}'
        )

    def _block(self, lines: tuple[HeaderLine, ...]) -> str:
        known = self._lines
        if len(known) > _REMEMBERED:
            known.clear()
        if len(self._blocks) > _REMEMBERED:
            self._blocks.clear()
        block = f"[{','.join([known.get(id(line)) or self._line(line) for line in lines])}]"
        self._blocks[id(lines)] = block
        return block

    def _line(self, line: HeaderLine) -> str:
        name, value, raw = line
        text = f"[{quoted(name)},{quoted(value)}]"
        if raw != f"{name}: {value}":
            text = f"{text[:-1]},{quoted(raw)}]"
        self._lines[id(line)] = text
        return text

    def _body(self, body: Body) -> str:
        framing, length, declared, complete, digest, content_digest, content_length = body
        text = (
            f'{{"framing":"{framing.value}","length":{length},"declared":{"null" if declared is None else declared},'
            f'"complete":{"true" if complete else "false"},"digest":{"null" if digest is None else quoted(digest)},'
            f'"content_digest":{"null" if content_digest is None else quoted(content_digest)},'
            f'"content_length":{"null" if content_length is None else content_length}}}'
        )
        if len(self._bodies) > _REMEMBERED:
            self._bodies.clear()
        self._bodies[id(body)] = text
        return text

    def _marks_of(self, marks: tuple[Mark, ...]) -> str:
        text = self._marks.get(marks)
        if text is None:
            text = self._marks[marks] = f"[{','.join(quoted(mark.value) for mark in marks)}]"
        return text

    def _interim(self, interim: tuple[Interim, ...]) -> str:
        return (
            "["
            + ",".join(
                f'{{"status":{i.status},"headers":{self._block(i.lines)},{self._frames.keys("first", i.frame)},"first_ns":{i.time_ns}}}'
                for i in interim
            )
            + "]"
        )
