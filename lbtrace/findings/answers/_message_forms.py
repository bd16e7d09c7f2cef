"""Messages of a side → what is unusual in their form, as columns of bool by name.

A form is told only where all messages of one group have it and none of another: it says what
differs, and why one of them was refused is for the reader to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from lbtrace.http_fields import (
    AUTHORITY,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TRANSFER_ENCODING,
    UPGRADE,
    spelling,
)
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import Messages
from lbtrace.tables.words import MARKS, Words

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110 §5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_FOLD = re.compile(r"\r?\n[ \t]")  # RFC 9112 §5.2
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]").search
# RFC 3986 §2; brackets stand around an address alone (§3.2.2)
_NOT_IN_A_TARGET = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~]").search
_ADDRESS = re.compile(r"(?<=//)\[[0-9A-Fa-f:.]+\]|^\[[0-9A-Fa-f:.]+\](?=:\d+$)")
_COMMON = 3  # fields that only one group has: as many are named

LINES: dict[str, Callable[[HeaderLine], bool]] = {
    "an underscore in a field name": lambda line: "_" in line.name,
    "a blank before a colon": lambda line: line.name[-1:] in (" ", "\t"),
    "a field line without a colon": lambda line: not line.name,
    "a field name that is no token": lambda line: bool(line.name) and not _TOKEN(line.name.strip()),
    "a field line that goes on in the next line (obs-fold)": lambda line: bool(
        _FOLD.search(line.raw)
    ),
    "a control character in a field line": lambda line: bool(_CONTROL(_FOLD.sub(" ", line.raw))),
    "a byte beyond ASCII in a field line": lambda line: bool(_BEYOND_ASCII(line.raw)),
}


def forms(messages: Messages, words: Words, request: bool) -> Iterator[tuple[str, Column]]:
    """(what, bool per exchange)."""
    for name, test in LINES.items():
        yield name, messages.heads.having(_of_lines(words, test))
    length = _count(messages, words, CONTENT_LENGTH)
    coding = _count(messages, words, TRANSFER_ENCODING)
    yield f"{spelling(CONTENT_LENGTH)} twice", length > 1
    yield (
        f"{spelling(CONTENT_LENGTH)} and {spelling(TRANSFER_ENCODING)}",
        (length > 0) & (coding > 0),
    )
    yield (
        "framing that can be read in two ways",
        (messages.marks & MARKS[Mark.AMBIGUOUS_FRAMING]) > 0,
    )
    yield "a malformed head, or a malformed body", (messages.marks & MARKS[Mark.MALFORMED]) > 0
    if request:
        yield from _request_forms(messages, words, coding)
    else:
        reasons = np.array([bool(_BEYOND_ASCII(t)) for t in words.text_list], bool)
        yield "a byte beyond ASCII in the status line", reasons[messages.method]


def _request_forms(
    messages: Messages, words: Words, coding: Column
) -> Iterator[tuple[str, Column]]:
    hosts = _count(messages, words, HOST)
    yield f"{spelling(HOST)} twice", hosts > 1
    yield f"no {spelling(HOST)}", hosts + _count(messages, words, AUTHORITY) == 0
    yield spelling(TRANSFER_ENCODING), coding > 0
    yield spelling(EXPECT), _count(messages, words, EXPECT) > 0
    yield spelling(UPGRADE), _count(messages, words, UPGRADE) > 0
    encoded = np.array(["%2f" in t.partition("?")[0].lower() for t in words.text_list], bool)
    yield "an encoded slash (%2F) in the path", encoded[messages.start]
    odd = np.array([bool(_NOT_IN_A_TARGET(_ADDRESS.sub("", t))) for t in words.text_list], bool)
    yield "a character in the target that RFC 3986 does not allow", odd[messages.start]


def only_in(messages: Messages, words: Words, failed: Column, worked: Column) -> list[str]:
    """Fields that all of one group have and none of the other, as spelled in the first of them."""
    fields, count = words.field_of, len(words.fields)
    held = [_fields_in(messages, fields, count, group) for group in (failed, worked)]
    only = (held[0] == len(failed)) & (held[1] == 0)
    first = messages.heads.lines(words, int(failed[0]))
    names = [line.name for line in first if line.name and only[words.fields[line.name.lower()]]]
    return list(dict.fromkeys(names))[:_COMMON]


def _fields_in(messages: Messages, fields: Column, count: int, group: Column) -> Column:
    """Per field how many messages of a group have it."""
    size, line = messages.heads.of(group)
    owner = np.repeat(np.arange(len(group)), size)
    pairs = np.unique(np.stack((fields[line], owner)), axis=1)
    return np.bincount(pairs[0], minlength=count)


def _of_lines(words: Words, test: Callable[[HeaderLine], bool]) -> Column:
    return np.fromiter(map(test, words.line_list), bool, len(words.line_list))


def _count(messages: Messages, words: Words, field: str) -> Column:
    owner, _ = messages.heads.which(words.fields_named(field.__eq__))
    return np.bincount(owner, minlength=len(messages))
