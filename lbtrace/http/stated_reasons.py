"""Error responses → what their bodies say went wrong, short enough to be quoted.

    a page of HTML                 its <title>; without one, the line below its heading
    text                           its first line
    JSON                           the "message", "error", "detail" … of its object
    any with a known reason        the sentence with it: servers bury the reason under a title that
                                   repeats the status

A reason belongs to a body, not to an exchange: its key is the digest of the body, so equal bodies
are read once. A body that was not captured whole has no digest, and states nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h1.head import move_behind_head
from lbtrace.http_fields import CONTENT_ENCODING
from lbtrace.http_fields.lines import field_value
from lbtrace.http_fields.quoting import short
from lbtrace.model.http import MIN_ERROR, Application, Exchange, Framing, Mark
from lbtrace.model.known_reasons import KNOWN_REASONS
from lbtrace.tables.exchanges import (
    BODY_TRUNCATED,
    NO_STREAM,
    Exchanges,
    ExchangeTable,
    status_parts,
)
from lbtrace.tables.packets import StreamTable

_MOST: Final = 1000  # different bodies of a capture that are read
_LOOKED_AT: Final = 1 << 12  # bytes of a body
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}[^\n]{0,200}\n")
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")
_MEMBERS: Final = ("message", "error", "detail", "title", "reason", "msg")


def stated_reasons(
    streams: StreamTable, applications: Sequence[Application], exchanges: Sequence[Exchange]
) -> dict[str, str]:
    """Digest of a body → what it says, for the error responses of a capture point."""
    if not isinstance(exchanges, Exchanges):
        exchanges = Exchanges(ExchangeTable.empty(), list(exchanges))
    pieces = StreamPieces(streams)
    reasons: dict[str, str] = {}
    read: set[str] = set()
    for exchange in _errors(exchanges.table, exchanges.objects):
        body = exchange.response.body if exchange.response is not None else None
        if body is None or body.digest is None or body.digest in read or len(read) == _MOST:
            continue
        read.add(body.digest)
        answering = not applications[exchange.connection].reversed
        stream = 2 * exchange.connection + answering
        text = reason(_body(Cursor(pieces, stream), exchange))
        if text:
            reasons[body.digest] = text
    return reasons


def _errors(table: ExchangeTable, found: Sequence[Exchange]) -> Iterable[Exchange]:
    """The exchanges of HTTP/1 that end in an error, at most one row for each body in the table."""
    used, which = np.unique(table.response.start, return_inverse=True)
    statuses = [status_parts(table.heads.statuses[i])[1] for i in used.tolist()]
    failed_rows = np.array(statuses, np.int64)[which] >= MIN_ERROR
    whole = table.response.marks & BODY_TRUNCATED == 0  # else it has no digest
    rows = np.flatnonzero(failed_rows & whole & (table.stream == NO_STREAM))
    keys = (table.response.body[rows], table.response.length[rows], table.response.digest[rows])
    firsts = np.unique(np.rec.fromarrays(keys), return_index=True)[1] if len(rows) else rows
    yield from table.make(np.sort(rows[firsts])[:_MOST])
    for e in found:
        failed = e.response is not None and e.response.status >= MIN_ERROR
        asked = e.request is None or Mark.FROM_SERVER not in e.request.marks
        if failed and asked and e.stream_id is None:
            yield e


def _body(cursor: Cursor, exchange: Exchange) -> bytes:
    """The beginning of the body of a response, without framing and coding; b"" when it cannot be
    found.
    """
    response = exchange.response
    if response is None or not move_behind_head(cursor, response.offset):
        return b""
    body = cursor.peek(_LOOKED_AT)
    if response.body.framing is Framing.CHUNKED:
        size = _CHUNK_SIZE.match(body)
        length = int(body.split(b";")[0].split(b"\r")[0].split(b"\n")[0], 16) if size else 0
        body = body[size.end() : size.end() + length] if size else b""
    else:
        body = body[: response.body.length]
    return _decoded(body, field_value(response, CONTENT_ENCODING) or "")


def _decoded(body: bytes, coding: str) -> bytes:
    if not coding or coding.lower() == "identity":
        return body
    if coding.lower() not in ("gzip", "deflate"):
        return b""
    try:
        return zlib.decompressobj(47).decompress(body, _LOOKED_AT)  # zlib's or gzip's head
    except zlib.error:
        return b""


def reason(body: bytes) -> str:
    """What the body of an error response says went wrong; "" when it says nothing short."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    known = next((k for k in KNOWN_REASONS if k.lower() in text.lower()), None)
    title = _TITLE.search(text)
    if known is not None and (title is None or known.lower() not in title[1].lower()):
        return short(_sentence_with(known, text))
    if title is not None:
        return short(_without_tags(title[1], " "))
    if text.lstrip()[:1] in ("{", "["):
        return short(_member(text))
    if "<" in text:
        return short(_below_heading(text))
    return short(text.strip().partition("\n")[0])


def _sentence_with(phrase: str, text: str) -> str:
    """The line of a page that holds a phrase, without tags."""
    lines = (
        line for line in _without_tags(text, "\n").splitlines() if phrase.lower() in line.lower()
    )
    return next(lines, phrase)


def _below_heading(page: str) -> str:
    """The first line below the heading of a page of HTML; "" without a heading. HAProxy repeats the
    status in the heading, and says below what happened.
    """
    _, heading, rest = page.partition("</h1>")
    if not heading:
        return ""
    lines = (line.strip() for line in _without_tags(rest, "\n").splitlines())
    return next(filter(None, lines), "")


def _without_tags(page: str, between: str) -> str:
    """The text of a page of HTML."""
    from html import unescape

    return unescape(_TAG.sub(between, page))


def _member(text: str) -> str:
    """What an object of JSON says is wrong."""
    import json

    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    for _ in range(2):  # {"error": {"message": …}}
        if not isinstance(said, dict):
            break
        said = next((said[name] for name in _MEMBERS if said.get(name)), "")
    return said if isinstance(said, str) else ""
