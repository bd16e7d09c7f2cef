"""Messages of a side → how large their parts are, as columns; and what lies between two groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from lbtrace.http_fields import CONTENT_LENGTH, spelling
from lbtrace.model.http import Framing
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import FRAMINGS, Messages
from lbtrace.tables.words import Words

_T = TypeVar("_T")
LINE_END = 2  # CR LF
TARGET, LINE, HEAD, BODY, COUNT = range(5)  # parts of a message
# sizes at which servers and proxies give up, as they come: buffers of 4, 8, 16, 32 and 64 KiB
# (nginx, Node, HAProxy, ALB), 15 KiB (HAProxy: a buffer without the room it keeps free), 60 KiB
# (Envoy), 1 MiB (nginx: bodies, Go: heads)
LIMITS = (4096, 8192, 15360, 16384, 32768, 61440, 65536, 1 << 20)
# of field lines: Apache httpd, Envoy and Tomcat; HAProxy
COUNT_LIMITS = (100, 101)
BODY_LIMITS = tuple(1 << n for n in range(16, 36))


# whose end is known from the message itself (RFC 9112 §6.3)
SIZED = [FRAMINGS[framing] for framing in (Framing.CONTENT_LENGTH, Framing.CHUNKED)]


class Part(NamedTuple):
    """A part of a message that may be too large: which, what it is called in a sentence, its size
    per exchange (0 where it is not known), the limits that are usual for it.
    """

    kind: int
    name: str
    size: Column
    limits: tuple[int, ...] = LIMITS


class Gap(NamedTuple):
    """The parts of all that failed are larger than those of all that worked. `limits`: the usual
    ones that lie in between. `worked` is None when none worked.
    """

    part: Part
    failed: int  # the smallest that failed
    worked: int | None  # the largest that worked
    limits: tuple[int, ...]


def head_sizes(messages: Messages, words: Words, request: bool) -> Column:
    """The bytes of each head, its last empty line included, as HTTP/1 writes it."""
    texts = _lengths(words.text_list, len)
    first = texts[messages.version] + texts[messages.method] + LINE_END * 2
    # two blanks in between; a status has three digits
    first += (texts[messages.start] if request else 3) + 2
    sizes: Column = first + _sums(messages, _line_lengths(words))
    return sizes


def line_sizes(messages: Messages, words: Words) -> Column:
    """The bytes of the longest field line of each message; 0 without any."""
    heads, lengths = messages.heads, _line_lengths(words)
    sizes = np.zeros(len(heads), np.int64)
    some = np.flatnonzero(np.diff(heads.first))
    if len(some):
        sizes[some] = np.maximum.reduceat(lengths[heads.line], heads.first[some])
    return sizes


def longest_field(messages: Messages, words: Words, exchange: int) -> str:
    """The name of the field whose line is the longest."""
    lines = messages.heads.lines(words, exchange)
    return max(lines, key=lambda line: len(line.raw)).name if lines else ""


def request_parts(messages: Messages, words: Words) -> list[Part]:
    """The parts of requests, the most telling first."""
    target = _lengths(words.text_list, len)[messages.start]
    declared = declared_sizes(messages, words)
    return [
        Part(TARGET, "target", target),
        Part(LINE, "longest field line", line_sizes(messages, words)),
        Part(COUNT, "number of field lines", np.diff(messages.heads.first), COUNT_LIMITS),
        Part(HEAD, "head", head_sizes(messages, words, request=True)),
        Part(BODY, f"declared body ({spelling(CONTENT_LENGTH)})", declared, BODY_LIMITS),
    ]


def declared_sizes(messages: Messages, words: Words) -> Column:
    """The Content-Length of each message; 0 without."""
    declared = np.zeros(len(messages), np.int64)
    owner, line = messages.heads.which(words.fields_named(CONTENT_LENGTH.__eq__))
    declared[owner] = [_number(words.line_list[n].value) for n in line.tolist()]
    return declared


def gap(part: Part, failed: Column, worked: Column, said: bool = False) -> Gap | None:
    """What lies between two groups of exchanges (their numbers), if a usual limit does. `said`: the
    answers name this part as too large, so that any limit may lie there.
    """
    if not len(failed):
        return None
    low = int(part.size[failed].min())
    high = int(part.size[worked].max()) if len(worked) else None
    limits = tuple(limit for limit in part.limits if (high or 0) < limit <= low)
    if said and high is None:
        limits = ()  # what the status says needs no likelihood
    larger = said and low > (high or 0)
    return Gap(part, low, high, limits) if limits or larger else None


def _line_lengths(words: Words) -> Column:
    return _lengths(words.line_list, lambda line: len(line.raw) + LINE_END)


def _lengths(things: Sequence[_T], length: Callable[[_T], int]) -> Column:
    return np.fromiter(map(length, things), np.int64, len(things))


def _sums(messages: Messages, lengths: Column) -> Column:
    total = np.append(0, np.cumsum(lengths[messages.heads.line]))
    sums: Column = total[messages.heads.first[1:]] - total[messages.heads.first[:-1]]
    return sums


def _number(text: str) -> int:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else 0
