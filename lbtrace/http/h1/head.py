"""Bytes of a head → start line and field lines, kept as sent (RFC 9112 §2, §5).

The same heads and lines recur by the thousand in a capture. So each distinct header block, field
line and start line is parsed once, and the immutable result is shared: that saves most of the time
and most of the memory. The caches are bounded. Text is latin-1, so every byte survives.
"""

from __future__ import annotations

import re
from sys import intern
from typing import Final, NamedTuple

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.framing import PLAIN, WATCHED, FramingFields, framing_fields
from lbtrace.http.h1.start_line import (
    TOKEN,
    RequestLine,
    StatusLine,
    parse_request_line,
    parse_status_line,
)
from lbtrace.model.http import HeaderLine

MAX_HEAD: Final = 1 << 20  # bytes of a head; a longer one is reported and skipped
CACHED: Final = 1 << 15  # entries a cache holds before it is emptied
CRLF: Final = b"\r\n"
HEAD_END: Final = b"\r\n\r\n"
_BLANKS: Final = (b" ", b"\t")
_ANY_END: Final = re.compile(rb"\r?\n\r?\n")  # of a head, whatever its lines end in
_SHORT, _LONG = 1 << 12, 1 << 16  # bytes in which the end of a head is looked for, first and last

_new = tuple.__new__  # a named tuple's own constructor costs twice as much
_ORDINARY_REQUEST = re.compile(rb"[A-Z]+ /[^ \r\n\0]* HTTP/1\.[01]").fullmatch


class HeaderBlock(NamedTuple):
    """The field lines of a head, and what they state about framing."""

    lines: tuple[HeaderLine, ...]
    fields: FramingFields


def field_line(raw: bytes) -> HeaderLine:
    """A field line without its line end (RFC 9112 §5)."""
    text = raw.decode("latin-1")
    name, colon, value = text.partition(":")
    return HeaderLine(name, value.strip(" \t"), text) if colon else HeaderLine("", text, text)


def move_behind_head(cursor: Cursor, offset: int) -> bool:
    """Move behind the head of the message that begins at an offset; False when it is not there, or
    is too long.
    """
    if cursor.first_row == cursor.end_row or offset < cursor.offset:
        return False
    cursor.move_to(offset)
    size = _SHORT
    while (end := _ANY_END.search(cursor.peek(size))) is None:
        if size == _LONG:
            return False
        size *= 4
    cursor.pos += end.end()
    return True


class FieldLineCache(dict[bytes, HeaderLine]):
    """Field lines without line end → parsed."""

    def __missing__(self, raw: bytes) -> HeaderLine:
        if len(self) >= CACHED:
            self.clear()
        line = self[raw] = field_line(raw)
        return line


class _PlainLines(dict[bytes, HeaderLine]):
    """Field lines that are well-formed and say nothing about framing: nearly all, so that a head is
    one `map` over this dictionary.

    Any other line is never kept here. Each time it comes, `__missing__` is called: it notes a line
    that bears on framing in `watched`, and sets `odd` when only `parse_lines` can read the line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[str] = []
        self.odd = False
        self._known: dict[bytes, HeaderLine] = {}
        # Lines seen once. They stay apart, so that lines that never recur do not crowd out others.
        self._once: dict[bytes, HeaderLine] = {}
        # Well-formed field names → (text, whether the field bears on framing).
        self._names: dict[bytes, tuple[str, bool]] = {}

    def __missing__(self, raw: bytes) -> HeaderLine:
        line = self._known.get(raw)
        if line is not None:
            self.watched.append(line[2])
            return line
        line = self._once.pop(raw, None)
        if line is not None:
            if len(self) >= CACHED:
                self.clear()
            self[raw] = line
            return line
        before, colon, after = raw.partition(b":")
        name = self._names.get(before) or self._name(before)
        if name is None or not colon or b"\r" in after or b"\0" in after:
            self.odd = True
            return HeaderLine("", "", "")
        line = _new(
            HeaderLine, (name[0], after.decode("latin-1").strip(" \t"), raw.decode("latin-1"))
        )
        kept = self._known if name[1] else self._once
        if len(kept) >= CACHED:
            kept.clear()
        kept[raw] = line
        if name[1]:
            self.watched.append(line[2])
        return line

    def _name(self, raw: bytes) -> tuple[str, bool] | None:
        if not TOKEN(raw):
            return None
        if len(self._names) >= CACHED:
            self._names.clear()
        text = raw.decode("latin-1")
        known = self._names[raw] = text, text.lower() in WATCHED
        return known


class _HeaderBlocks(dict[bytes, HeaderBlock | None]):
    """Header blocks (each line with CRLF in front) → parsed; None when a line holds a bare LF, so
    that the head does not end where it seems to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.line = FieldLineCache()
        self._plain = _PlainLines()
        self._fields: dict[tuple[str, ...], FramingFields] = {}  # by the lines that bear on framing

    def __missing__(self, raw: bytes) -> HeaderBlock | None:
        raw_lines = raw.split(CRLF)
        del raw_lines[0]
        if raw.count(b"\n") != len(raw_lines):
            return None
        if len(self) >= CACHED:
            self.clear()
        plain = self._plain
        watched = plain.watched = []
        plain.odd = False
        lines = tuple(map(plain.__getitem__, raw_lines))
        if plain.odd:
            block = parse_lines(raw_lines, self.line)
        elif not watched:
            block = _new(HeaderBlock, (lines, PLAIN))
        else:
            key = tuple(watched)
            block = _new(HeaderBlock, (lines, self._fields.get(key) or self._stated(key, lines)))
        self[raw] = block
        return block

    def _stated(self, watched: tuple[str, ...], lines: tuple[HeaderLine, ...]) -> FramingFields:
        if len(self._fields) >= CACHED:
            self._fields.clear()
        fields = self._fields[watched] = framing_fields(lines, ())
        return fields


class _RequestLines(dict[bytes, RequestLine]):
    """Request lines without line end → parsed."""

    def __missing__(self, raw: bytes) -> RequestLine:
        if len(self) >= CACHED:
            self.clear()
        if _ORDINARY_REQUEST(raw):
            method, target, version = raw.decode("latin-1").split(" ")
            line = RequestLine(intern(method), target, intern(version), ())
        else:
            line = parse_request_line(raw)
        self[raw] = line
        return line


class _StatusLines(dict[bytes, StatusLine]):
    """Status lines without line end → parsed."""

    def __missing__(self, raw: bytes) -> StatusLine:
        if len(self) >= CACHED:
            self.clear()
        line = self[raw] = parse_status_line(raw)
        return line


class HeadCaches:
    """What was parsed before, of all connections of a capture point."""

    __slots__ = ("block", "request", "status")

    def __init__(self) -> None:
        self.block = _HeaderBlocks()
        self.request = _RequestLines()
        self.status = _StatusLines()


def parse_lines(raw_lines: list[bytes], cache: dict[bytes, HeaderLine]) -> HeaderBlock:
    """Raw lines without their ends → field lines, however odd they are. `cache` is a
    FieldLineCache.
    """
    lines = _unfolded(raw_lines, cache)
    odd: dict[str, None] = {}
    for raw in raw_lines:
        if b"\r" in raw:
            odd["bare-cr"] = None
        if b"\0" in raw:
            odd["nul-in-head"] = None
        if raw[:1] in _BLANKS:
            odd["obs-fold"] = None
    for name, _value, text in lines:
        if not name:
            odd["odd-field-name" if ":" in text else "field-without-colon"] = None
        elif name[-1] in " \t":
            odd["blank-before-colon"] = None
        elif not TOKEN(name.encode("latin-1")):
            odd["odd-field-name"] = None
    return HeaderBlock(lines, framing_fields(lines, tuple(odd)))


def _unfolded(raw_lines: list[bytes], cache: dict[bytes, HeaderLine]) -> tuple[HeaderLine, ...]:
    """The field lines; a line that begins with a blank continues the one before (obs-fold, RFC 9112
    §5.2).
    """
    lines: list[HeaderLine] = []
    at = 0
    while at < len(raw_lines):
        end = at + 1
        while end < len(raw_lines) and raw_lines[end][:1] in _BLANKS:
            end += 1
        line = cache[raw_lines[at]]
        if end > at + 1:
            more = [raw.decode("latin-1") for raw in raw_lines[at + 1 : end]]
            value = " ".join([line.value, *(text.strip(" \t") for text in more)]).strip(" ")
            line = HeaderLine(line.name, value, CRLF.decode().join([line.raw, *more]))
        lines.append(line)
        at = end
    return tuple(lines)
