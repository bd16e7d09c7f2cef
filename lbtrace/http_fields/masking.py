"""A field, a target or a URL → the same text with its credentials masked, for people to read.

    Authorization: Bearer mF_9.B5f-4.1JqM     Bearer …(16 bytes, #4be1)
    Cookie: sid=31d4d96e; theme=dark          sid=…(8 bytes, #90aa); theme=…(4 bytes, #17c2)
    Set-Cookie: sid=31d4d96e; Path=/          sid=…(8 bytes, #90aa); Path=/
    GET /login?access_token=abc&n=1           /login?access_token=…(3 bytes, #77d0)&n=1

Invariant: under one key equal values are masked alike, and what is no credential stays as it is.
The key comes from the bytes of the captures (`lbtrace.capture`), so that the same captures give the
same page and a digest cannot be looked up without them. A digest of four hexadecimal digits tells
equal from changed for a reader; it proves nothing. Digests of different inputs are not compared.

No renderer calls this yet: reports still show credentials, as SECURITY.md says.

Which fields are secret says the registry (`secrets`). Syntax: RFC 9110 §11.4 (credentials), RFC
6265 §4 (cookies), RFC 3986 §3.2.1 and §3.4 (userinfo, query), RFC 6750 §2.3 (tokens in queries).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote_plus

from lbtrace.http_fields import (
    AUTHORIZATION,
    COOKIE,
    PROXY_AUTHORIZATION,
    SET_COOKIE,
)
from lbtrace.http_fields.secrets import is_secret

# Names of parameters that hold a credential though no word of the registry's rule is in them:
# shared access signatures, JSON web tokens, session ids of PHP and of Java servlets.
_PARAMETERS: Final = frozenset(
    {"sig", "jwt", "pwd", "passwd", "passphrase", "sid", "phpsessid", "jsessionid", "sessionid"}
)
_PARAMETER: Final = re.compile(
    r"""(?<=[?&#])([^=&;?#\s"<>]{1,128})=([^&#\s"<>]+)"""  # of a query or a fragment
    r"""|(?<=;)([^=&;?#\s"<>]{1,128})=([^&;?#\s"<>]+)"""  # of a path segment (RFC 3986 §3.3)
)
_USERINFO: Final = re.compile(r"""(?<=://)([^/?#@\s"<>]+)(?=@)""")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*)( +)(.+)", re.DOTALL)


class Mask:
    """Masks the credentials of one run. `key`: at most 64 bytes, the same for the same captures."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.value: Callable[[str, str], str] = lru_cache(maxsize=65536)(self._value)
        """(field name, field value) → the value to show."""
        self.url: Callable[[str], str] = lru_cache(maxsize=65536)(self._url)
        """A target, a URL or text that may hold one → the text to show."""

    def line(self, text: str) -> str:
        """A field line, "Name: value", or any other text → the line to show."""
        name, colon, value = text.partition(":")
        if not colon or not name or " " in name:
            return self.url(text)
        blank = value[: len(value) - len(value.lstrip(" \t"))]
        return f"{name}:{blank}{self.value(name, value[len(blank) :])}"

    def hidden(self, secret: str) -> str:
        """What stands in place of a credential: its length in bytes, and its digest."""
        held = secret.encode("utf-8", "surrogateescape")
        digest = blake2b(held, digest_size=2, key=self._key).hexdigest()
        return f"…({len(held)} {'byte' if len(held) == 1 else 'bytes'}, #{digest})"

    def _value(self, name: str, value: str) -> str:
        if not value:
            return value
        lower = name.lower()
        if not is_secret(lower):
            return self.url(value)
        if lower == COOKIE:
            return "; ".join(self._pair(part) for part in value.split("; "))
        if lower == SET_COOKIE:
            first, semicolon, attributes = value.partition(";")
            return self._pair(first) + semicolon + attributes
        scheme = _SCHEME.fullmatch(value)
        if lower in (AUTHORIZATION, PROXY_AUTHORIZATION) and scheme:
            return f"{scheme[1]}{scheme[2]}{self.hidden(scheme[3])}"
        return self.hidden(value)

    def _pair(self, text: str) -> str:
        """A cookie: its name is shown. Text without "=" is a value without a name (RFC 6265bis)."""
        name, equals, value = text.partition("=")
        if not equals:
            return self.hidden(text) if text else text
        return f"{name}={self.hidden(value)}" if value else text

    def _url(self, text: str) -> str:
        if "=" in text:
            text = _PARAMETER.sub(self._parameter, text)
        if "://" in text:
            text = _USERINFO.sub(lambda found: self.hidden(found[1]), text)
        return text

    def _parameter(self, found: re.Match[str]) -> str:
        name, value = (found[1], found[2]) if found[1] is not None else (found[3], found[4])
        return f"{name}={self.hidden(value)}" if is_secret_parameter(name) else found[0]


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a parameter of a query or a path holds a credential, by its name: as for a field,
    and `accessToken` has the words of `access_token`."""
    name = unquote_plus(name)
    return name.lower() in _PARAMETERS or is_secret(_CAMEL.sub("-", name))
