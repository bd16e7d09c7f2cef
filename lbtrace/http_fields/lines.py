"""A message → its field lines of a name, and their value (RFC 9110 §5).

Names are compared without regard to letter case; the lines themselves are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lbtrace.http_fields import ACCEPT_ENCODING, AS_HOST, GO_WRITES_FIRST
from lbtrace.model.http import HeaderLine, Request, Response


@lru_cache(maxsize=4096)
def is_canonical(name: str) -> bool:
    """True for a field name spelled as Go's net/http and many others spell it:
    Each-Part-Capitalised.
    """
    return name == "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def sorted_by_go(names: Sequence[str]) -> list[str]:
    """The names of a request head that Go's net/http would sort: without those it writes first, and
    without the Accept-Encoding that its transport adds last.
    """
    rest = [name for name in names if lowered(name) not in GO_WRITES_FIRST]
    return rest[:-1] if rest and lowered(rest[-1]) == ACCEPT_ENCODING else rest


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
    wanted, size = lowered(name), len(name)
    found: str | None = None
    for line_name, value, _ in message.lines:
        if len(line_name) == size and lowered(line_name) == wanted:
            found = value if found is None else f"{found}, {value}"
    return found


def host_of(request: Request) -> str | None:
    """The host that a request is for: its `:authority`, else its Host (RFC 9113 §8.3.1)."""
    stated = (field_value(request, name) for name in AS_HOST)
    return next((value for value in stated if value is not None), None)
