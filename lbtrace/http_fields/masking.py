"""A field, a target or a URL → the same text with its credentials masked, for people to read.

    Authorization: Bearer mF_9.B5f-4.1JqM     Bearer …(16 bytes, #4be1)
    Cookie: sid=31d4d96e; theme=dark          sid=…(8 bytes, #90aa); theme=…(4 bytes, #17c2)
    Set-Cookie: sid=31d4d96e; Path=/          sid=…(8 bytes, #90aa); Path=/
    GET /login?access_token=abc&n=1           /login?access_token=…(3 bytes, #77d0)&n=1
    WWW-Authenticate: Negotiate oYG1MIGyoAM=  Negotiate …(12 bytes, #0b2e)
    Sec-WebSocket-Protocol: bearer, mF_9.B5f  bearer, …(8 bytes, #c41d)

Invariant: under one key equal values are masked alike, and what is no credential stays as it is.
The key comes from the bytes of the captures (`CaptureFile.fingerprint`), so that the same captures
give the same page and a digest cannot be looked up without them. A digest of four hexadecimal
digits tells equal from changed for a reader; it proves nothing. Digests of different inputs are not
compared.

Text of the wire is latin-1, and stays so: "…" stands in a masked text as the bytes of its UTF-8.

Which fields are secret says the registry (`secrets`). Syntax: RFC 9110 §11.4 (credentials), RFC
6265 §4 (cookies), RFC 3986 §3.2.1 and §3.4 (userinfo, query), RFC 6750 §2.3 (tokens in queries).
RFC 6749 §4.1.2 (codes that buy a token), RFC 4559 §4.1 (tokens in challenges).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote, unquote_plus

import numpy as np

from lbtrace import compiled
from lbtrace.http_fields import (
    AUTHORITY,
    AUTHORIZATION,
    COOKIE,
    HOST,
    PATH,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    SEC_WEBSOCKET_PROTOCOL,
    SET_COOKIE,
    WWW_AUTHENTICATE,
    field,
)
from lbtrace.http_fields.secrets import is_secret, may_be_secret

# Names of parameters that hold a credential though no word of the registry's rule is in them:
# shared access signatures, SAML, session ids of PHP and of Java servlets, passwords; what buys a
# token or a session once (RFC 6749 §4.1.2, RFC 7636 §4.5, RFC 8628 §3.2, RFC 7521 §4, RFC 5849
# §2.2, the CAS protocol), tickets of Akamai.
_PARAMETERS: Final = frozenset(
    {
        *("sig", "samlresponse", "samlart", "pass", "passcode", "pin"),
        *("sid", "phpsessid", "jsessionid", "sessionid"),
        *("code", "code_verifier", "device_code", "user_code", "oauth_verifier"),
        *("assertion", "client_assertion", "ticket", "hdnts", "hdnea"),
    }
)
_OF_PARTS: Final = re.compile(r"[^A-Za-z0-9_-]+")  # what parts the name of a parameter
# The name of a parameter: of a query, of a fragment, or of a path segment (RFC 3986 §3.3)
_PARAMETER: Final = re.compile(r"""([?&#;])([^=&;?#\s"<>]{1,128})=""")
_PARAMETER_NAME: Final = re.compile(_PARAMETER.pattern.replace("([?&#;])", "[?&#;]"))
_BEFORE_PARAMETER: Final = re.compile("[?&#;]").search
_SENT_BEFORE_PARAMETER: Final = re.compile(b"[?&#;]").search
_END: Final = {
    ";": re.compile(r"""[&;?#\s"<>]|\Z"""),
    "": re.compile(r"""[&#\s"<>]|\Z"""),
}
# Percent-encoded text may hold a URL: "=" or "@" in it, encoded once or more.
_RUN: Final = re.compile(r"""[^\s"<>?&#]+""")
_ENCODED: Final = re.compile(r"%(?:25){0,2}(?:3[dD]|40)")
_ENCODINGS: Final = 3
_USERINFO: Final = re.compile(r"""(?:(?<=://)|(?<=^//))[^/?#@\s"<>]+(?=@)""")
_AUTHORITY: Final = re.compile(r"""[^/?#@\s"<>]+(?=@)""")
_TARGETS: Final = (HOST, AUTHORITY, PATH)
_CHALLENGES: Final = (WWW_AUTHENTICATE, PROXY_AUTHENTICATE)
_READ: Final = (*_TARGETS, *_CHALLENGES, SEC_WEBSOCKET_PROTOCOL)  # may hold a credential
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RUN_TOGETHER: Final = re.compile(
    r"(?:token|secret|apikey|password|credential|signature)(?![^-_])", re.IGNORECASE
)
# The name of a scheme: words with numbers behind them (AWS4-HMAC-SHA256), which a token hardly is.
_SCHEME: Final = re.compile(
    r"((?=[A-Za-z])[A-Za-z]{0,16}[0-9]{0,4}(?:-[A-Za-z]{0,16}[0-9]{0,4}){0,4})( +)(.+)", re.DOTALL
)
# A challenge with a token instead of parameters (RFC 9110 §11.2)
_CHALLENGE: Final = re.compile(
    r"((?:\A|,)[ \t]*[!#-'*+.^_`|~0-9A-Za-z-]+ +)([A-Za-z0-9._~+/-]+=*)(?=[ \t]*(?:,|\Z))"
)
_BETWEEN_ELEMENTS: Final = re.compile(r"([ \t]*,[ \t]*)")
# No part of a name is so long, with small and capital letters or with three digits.
_DRAWN: Final = re.compile(r"(?:(?=.*[a-z])(?=.*[A-Z])|(?=(?:[^0-9]*[0-9]){3})).{16,}", re.DOTALL)
_COOKIES: Final = re.compile(r"(;[ \t]*)")
# Attributes of Set-Cookie (RFC 6265bis §4.1)
_FLAGS: Final = frozenset({"secure", "httponly", "partitioned", "sameparty"})
_SETTINGS: Final = frozenset({"max-age", "domain", "path", "samesite", "priority", "version"})
_NAME: Final = re.compile(r"[ \t]*[^ \t]+[ \t]*")
_NO_NAME: Final = re.compile(r"[^!-~]+")  # blanks and control characters around a name
_FIRST_WORD: Final = re.compile(r"[ \t]*([!-9;-~]+)[ \t]+")
_REMEMBERED: Final = 4096  # cookies
ELLIPSIS: Final = "…".encode().decode("latin-1")
BLANKS: Final = " \t"


class Mask:
    """Masks the credentials of one run. `key`: at most 64 bytes, the same for the same captures;
    without one, lengths stand in place of credentials, and no digests.
    """

    def __init__(self, key: bytes | None) -> None:
        self._digest_key = key or b""
        self._digest = None if key is None else blake2b(digest_size=2, key=key)
        self.hidden: dict[str, str] = {}
        """Every credential masked so far, and what stands in its place."""
        self.values: dict[str, str] = {}
        """Every value of a field masked so far, and what stands in its place."""
        self._cookies = _Cookies(self.hide)
        self._named: dict[str, Callable[[str], str]] = {
            **dict.fromkeys(_TARGETS, self.target),
            **dict.fromkeys(_CHALLENGES, self._challenges),
            SEC_WEBSOCKET_PROTOCOL: self._subprotocols,
        }

    def line(self, text: str) -> str:
        """A field line, "Name: value", or what stands in its place → the line to show."""
        name, colon, value = text.partition(":")
        if colon and holds_cookies(name):
            value = value.lstrip(BLANKS)
            return text[: len(text) - len(value)] + self._cookie_values(value)
        if colon and is_public(name) and _holds_no_url(value):
            return text
        if not name:  # a pseudo field
            name, colon, value = text[1:].partition(":")
            name = f":{name}"
        if colon and _NAME.fullmatch(name):
            blank = value[: len(value) - len(value.lstrip(BLANKS))]
            return f"{name}:{blank}{self.value(name, value[len(blank) :])}"
        word = _FIRST_WORD.match(text)
        if word and secret_name(word[1]):  # a field line without its colon
            return word[0] + self.hide(text[word.end() :])
        return self.url(text)

    def sent_lines(self, lines: Sequence[bytes], known: dict[bytes, bytes]) -> list[bytes]:
        """Field lines as sent → the lines to show; one that is shown as sent is the same object.
        `known`: lines masked before, which gets these.
        """
        out = []
        for line in lines:
            shown = known.get(line)
            if shown is None:
                text = line.decode("latin-1")
                masked = self.line(text)
                shown = line if masked == text else masked.encode("latin-1")
                known[line] = shown
            out.append(shown)
        return out

    def cookie_lines(
        self, lines: list[bytes], which: Sequence[int], known: dict[bytes, bytes]
    ) -> list[bytes]:
        """`sent_lines` of those of the lines that are Cookie fields: there are many different
        ones.
        """
        core = compiled.core
        if core is None or self._digest is None:
            return self.sent_lines([lines[i] for i in which], known)
        chosen = np.array(which, np.int64)
        return core.cookies(lines, chosen, self._digest_key, self.hidden, self.values, known)

    def target(self, text: str) -> str:
        """The target of a request, or an authority: what begins it and stands before "@" is
        userinfo there, too.
        """
        userinfo = _AUTHORITY.match(text)
        if userinfo:
            return self.hide(userinfo[0]) + self.url(text[userinfo.end() :])
        return self.url(text)

    def start_line(self, text: str) -> str:
        """The first line of a message, as sent."""
        method, blank, rest = text.partition(" ")
        target, last, version = rest.rpartition(" ")
        if not last or method.startswith("HTTP/"):
            return self.url(text)
        return f"{method}{blank}{self.target(target)}{last}{version}"

    def continued(self, line: str, text: str) -> str:
        """A line that continues a field line (obs-fold, RFC 9112 §5.2)."""
        value = text.lstrip(BLANKS)
        return text[: len(text) - len(value)] + self.value(line.partition(":")[0], value)

    def hide(self, secret: str) -> str:
        """What stands in place of a credential: its length in bytes, and its digest."""
        if not secret:
            return secret
        known = self.hidden.get(secret)
        if known is None:
            held = _bytes(secret)
            known = f"{_length(len(held))}{self._digest_of(held)})"
            self.hidden[secret] = known
        return known

    def _digest_of(self, held: bytes) -> str:
        if self._digest is None:
            return ""
        digest = self._digest.copy()
        digest.update(held)
        return f", #{digest.hexdigest()}"

    def value(self, name: str, value: str) -> str:
        """The name and the value of a field → the value to show."""
        if not value:
            return value
        name = _bare(name)
        if secret_name(name):
            masked = self.values[value] = self._credentials(name.lower(), value)
            return masked
        masked = self._named.get(name.lower(), self.url)(value)
        if masked != value:
            self.values[value] = masked
        return masked

    def _cookie_values(self, value: str) -> str:
        """The value of a Cookie field → the value to show."""
        if not value:
            return value
        if _separated_plainly(value):
            masked = "; ".join(map(self._cookies.__getitem__, value.split("; ")))
        else:
            parts = _COOKIES.split(value)
            masked = "".join(p if i % 2 else self._cookies[p] for i, p in enumerate(parts))
        self.values[value] = masked
        return masked

    def _credentials(self, name: str, value: str) -> str:
        if name == COOKIE:
            return self._cookie_values(value)
        if name == SET_COOKIE:
            first, *parts = _COOKIES.split(value)
            return self._cookies[first] + "".join(
                part if i % 2 == 0 or _is_attribute(part) else self._cookies[part]
                for i, part in enumerate(parts)
            )
        held = value.rstrip(BLANKS)
        scheme = _SCHEME.fullmatch(held)
        if name in (AUTHORIZATION, PROXY_AUTHORIZATION) and scheme:
            shown = f"{scheme[1]}{scheme[2]}{self.hide(scheme[3])}"
        else:
            shown = self.hide(held)
        return shown + value[len(held) :]

    def _challenges(self, value: str) -> str:
        """What a server asks for: the token that a challenge may carry is as good as one of the
        answer (RFC 4559 §4.1, NTLM).
        """
        return _CHALLENGE.sub(lambda found: found[1] + self.hide(found[2]), self.url(value))

    def _subprotocols(self, value: str) -> str:
        """Names of subprotocols. Scripts cannot set Authorization for a WebSocket, so they send
        tokens as names: behind a name that announces it, behind a part of the same name, or alone.
        """
        parts, announced = _BETWEEN_ELEMENTS.split(value), False
        for i in range(0, len(parts), 2):
            name = parts[i]
            begin = 0 if announced else _before_token(name)
            announced = not announced and begin == len(name) and _names_token(name)
            parts[i] = name[:begin] + self.hide(name[begin:])
        return "".join(parts)

    def url(self, text: str) -> str:
        """A target, a URL or text that may hold one → the text to show."""
        if "=" in text:
            text = self._parameters(text)
        if "//" in text:
            text = _USERINFO.sub(lambda found: self.hide(found[0]), text)
        if "%" in text and _ENCODED.search(text):
            text = _RUN.sub(self._encoded, text)
        return text

    def _parameters(self, text: str) -> str:
        if not _BEFORE_PARAMETER(text) or not names_secret(text):
            return text
        shown, at = [], 0
        found = _PARAMETER.search(text)
        while found:
            end = found.end()
            if is_secret_parameter(found[2]):
                shown.append(text[at:end])
                stop = _END.get(found[1], _END[""]).search(text, end)
                assert stop is not None
                at = stop.start()
                shown.append(self.hide(text[end:at]))
                end = at
            # from within the value of any other: it may be a URL
            found = _PARAMETER.search(text, end)
        return "".join(shown) + text[at:]

    def _encoded(self, run: re.Match[str]) -> str:
        text = run[0]
        found = _ENCODED.search(text)
        if not found:
            return text
        begin = text.rfind("=", 0, found.start()) + 1
        plain = text[begin:]
        for _ in range(_ENCODINGS):
            plain = unquote(plain, "latin-1")
            named = (each[2] for each in _PARAMETER.finditer(f"?{plain}"))
            if _USERINFO.search(plain) or any(map(is_secret_parameter, named)):
                return text[:begin] + self.hide(text[begin:])
        return text


class _Cookies(dict[str, str]):
    """Cookies as they are sent → as they are shown: with their names. Text without "=" is a value
    without a name (RFC 6265bis). The first ones are remembered: those that recur are among them.
    """

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide

    def __missing__(self, cookie: str) -> str:
        name, equals, value = cookie.partition("=")
        shown = f"{name}={self._hide(value)}" if equals else self._hide(cookie)
        if len(self) < _REMEMBERED:
            self[cookie] = shown
        return shown


def _names_token(label: str) -> bool:
    """Whether a name, or the last part of one, says that a token comes next."""
    return is_secret(label.rpartition(".")[2])


def _before_token(name: str) -> int:
    """Where in the name of a subprotocol a token begins; its end where there is none."""
    labels = name.split(".")
    secret = [n for n, label in enumerate(labels, 1) if is_secret(label)]
    if secret:
        return min(len(".".join(labels[: secret[-1]])) + 1, len(name))
    return 0 if any(map(_DRAWN.fullmatch, labels)) else len(name)


def _holds_no_url(text: str) -> bool:
    """Whether a text has nothing of a URL in which a credential could stand."""
    return "=" not in text and "//" not in text and "%" not in text


def may_hold_url(line: bytes) -> bool:
    """Whether the value of a public field may hold a URL in which a credential could stand: the
    first tests of `Mask.line`. `render.masked` asks the same of many lines together.
    """
    return (
        (b"=" in line and _SENT_BEFORE_PARAMETER(line) is not None) or b"%" in line or b"//" in line
    )


def _separated_plainly(cookies: str) -> bool:
    """Whether nothing but "; " stands between the cookies, as browsers write them."""
    between = cookies.count(";")
    return between == cookies.count("; ") and not (
        between and (";  " in cookies or "; \t" in cookies)
    )


def names_secret(text: str) -> bool:
    """Whether any parameter in a text, of one line or of many, is secret by its name."""
    return any(map(is_secret_parameter, set(_PARAMETER_NAME.findall(text))))


def any_names_secret(lines: list[bytes]) -> bool:
    """Whether any parameter in lines as sent is secret by its name. No line has a line end."""
    if compiled.core is None:
        return names_secret(b"\n".join(lines).decode("latin-1"))
    return any(map(is_secret_parameter, compiled.core.parameters(lines)))


def may_hold_userinfo(line: bytes) -> bool:
    """Whether a line may hold userinfo, or a URL that is encoded."""
    return b"@" in line or b"%" in line


def _is_attribute(part: str) -> bool:
    """Whether a part of Set-Cookie is an attribute. Cookies joined with a comma are none, and a
    date has a comma.
    """
    name, equals, value = part.partition("=")
    name = name.strip(BLANKS).lower()
    if not equals:
        return name in _FLAGS
    commas = 1 if name == "expires" else 0
    return (
        (name == "expires" or name in _SETTINGS) and value.count(",") <= commas and "=" not in value
    )


@lru_cache(maxsize=256)
def _length(size: int) -> str:
    """What begins a masked credential of so many bytes."""
    return f"{ELLIPSIS}({size} {'byte' if size == 1 else 'bytes'}"


def _bytes(text: str) -> bytes:
    """Text of the wire → its bytes; any other text as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=4096)
def secret_name(name: str) -> bool:
    """Whether a field is secret by its name as sent. In one that the registry does not know, words
    may run together: `X-AccessToken`, or `x-accesstoken` in HTTP/2.
    """
    if field(name.lower()):
        return is_secret(name)
    if not may_be_secret(name):
        return False
    return is_secret(_CAMEL.sub("-", name)) or _RUN_TOGETHER.search(name) is not None


@lru_cache(maxsize=4096)
def is_public(name: str) -> bool:
    """Whether the values of a field are shown, but for URLs in them, by its name as it stands
    before the colon.
    """
    if not _NAME.fullmatch(name):
        return False
    name = _bare(name)
    return not secret_name(name) and name.lower() not in _READ


@lru_cache(maxsize=4096)
def holds_cookies(name: str) -> bool:
    """Whether a field is Cookie, by its name as it stands before the colon."""
    return _NAME.fullmatch(name) is not None and _bare(name).lower() == COOKIE


@lru_cache(maxsize=4096)
def _bare(name: str) -> str:
    """The name of a field without the blanks and control characters around it."""
    return _NO_NAME.sub("", name)


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a parameter of a query or a path holds a credential, by its name, as for a field. One
    with brackets or dots is secret by any of its parts: `user[password]`, `login.pin`.
    """
    name = unquote_plus(name)
    parts = (name, *_OF_PARTS.split(name)) if _OF_PARTS.search(name) else (name,)
    return any(part.lower() in _PARAMETERS or secret_name(part) for part in parts)
