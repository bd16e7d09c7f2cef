"""A message → its field lines of a name, and their value (RFC 9110 §5).

Names are compared without regard to letter case; the lines themselves are never changed.
"""

from __future__ import annotations

from functools import lru_cache

from lbtrace.model.http import HeaderLine, Mark, Request, Response


def has_whole_head(message: Request | Response) -> bool:
    """True when the head ends in the capture."""
    return Mark.HEAD_TRUNCATED not in message.marks


def is_canonical(name: str) -> bool:
    """True for a field name spelled as Go's net/http and many others spell it:
    Each-Part-Capitalised.
    """
    return name == "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


@lru_cache(maxsize=4096)
def lowered(name: str) -> str:
    """A field name in lower case; the same few names recur in every head."""
    return name.lower()


def field_lines(message: Request | Response, name: str) -> list[HeaderLine]:
    """The field lines of a name (case-insensitive), in order."""
    wanted, size = lowered(name), len(name)
    return [line for line in message.lines if len(line[0]) == size and lowered(line[0]) == wanted]


def field_value(message: Request | Response, name: str) -> str | None:
    """The values of a field joined with ", " (RFC 9110 §5.3), None when absent."""
    lines = field_lines(message, name)
    if not lines:
        return None
    return lines[0].value if len(lines) == 1 else ", ".join(line.value for line in lines)
