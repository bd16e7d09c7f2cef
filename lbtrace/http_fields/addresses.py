"""A value → the IP addresses it states: those of the nodes a forwarding field lists, in order, or
every address written anywhere in a value.

Invariant: an address is normalised (RFC 5952) and has neither port, brackets nor zone; an IPv4
address that is written as an IPv6 one (RFC 4291 §2.5.5.2) is the IPv4 address. So two spellings of
one address are equal.

A node is written as RFC 7239 §6 says, in X-Forwarded-For and its kin, too:

    192.0.2.43   192.0.2.43:47011   "[2001:db8::17]:47011"   unknown   _hidden   _hidden:_port

IPv6 without brackets is read as an address without a port: many proxies write it so.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from lbtrace.http_fields import FORWARDED

MOST_PORT = 0xFFFF
# a part that could be a colon form is looked at once, from its beginning: linear in the length of a
# value
_ADDRESS = re.compile(
    r"\[[0-9A-Fa-f:.]+\]"
    r"|(?<![0-9A-Fa-f])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
    r"|\d{1,3}(?:\.\d{1,3}){3}"
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"?')
_ESCAPED = re.compile(r"\\(.)")


class Node(NamedTuple):
    """An address that a forwarding field states. `port` is 0 when it states none."""

    address: str
    port: int = 0


def parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Text → address, None when it is none; an IPv4-mapped IPv6 address is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def is_public(text: str) -> bool:
    """True for an address that is routed on the internet."""
    address = parse(text)
    return address is not None and address.is_global


@lru_cache(maxsize=4096)
def is_loopback(text: str) -> bool:
    """True for an address of a machine to itself."""
    address = parse(text)
    return address is not None and address.is_loopback


@lru_cache(maxsize=4096)
def addresses_in(value: str) -> tuple[str, ...]:
    """The IP addresses written anywhere in a value, in order: of a field that may state the client
    or may not.
    """
    found = (parse(text.strip("[]")) for text in _ADDRESS.findall(value))
    return tuple(str(address) for address in found if address is not None)


def node(text: str) -> Node | None:
    """A node (RFC 7239 §6) → its address and port; None for one that is unknown, hidden or no
    node.
    """
    text = text.strip()
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    address, number = parse(host), _port(port)
    return Node(str(address), number) if address is not None and number is not None else None


def _port(text: str) -> int | None:
    """A port, 0 for none or a hidden one (RFC 7239 §6.3), None for what is no port."""
    if not text or text.startswith("_"):
        return 0
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else -1
    return number if 0 <= number <= MOST_PORT else None


@lru_cache(maxsize=4096)
def nodes(name: str, value: str) -> tuple[Node | None, ...]:
    """What each proxy on the way states in the value of a forwarding field (its name in lower
    case), the first proxy first; None where it states no address.
    """
    read = _for if name == FORWARDED else _unquoted
    # an empty element of a list is none (RFC 9110 §5.6.1)
    return tuple(node(read(element)) for element in _split(value, ",") if element.strip())


def stated_addresses(name: str, value: str) -> tuple[str, ...]:
    """The addresses that the value of a forwarding field (its name in lower case) states, in
    order.
    """
    return tuple(found.address for found in nodes(name, value) if found is not None)


def stated_hosts(value: str) -> tuple[str, ...]:
    """The hosts that the value of Forwarded states (RFC 7239 §5.3), in order."""
    stated = (_parameters(element).get("host", "") for element in _split(value, ","))
    return tuple(host for host in stated if host)


def _for(element: str) -> str:
    """What an element of Forwarded says of the client, "" for nothing."""
    return _parameters(element).get("for", "")


def _parameters(element: str) -> dict[str, str]:
    """An element of Forwarded → its parameters, by name in lower case."""
    pairs = (pair.partition("=") for pair in _split(element, ";"))
    return {name.strip().lower(): _unquoted(value) for name, _, value in pairs}


def _unquoted(text: str) -> str:
    """A token or a quoted string (RFC 9110 §5.6.4) → what it says."""
    text = text.strip()
    quoted = _QUOTED.match(text)
    return _ESCAPED.sub(r"\1", quoted[1]) if quoted else text


def _split(value: str, at: str) -> list[str]:
    """Cut at a separator that stands outside of quotes."""
    if '"' not in value:
        return value.split(at)
    parts, last, quoted, skip = [], 0, False, False
    for i, character in enumerate(value):
        if skip:
            skip = False
        elif quoted and character == "\\":
            skip = True
        elif character == '"':
            quoted = not quoted
        elif character == at and not quoted:
            parts.append(value[last:i])
            last = i + 1
    return [*parts, value[last:]]
