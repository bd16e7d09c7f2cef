"""Values → pieces of JSON text. Everything is ASCII."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from json import JSONEncoder
from json.encoder import encode_basestring_ascii
from typing import TextIO, TypeAlias

import numpy as np

from lbtrace._version import __version__
from lbtrace.tables.columns import Column

Json = dict[str, object]  # one JSON object on its way into the encoder; no function hands it on

quoted = encode_basestring_ascii  # str → a JSON string literal
_encode = JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode
# A byte of a file name that is no UTF-8 is half of a pair in Python (PEP 383), and no text in JSON.
_PAIR_OR_ESCAPE = re.compile(
    r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\udc(?P<byte>[89a-f][0-9a-f])|\\."
)
# Lines of output: a text of one line or more, without the last line end; or bytes, with all of
# them. The compiled core writes bytes, which go into a file as they are.
Piece: TypeAlias = str | bytes
NULL = "null"
TRUTH = ("false", "true")  # by what it is


def in_bytes(piece: Piece) -> bytes:
    """The lines, each with its line end."""
    return piece if isinstance(piece, bytes) else f"{piece}\n".encode("ascii")


def in_text(piece: Piece) -> str:
    """The lines, without the last line end."""
    return piece[:-1].decode("ascii") if isinstance(piece, bytes) else piece


def encode(value: object) -> str:
    """Any value; bytes that are no text in it as \\xNN."""
    text = _encode(value)
    if "\\udc" not in text:
        return text
    return _PAIR_OR_ESCAPE.sub(
        lambda found: f"\\\\x{found['byte']}" if found["byte"] else found[0], text
    )


def write_document(
    out: TextIO, name: str, version: int, head: Json, key: str, rows: Iterable[Json]
) -> None:
    """A document of a format of its own: its name and version, the head, then one row per line."""
    began = {"format": name, "format_version": version, "lbtrace_version": __version__, **head}
    out.write(encode(began)[:-1] + f',"{key}":[\n')
    before = ""
    for row in rows:
        out.write(before + encode(row) + "\n")
        before = ","
    out.write("]}\n")


def or_null(number: int | None) -> str:
    """A number that may not be known."""
    return NULL if number is None else f"{number}"


def quoted_or_null(text: str | None) -> str:
    """A text that may not be known."""
    return NULL if text is None else quoted(text)


def numbers(column: Column, missing: int | None = None) -> list[str]:
    """A column of numbers; null for the one that is missing."""
    without = column[:0] if missing is None else np.flatnonzero(column == missing)
    if len(without) == len(column):  # most columns with missing numbers have none at all
        return [NULL] * len(column)
    texts = [f"{number}" for number in column.tolist()]
    for i in without.tolist():
        texts[i] = NULL
    return texts


def named(names: Sequence[str], column: Column) -> list[str]:
    """A column of indices into names."""
    return [names[i] for i in column.tolist()]
