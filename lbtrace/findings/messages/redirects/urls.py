"""A request or a Location → the URL that it names, in parts (RFC 9110 §7.1, RFC 3986 §5)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_BLANK = "".join(map(chr, range(0x21)))  # what URL parsers pass over at either end


class Asked(NamedTuple):
    """A URL in parts: scheme, host without its port in lower case, port, path and query."""

    scheme: str
    host: str
    port: int
    path: str


def asked_for(scheme: str, host: str, port: int, target: str) -> Asked:
    """What a request asks for: RFC 9110 §7.1, of a connection to `port`."""
    if "://" in target.partition("?")[0]:
        return parts(url_of(target), Asked(scheme, "", port, "/"))
    name, own_port = split_host(host)
    return Asked(scheme, name, own_port or port, target or "/")


def split_host(text: str) -> tuple[str, int | None]:
    """A Host → (name in lower case, port or None)."""
    name, colon, port = text.rpartition(":")
    if (
        colon
        and port.isascii()
        and port.isdecimal()
        and (not name or name[-1] == "]" or ":" not in name)
    ):
        return name.strip("[]").lower(), int(port)
    return text.strip("[]").lower(), None


def url_of(text: str, base: str = "") -> SplitResult | None:
    """A URL, taken relative to `base` (RFC 3986 §5), in parts; None for what is none."""
    if not text.strip(_BLANK) or text.strip(_BLANK) == "//":
        return None
    try:
        found = urlsplit(urljoin(base, text))
        _ = found.port
    except ValueError:
        return None
    return found


def parts(url: SplitResult | None, base: Asked) -> Asked:
    """A URL in parts; what it leaves out is as in `base`."""
    if url is None:
        return Asked("", "", 0, "")
    scheme = url.scheme or base.scheme
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Asked(scheme, url.hostname or "", url.port or DEFAULT_PORTS.get(scheme, 0), path)


def written(asked: Asked) -> str:
    host = f"[{asked.host}]" if ":" in asked.host else asked.host
    return f"{asked.scheme}://{host}:{asked.port}{asked.path}"


def writes_port(location: str, port: int) -> bool:
    """Whether a Location spells this port out."""
    url = url_of(location)
    return url is not None and url.port == port


def below(path: str, prefix: str) -> bool:
    """Whether a path lies below a prefix."""
    return path.startswith(prefix) and path[len(prefix) :][:1] in ("", "/", "?")


def is_https(stated: str) -> bool:
    """Whether the value of a field that states the client's protocol says TLS (RFC 7239 §5.4)."""
    return re.search(r"(?:^|proto=\"?|[,;\s])(?:https|wss|on)\b", stated.lower()) is not None
