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

from collections.abc import Iterable, Iterator

from lbtrace.http_fields.quoting import short
from lbtrace.model.grpc import status_name
from lbtrace.model.http import NO_BODY, Body, Exchange, HeaderLine, Interim, Mark, Request, Response
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.text import NULL, TRUTH, or_null, quoted, quoted_or_null

NO_BODY_TEXT = (
    '{"framing":"none","length":0,"declared":null,"complete":true,"digest":null,'
    '"content_digest":null,"content_length":null}'
)
_REMEMBERED = 20000  # entries per generation of a memory


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
        self._calls = {call.exchange: call for call in trace.calls}
        self._events = {each.exchange: each for each in trace.event_streams}

    def lines(self, exchanges: Iterable[Exchange]) -> Iterator[str]:
        """One JSON object per exchange, without a line end."""
        for id_, connection, ordinal, request, response, interim, marks, stream_id in exchanges:
            asked = NULL if request is None else self._request(request)
            answered = NULL if response is None else self._response(response)
            yield (
                f'{{"id":{id_},"connection":{connection},"ordinal":{ordinal},'
                f'"stream_id":{or_null(stream_id)},"marks":{self._marks_of(marks)},'
                f'"request":{asked},"interim":{self._interim(interim) if interim else "[]"},'
                f'"response":{answered}{self._call(id_) if self._calls else ""}'
                f"{self._stream(id_) if self._events else ''}}}"
            )

    def _call(self, exchange: int) -> str:
        """What an exchange says as a gRPC call; "" when it is none."""
        call = self._calls.get(exchange)
        if call is None:
            return ""
        name = NULL if call.status is None else quoted(status_name(call.status))
        return (
            f',"grpc":{{"status":{or_null(call.status)},"name":{name},'
            f'"message":{quoted(short(call.message))},'
            f'"trailers_only":{TRUTH[call.trailers_only]},'
            f'"timeout_ns":{or_null(call.timeout_ns)},'
            f'"previous_attempts":{call.previous_attempts},'
            f'"request_messages":{or_null(call.asked)},'
            f'"response_messages":{or_null(call.answered)}}}'
        )

    def _stream(self, exchange: int) -> str:
        """What a response says as an event stream; "" when it is none."""
        held = self._events.get(exchange)
        if held is None:
            return ""
        return (
            f',"events":{{"count":{or_null(held.events)},"silence_ns":{or_null(held.silence_ns)}}}'
        )

    def _request(self, request: Request) -> str:
        method, target, version = request[:3]
        start = self._starts.get((method, version)) or self._start(method, version)
        return f'{{"target":{quoted(target)},{start},{self._after_start(*request[3:])}'

    def _response(self, response: Response) -> str:
        status, reason, version = response[:3]
        return (
            f'{{"status":{status},"reason":{quoted(reason)},"version":{quoted(version)},'
            f"{self._after_start(*response[3:])}"
        )

    def _after_start(
        self,
        lines: tuple[HeaderLine, ...],
        body: Body,
        first: int,
        head: int,
        last: int,
        first_ns: int,
        head_ns: int,
        last_ns: int,
        marks: tuple[Mark, ...],
        trailers: tuple[HeaderLine, ...],
        offset: int,
    ) -> str:
        """What a request and a response have in common, to the closing brace."""
        return (
            f'"headers":{self._blocks.get(id(lines)) or self._block(lines)},'
            f'"body":{NO_BODY_TEXT if body == NO_BODY else self.body(body)},'
            f'"trailers":{self._block(trailers) if trailers else "[]"},'
            f"{self._places(first, head, last, first_ns, head_ns, last_ns)},"
            f'"offset":{offset},"marks":{self._marks_of(marks)}}}'
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
            f'"first_frame":{number},"first_file":0,'
            f'"head_frame":{number if head == first else head},"head_file":0,'
            f'"last_frame":{number if last == first else last},"last_file":0,"first_ns":{time},'
            f'"head_ns":{time if head_ns == first_ns else head_ns},'
            f'"last_ns":{time if last_ns == first_ns else last_ns}'
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
        as_sent = "" if raw == f"{name}: {value}" else f",{quoted(raw)}"
        return f"{first},{quoted(value)}{as_sent}]"

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
            f'{{"framing":"{framing._value_}","length":{length},"declared":{or_null(declared)},'
            f'"complete":{TRUTH[complete]},"digest":{quoted_or_null(digest)},'
            f'"content_digest":{quoted_or_null(content_digest)},'
            f'"content_length":{or_null(content_length)}}}'
        )

    def _marks_of(self, marks: tuple[Mark, ...]) -> str:
        text = self._marks.get(marks)
        if text is None:
            text = self._marks[marks] = f"[{','.join(quoted(mark.value) for mark in marks)}]"
        return text

    def _interim(self, interim: tuple[Interim, ...]) -> str:
        texts = (
            f'{{"status":{i.status},"headers":{self._block(i.lines)},'
            f'{self._frames.keys("first", i.frame)},"first_ns":{i.time_ns}}}'
            for i in interim
        )
        return f"[{','.join(texts)}]"
