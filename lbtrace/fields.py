"""Message heads → what their field lines say: the lines and values of a name, the addresses written
in a value (RFC 9110 §5).

Names are compared without regard to letter case; the lines themselves are never changed.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from lbtrace.model.http import HeaderLine, Mark, Request, Response

# a part that could be a colon form is looked at once, from its beginning: linear in the length of a
# value
_ADDRESS = re.compile(
    r"\[[0-9A-Fa-f:.]+\]|(?<![0-9A-Fa-f])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|\d{1,3}(?:\.\d{1,3}){3}"
)


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


@lru_cache(maxsize=4096)
def addresses_in(value: str) -> tuple[str, ...]:
    """The IP addresses written in a field value, in order, normalised (RFC 5952), without ports and
    brackets.
    """
    found = []
    for text in _ADDRESS.findall(value):
        address = parse(text.strip("[]"))
        if address is not None:
            found.append(str(address))
    return tuple(found)


def parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Text → address, None when it is none; an IPv4-mapped IPv6 address is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def is_public(text: str) -> bool:
    """True for an address that is routed on the internet."""
    address = parse(text)
    return address is not None and address.is_global
