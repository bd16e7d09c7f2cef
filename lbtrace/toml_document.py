"""A TOML file → its keys with their values and lines.

TOML 1.0 (toml.io) is read by `tomllib`, which keeps no positions. So the lines of keys are found
apart, in a text that tomllib has read: a statement ends with its line, unless a string or a bracket
is open there, and its key is the one tomllib finds in it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lbtrace.errors import OptionError, unread

MOST_BYTES = 1_000_000  # of a file that people write
# what a line end or a bracket in it means nothing: strings, up to three quotes at the end of those
# of several lines, and comments; then brackets and line ends
_TOKEN = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'''
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[][{}\n]""",
    re.DOTALL,
)


class Document(NamedTuple):
    """A file as tomllib reads it, and the line of each key. The n-th table of an array has the path
    (name, n).
    """

    file: str
    content: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]

    def line(self, *path: str | int) -> int:
        """The line of a key; of the table it is in, when it has none of its own."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(path: str, slug: str, kind: str) -> Document:
    """A file that is a `kind`. OptionError, whose slug begins with `slug`, when it cannot be read
    or is no TOML.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        wrong, hint = unread(error)
        raise OptionError(f"{slug}unreadable", f"{path}: {wrong}", hint) from error
    if len(raw) > MOST_BYTES:
        raise OptionError(f"{slug}too-large", f"{path}: larger than {MOST_BYTES} bytes: no {kind}.")
    try:
        text = raw.decode("utf-8-sig")  # some editors write a mark of byte order
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise OptionError(f"{slug}no-toml", f"{path}: is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{slug}no-toml", f"{path}: is not TOML: {error}.") from error
    except RecursionError as error:
        raise OptionError(f"{slug}no-toml", f"{path}: is nested too deeply: no {kind}.") from error
    return Document(path, content, dict(_lines(text)))


def _lines(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """(path, line) of every table and key."""
    table: tuple[str | int, ...] = ()
    count: dict[tuple[str | int, ...], int] = {}
    for line, statement in _statements(text):
        path = tuple(_path(statement))
        if not path:
            continue
        stripped = statement.lstrip()
        if stripped.startswith("[["):
            number = count.get(path, 0)
            count[path] = number + 1
            table = (*path, number)
            yield table, line
        elif stripped.startswith("["):
            table = path
            yield table, line
        else:
            for depth in range(1, len(path) + 1):
                yield (*table, *path[:depth]), line


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of each statement, and of each line without one."""
    begin = depth = 0
    line = first = 1
    for token in _TOKEN.finditer(text):
        if token[0] != "\n":
            line += token[0].count("\n")
            depth += (token[0] in "[{") - (token[0] in "]}")
            continue
        line += 1
        if not depth:
            yield first, text[begin : token.start()]
            begin, first = token.end(), line
    yield first, text[begin:]


def _path(statement: str) -> Iterator[str]:
    """The key of a statement, in parts: what tomllib reads when the value is 0."""
    head = statement.strip()
    found: Any = {}
    if head.startswith("["):
        found = tomllib.loads(head)
    else:
        for at, character in enumerate(head):
            if character == "=":
                try:
                    found = tomllib.loads(f"{head[:at]}= 0")
                except tomllib.TOMLDecodeError:
                    continue  # an equals sign inside a quoted key
                break
    while isinstance(found, dict) and found:
        name, found = next(iter(found.items()))
        yield name
        found = found[0] if isinstance(found, list) and found else found
