"""Bytes of a head → start line and field lines, kept as sent (RFC 9112 §2–§5).

Identical heads and lines recur by the thousand in a capture, so each distinct header block, field
line and start line is parsed once and its immutable result shared: that is most of the speed and
most of the memory. The caches are bounded; text is latin-1, so every byte survives.
"""

from __future__ import annotations

import re
from sys import intern
from typing import Final, NamedTuple

from lbtrace.http.h1.framing import PLAIN, WATCHED, FramingFields, examine
from lbtrace.model.http import HeaderLine

MAX_HEAD: Final = 1 << 20  # bytes of a head; a longer one is reported and passed over
H2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 §3.4
CACHED: Final = 1 << 15  # entries a cache holds before it is emptied

_new = tuple.__new__  # a named tuple's own constructor costs twice as much
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_STRICT_REQUEST = re.compile(
    rb"[A-Z][A-Z_\-]{1,23} (?: |(?:/|\*|[a-z][a-z0-9+.\-]*://|[^ \x00-\x20]+:\d+ )[^\x00-\x20]* "
    rb"?)HTTP/1\.[01]\r?\n"
)
_CUT_VERSION = rb"(?: (?:H(?:T(?:T(?:P(?:/(?:1(?:\.[01]?)?)?)?)?)?)?)?)?"
_CUT_REQUEST = re.compile(
    rb"(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) (?:/|https?://)[^\x00-\x20\x7f]*"
    + _CUT_VERSION
    + rb"\r?\Z"
)
_ORDINARY_REQUEST = re.compile(rb"[A-Z]+ /[^ \r\n\0]* HTTP/1\.[01]").fullmatch
_METHOD = re.compile(rb"[A-Z][A-Z_\-]*(?: |\Z)")
_STRICT_RESPONSE = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [^\x00-\x08\x0a-\x1f\x7f]*)?\r?\n")
_CUT_RESPONSE = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [^\x00-\x08\x0a-\x1f\x7f]*)?\r?\Z")


class HeaderBlock(NamedTuple):
    """The field lines of a head, and what they say about framing."""

    lines: tuple[HeaderLine, ...]
    fields: FramingFields


class RequestLine(NamedTuple):
    """`version` is "HTTP/0.9" when there is none, "" when the line was cut."""

    method: str
    target: str
    version: str
    weirds: tuple[str, ...]


class StatusLine(NamedTuple):
    """A status line; `status` is 0 when it has none."""

    version: str
    status: int
    reason: str
    weirds: tuple[str, ...]


class _FieldLines(dict[bytes, HeaderLine]):
    """Field lines without line end → parsed."""

    def __missing__(self, raw: bytes) -> HeaderLine:
        if len(self) >= CACHED:
            self.clear()
        text = raw.decode("latin-1")
        name, colon, value = text.partition(":")
        line = HeaderLine(name, value.strip(" \t"), text) if colon else HeaderLine("", text, text)
        self[raw] = line
        return line


class _Plain(dict[bytes, HeaderLine]):
    """Field lines that are well-formed and say nothing about framing: nearly all, so that a head is
    one `map` over this dictionary.

    A line that is neither is never kept here: each time it is met it comes through `__missing__`,
    which notes it in `watched` or, when only `parse_lines` knows what to make of it, sets `odd`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[str] = []
        self.odd = False
        self._known: dict[bytes, HeaderLine] = {}
        self._once: dict[
            bytes, HeaderLine
        ] = {}  # met once: what never recurs does not crowd out what does
        self._names: dict[
            bytes, tuple[str, bool]
        ] = {}  # field names → (text, whether it is watched); only well-formed ones

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
        text = raw.decode("latin-1")
        if not _TOKEN.fullmatch(text):
            return None
        if len(self._names) >= CACHED:
            self._names.clear()
        known = self._names[raw] = text, text.lower() in WATCHED
        return known


class _HeaderBlocks(dict[bytes, HeaderBlock | None]):
    """Header blocks (each line with CRLF in front) → parsed; None when it holds a bare LF, so that
    its end is not where it seems.
    """

    def __init__(self) -> None:
        super().__init__()
        self.line = _FieldLines()
        self._plain = _Plain()
        self._fields: dict[tuple[str, ...], FramingFields] = {}  # by the watched lines

    def __missing__(self, raw: bytes) -> HeaderBlock | None:
        raw_lines = raw.split(b"\r\n")
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
            block = _new(HeaderBlock, (lines, self._fields.get(key) or self._examined(key, lines)))
        self[raw] = block
        return block

    def _examined(self, watched: tuple[str, ...], lines: tuple[HeaderLine, ...]) -> FramingFields:
        if len(self._fields) >= CACHED:
            self._fields.clear()
        fields = self._fields[watched] = examine(lines, ())
        return fields


class _RequestLines(dict[bytes, RequestLine]):
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
    def __missing__(self, raw: bytes) -> StatusLine:
        if len(self) >= CACHED:
            self.clear()
        line = self[raw] = parse_status_line(raw)
        return line


class HeadCaches:
    """What was parsed before."""

    __slots__ = ("block", "request", "status")

    def __init__(self) -> None:
        self.block = _HeaderBlocks()
        self.request = _RequestLines()
        self.status = _StatusLines()


def parse_lines(raw_lines: list[bytes], cache: dict[bytes, HeaderLine]) -> HeaderBlock:
    """Raw lines without their ends → field lines. A line that begins with a blank continues the one
    before (obs-fold, RFC 9112 §5.2).
    """
    lines: list[HeaderLine] = []
    odd: dict[str, None] = {}
    values: list[str] = []  # of the line that is being continued
    raws: list[str] = []
    for raw in raw_lines:
        if b"\r" in raw:
            odd["bare-cr"] = None
        if b"\0" in raw:
            odd["nul-in-head"] = None
        if raw[:1] in (b" ", b"\t"):
            odd["obs-fold"] = None
            if lines:
                text = raw.decode("latin-1")
                values = values or [lines[-1].value]
                raws = raws or [lines[-1].raw]
                values.append(text.strip(" \t"))
                raws.append(text)
                continue
        if raws:
            lines[-1] = HeaderLine(lines[-1].name, " ".join(values).strip(" "), "\r\n".join(raws))
            values, raws = [], []
        lines.append(cache[raw])
    if raws:
        lines[-1] = HeaderLine(lines[-1].name, " ".join(values).strip(" "), "\r\n".join(raws))
    for name, _value, raw_text in lines:
        if not name:
            odd["odd-field-name" if ":" in raw_text else "field-without-colon"] = None
        elif name[-1] in " \t":
            odd["blank-before-colon"] = None
        elif not _TOKEN.fullmatch(name):
            odd["odd-field-name"] = None
    return HeaderBlock(tuple(lines), examine(lines, tuple(odd)))


def parse_request_line(raw: bytes) -> RequestLine:
    """A request line without its end (RFC 9112 §3)."""
    text = raw.decode("latin-1")
    odd: list[str] = []
    parts = text.split(" ")
    if len(parts) != 3 or not all(parts):
        words = text.split()
        if (
            len(parts) == 3 and not parts[1] and parts[2][:7] == "HTTP/1."
        ):  # as Apache's mod_proxy_hcheck asks when it was given no URI
            odd.append("spaces-in-request-line")
        elif len(words) >= 3 and words[-1][:5].upper() == "HTTP/":
            target = text.strip()[len(words[0]) : -len(words[-1])].strip()
            parts = [words[0], target, words[-1]]
            odd.append("spaces-in-request-line")
        elif len(words) == 2:
            parts = [words[0], words[1], "HTTP/0.9"]
            odd.append("http-0.9-request")
        else:
            parts = [words[0] if words else "", " ".join(words[1:]), ""]
            odd.append("spaces-in-request-line")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0", "HTTP/0.9"):
        odd.append("odd-version")
    if not _TOKEN.fullmatch(method):
        odd.append("odd-method")
    if not _target_fits(method, target):
        odd.append("odd-target")
    if b"\n" in raw:
        odd.append("bare-lf")
    if b"\r" in raw:
        odd.append("bare-cr")
    if b"\0" in raw:
        odd.append("nul-in-head")
    return RequestLine(method, target, version, tuple(odd))


def _target_fits(method: str, target: str) -> bool:
    """RFC 9112 §3.2: origin-form, absolute-form, authority-form (CONNECT only), asterisk-form
    (OPTIONS only).
    """
    if target[:1] == "/":
        return True
    if method == "CONNECT":
        return ":" in target and "/" not in target
    return "://" in target or (target == "*" and method in ("OPTIONS", "PRI"))


def parse_status_line(raw: bytes) -> StatusLine:
    """A status line without its end (RFC 9112 §4)."""
    text = raw.decode("latin-1")
    odd: list[str] = []
    version, _, rest = text.partition(" ")
    code, _, reason = rest.lstrip(" ").partition(" ")
    status = int(code) if len(code) == 3 and code.isascii() and code.isdigit() else 0
    if not 100 <= status <= 999 or rest[:1] == " ":
        odd.append("odd-status-line")
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        odd.append("odd-version")
    if b"\n" in raw:
        odd.append("bare-lf")
    if b"\r" in raw:
        odd.append("bare-cr")
    if b"\0" in raw:
        odd.append("nul-in-head")
    return StatusLine(version, status, reason, tuple(odd))


def begins_request(data: bytes) -> bool:
    """True when `data` begins with a request line that cannot be anything else: the test used to
    find one's place again after a gap.
    """
    return _STRICT_REQUEST.match(data) is not None or _CUT_REQUEST.match(data) is not None


def begins_response(data: bytes) -> bool:
    """The same for a status line."""
    return _STRICT_RESPONSE.match(data) is not None or _CUT_RESPONSE.match(data) is not None


def may_begin_request(data: bytes) -> bool:
    """A cheap look at the first bytes of a piece: could a request line begin here?"""
    return _METHOD.match(data) is not None


def may_begin_response(data: bytes) -> bool:
    """The same for a status line."""
    return data[:7] == b"HTTP/1."[: len(data)]
