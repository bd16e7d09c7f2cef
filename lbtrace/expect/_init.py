"""Behaviour of a good run → a file of expectations that pins it, as TOML with comments.

Each line says in a comment what was seen. What a run cannot pin (times, what is unknown) is left
out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lbtrace.language.plurals import noun
from lbtrace.render.wording.escape import shown

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


Pinned = Iterable[tuple[str, object, str]]  # key, value, what was seen


def written(exchanges: int, pinned: Pinned) -> str:
    """The text of the file."""
    return "\n".join(_lines(exchanges, pinned)) + "\n"


def _lines(count: int, pinned: Pinned) -> Iterator[str]:
    yield f"# What lbtrace saw in a run of {count} {noun(count, 'exchange')}. Loosen what may vary."
    section = None
    for key, value, seen in pinned:
        table, name = _split(key)
        if table != section:
            section = table
            yield ""
            yield f"[{table}]"
        yield f"# {shown(seen)}"
        yield f"{_key(name)} = {_value(value)}"


def _split(key: str) -> tuple[str, str]:
    """ "request.headers.X-Forwarded-For" → ("request.headers", "X-Forwarded-For")"""
    parts = key.split(".")
    depth = 2 if parts[1] == "headers" else 1
    return ".".join(parts[:depth]), ".".join(parts[depth:])


def _key(name: str) -> str:
    return name if _BARE.match(name) else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value) if isinstance(value, int) else _text(str(value))


def _text(text: str) -> str:
    """A basic string (TOML 1.0)."""
    escaped = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 0x20 or ord(c) == 0x7F else "\\" + c if c in '"\\' else c
        for c in text
    )
    return f'"{escaped}"'
