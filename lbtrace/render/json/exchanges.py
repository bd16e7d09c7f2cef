"""Exchanges → one line of JSON each, fast (docs/json-format.md specifies the keys).

A capture has hundreds of thousands of exchanges and few distinct header lines, so no dictionary is
built: each message is one f-string over the unpacked tuple, and what recurs (a header block, a body
that is none, a tuple of marks) is encoded once and remembered. Memories are keyed by object
identity, which is sound because the Trace keeps every object alive while it is written; a full one
is kept for one generation longer and then dropped, so memory is bounded, and what recurs is found
however much does not. Everything that came from the wire goes through the JSON string encoder, so
the output is ASCII and valid whatever the bytes were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii

from lbtrace.model.http import NO_BODY, Body, Exchange, HeaderLine, Interim, Mark, Request, Response
from lbtrace.model.trace import Trace

quoted = encode_basestring_ascii  # str → a JSON string literal, ASCII only

NO_BODY_TEXT = '{"framing":"none","length":0,"declared":null,"complete":true,"digest":null,"content_digest":null,"content_length":null}'  # noqa: E501
_REMEMBERED = 20000  # entries per generation of a memory


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
        if self.single:
            return f'"{name}_frame":{frame},"{name}_file":0'
        file, number = self.split(frame)
        return f'"{name}_frame":{number},"{name}_file":{file}'


class ExchangeWriter:
    """Writes the exchanges of one trace; keeps the memories described above."""

    def __init__(self, trace: Trace) -> None:
        self._frames = FrameWriter(trace)
        self._starts: dict[tuple[str, str], str] = {}
        self._blocks: dict[int, str] = {}
        self._old_blocks: dict[int, str] = {}
        self._lines: dict[int, str] = {}
        self._old_lines: dict[int, str] = {}
        self._names: dict[str, str] = {}
        self._marks: dict[tuple[Mark, ...], str] = {(): "[]"}

    def lines(self, exchanges: Iterable[Exchange]) -> Iterator[str]:
        """One JSON object per exchange, without a line end."""
        request_of, response_of = self._request, self._response
        for id_, connection, ordinal, request, response, interim, marks, stream_id in exchanges:
            yield (
                f'{{"id":{id_},"connection":{connection},"ordinal":{ordinal},"stream_id":{"null" if stream_id is None else stream_id},'  # noqa: E501
                f'"marks":{self._marks_of(marks) if marks else "[]"},"request":{"null" if request is None else request_of(request)},'  # noqa: E501
                f'"interim":{self._interim(interim) if interim else "[]"},'
                f'"response":{"null" if response is None else response_of(response)}}}'
            )

    def _request(self, request: Request) -> str:
        (
            method,
            target,
            version,
            lines,
            body,
            first,
            head,
            last,
            first_ns,
            head_ns,
            last_ns,
            marks,
            trailers,
            offset,
        ) = request
        start = self._starts.get((method, version)) or self._start(method, version)
        return (
            f'{{"target":{quoted(target)},{start},"headers":{self._blocks.get(id(lines)) or self._block(lines)},'  # noqa: E501
            f'"body":{NO_BODY_TEXT if body == NO_BODY else self.body(body)},"trailers":{self._block(trailers) if trailers else "[]"},'  # noqa: E501
            f"{self._places(first, head, last, first_ns, head_ns, last_ns)},"
            f'"offset":{offset},"marks":{self._marks_of(marks) if marks else "[]"}}}'
        )

    def _response(self, response: Response) -> str:
        (
            status,
            reason,
            version,
            lines,
            body,
            first,
            head,
            last,
            first_ns,
            head_ns,
            last_ns,
            marks,
            trailers,
            offset,
        ) = response
        return (
            f'{{"status":{status},"reason":{quoted(reason)},"version":{quoted(version)},'
            f'"headers":{self._blocks.get(id(lines)) or self._block(lines)},'
            f'"body":{NO_BODY_TEXT if body == NO_BODY else self.body(body)},"trailers":{self._block(trailers) if trailers else "[]"},'  # noqa: E501
            f"{self._places(first, head, last, first_ns, head_ns, last_ns)},"
            f'"offset":{offset},"marks":{self._marks_of(marks) if marks else "[]"}}}'
        )

    def _places(
        self, first: int, head: int, last: int, first_ns: int, head_ns: int, last_ns: int
    ) -> str:
        """Frames and times of a message. Writing a number costs as much as all its keys, and most
        heads are in one frame.
        """
        if not self._frames.single:
            keys = self._frames.keys
            frames = f"{keys('first', first)},{keys('head', head)},{keys('last', last)}"
            return f'{frames},"first_ns":{first_ns},"head_ns":{head_ns},"last_ns":{last_ns}'
        number, time = str(first), str(first_ns)
        return (
            f'"first_frame":{number},"first_file":0,"head_frame":{number if head == first else head},"head_file":0,'  # noqa: E501
            f'"last_frame":{number if last == first else last},"last_file":0,"first_ns":{time},'
            f'"head_ns":{time if head_ns == first_ns else head_ns},"last_ns":{time if last_ns == first_ns else last_ns}'  # noqa: E501
        )

    def _start(self, method: str, version: str) -> str:
        text = f'"method":{quoted(method)},"version":{quoted(version)}'
        if len(self._starts) < _REMEMBERED:
            self._starts[(method, version)] = text
        return text

    def _block(self, lines: tuple[HeaderLine, ...]) -> str:
        """A header block that is not among the recent ones: it is made now, or was used a
        generation ago.
        """
        block = self._old_blocks.get(id(lines))
        if block is None:
            known = self._lines.get
            block = f"[{','.join([known(id(line)) or self._line(line) for line in lines])}]"
        if len(self._blocks) >= _REMEMBERED:
            self._old_blocks, self._blocks = self._blocks, {}
        self._blocks[id(lines)] = block
        return block

    def line(self, line: HeaderLine) -> str:
        """A header line: name and value, and the line as sent when it is not `name: value`."""
        name, value, raw = line
        first = self._names.get(name) or self._name(name)
        return (
            f"{first},{quoted(value)}]"
            if raw == f"{name}: {value}"
            else f"{first},{quoted(value)},{quoted(raw)}]"
        )

    def _line(self, line: HeaderLine) -> str:
        text = self._old_lines.get(id(line)) or self.line(line)
        if len(self._lines) >= _REMEMBERED:
            self._old_lines, self._lines = self._lines, {}
        self._lines[id(line)] = text
        return text

    def _name(self, name: str) -> str:
        text = f"[{quoted(name)}"
        if len(self._names) < _REMEMBERED:
            self._names[name] = text
        return text

    def body(self, body: Body) -> str:
        """A body."""
        framing, length, declared, complete, digest, content_digest, content_length = body
        return (
            f'{{"framing":"{framing._value_}","length":{length},"declared":{"null" if declared is None else declared},'  # noqa: E501
            f'"complete":{"true" if complete else "false"},"digest":{"null" if digest is None else quoted(digest)},'  # noqa: E501
            f'"content_digest":{"null" if content_digest is None else quoted(content_digest)},'
            f'"content_length":{"null" if content_length is None else content_length}}}'
        )

    def _marks_of(self, marks: tuple[Mark, ...]) -> str:
        text = self._marks.get(marks)
        if text is None:
            text = self._marks[marks] = f"[{','.join(quoted(mark.value) for mark in marks)}]"
        return text

    def _interim(self, interim: tuple[Interim, ...]) -> str:
        return (
            "["
            + ",".join(
                f'{{"status":{i.status},"headers":{self._block(i.lines)},{self._frames.keys("first", i.frame)},"first_ns":{i.time_ns}}}'  # noqa: E501
                for i in interim
            )
            + "]"
        )
