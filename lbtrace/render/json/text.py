"""Values → pieces of JSON text. Everything is ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from json import JSONEncoder
from json.encoder import encode_basestring_ascii

import numpy as np

from lbtrace.tables.columns import Column

Json = dict[str, object]  # one JSON object on its way into the encoder; no function hands it on

quoted = encode_basestring_ascii  # str → a JSON string literal
encode = JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode
NULL = "null"
TRUTH = ("false", "true")  # by what it is


def or_null(number: int | None) -> str:
    """A number that may not be known."""
    return NULL if number is None else f"{number}"


def quoted_or_null(text: str | None) -> str:
    """A text that may not be known."""
    return NULL if text is None else quoted(text)


def numbers(column: Column, missing: int | None = None) -> list[str]:
    """A column of numbers; null for the one that is missing."""
    texts = [f"{number}" for number in column.tolist()]
    if missing is not None:
        for i in np.flatnonzero(column == missing).tolist():
            texts[i] = NULL
    return texts


def named(names: Sequence[str], column: Column) -> list[str]:
    """A column of indices into names."""
    return [names[i] for i in column.tolist()]
