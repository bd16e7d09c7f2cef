"""Bytes of a start line → its parts, and whether bytes begin with one (RFC 9112 §3, §4).

Two questions that must not be mixed up: a reader that knows that a message begins here takes any
line and names what is weird about it (`parse_*`); a reader that looks for its place takes only what
cannot be anything else (`begins_*`). Text is latin-1, so every byte survives.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110 §5.6.2
_VERSIONS: Final = ("HTTP/1.1", "HTTP/1.0")
SIMPLE_VERSION: Final = "HTTP/0.9"  # of a request line that states none
_STRICT_REQUEST: Final = re.compile(
    rb"[A-Z][A-Z_\-]{1,23} (?: |(?:/|\*|[a-z][a-z0-9+.\-]*://|[^ \x00-\x20]+:\d+ )[^\x00-\x20]* "
    rb"?)HTTP/1\.[01]\r?\n"
).match
# the methods that nearly all requests have: what begins with one of them and a blank is likely one
COMMON_METHODS: Final = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH")
_CUT_REQUEST: Final = re.compile(
    rb"(?:%b) (?:/|https?://)[^\x00-\x20\x7f]*" % b"|".join(COMMON_METHODS)
    + rb"(?: (?:H(?:T(?:T(?:P(?:/(?:1(?:\.[01]?)?)?)?)?)?)?)?)?\r?\Z"
).match
_SIMPLE_REQUEST: Final = re.compile(rb"GET /[^ \x00-\x1f]*[ \t]*\r?\n(?:\r?\n)*").fullmatch
_METHOD: Final = re.compile(rb"[A-Z][A-Z_\-]*(?: |\Z)").match
_STRICT_RESPONSE: Final = re.compile(
    rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [^\x00-\x08\x0a-\x1f\x7f]*)?\r?(?:\n|\Z)"
).match


class RequestLine(NamedTuple):
    """A request line. `version` is SIMPLE_VERSION when it states none, "" when it was cut."""

    method: str
    target: str
    version: str
    weirds: tuple[str, ...]


class StatusLine(NamedTuple):
    """A status line; `status` is 0 when it states none."""

    status: int
    reason: str
    version: str
    weirds: tuple[str, ...]


def parse_request_line(raw: bytes) -> RequestLine:
    """A request line without its line end (RFC 9112 §3), however odd it is."""
    text = raw.decode("latin-1")
    parts = text.split(" ")
    weirds: list[str] = []
    if len(parts) != 3 or not all(parts):
        parts, weird = _unusual_parts(text, parts)
        weirds.append(weird)
    method, target, version = parts
    if version not in (*_VERSIONS, SIMPLE_VERSION):
        weirds.append("odd-version")
    if not TOKEN(method.encode("latin-1")):
        weirds.append("odd-method")
    if not _target_fits(method, target):
        weirds.append("odd-target")
    return RequestLine(method, target, version, (*weirds, *_weird_bytes(raw)))


def _unusual_parts(text: str, parts: list[str]) -> tuple[list[str], str]:
    """Method, target and version of a request line that is not three words with one space between
    them; and the weird it is.
    """
    blanks = "spaces-in-request-line"
    words = text.split()
    if len(parts) == 3 and not parts[1] and parts[2].startswith("HTTP/1."):
        return parts, blanks  # as Apache's mod_proxy_hcheck asks when it was given no URI
    if len(words) >= 3 and words[-1][:5].upper() == "HTTP/":
        target = text.strip()[len(words[0]) : -len(words[-1])].strip()
        return [words[0], target, words[-1]], blanks
    if len(words) == 2:
        return [words[0], words[1], SIMPLE_VERSION], "http-0.9-request"
    return [words[0] if words else "", " ".join(words[1:]), ""], blanks


def _target_fits(method: str, target: str) -> bool:
    """Whether RFC 9112 §3.2 allows the target: origin-form, absolute-form, authority-form (CONNECT
    only), asterisk-form (OPTIONS only).
    """
    if target[:1] == "/":
        return True
    if method == "CONNECT":
        return ":" in target and "/" not in target
    return "://" in target or (target == "*" and method in ("OPTIONS", "PRI"))


def parse_status_line(raw: bytes) -> StatusLine:
    """A status line without its line end (RFC 9112 §4), however odd it is."""
    weirds: list[str] = []
    version, _, rest = raw.decode("latin-1").partition(" ")
    code, _, reason = rest.lstrip(" ").partition(" ")
    status = int(code) if len(code) == 3 and code.isascii() and code.isdigit() else 0
    if status < 100 or rest[:1] == " ":
        weirds.append("odd-status-line")
    if version not in _VERSIONS:
        weirds.append("odd-version")
    return StatusLine(status, reason, version, (*weirds, *_weird_bytes(raw)))


def _weird_bytes(raw: bytes) -> list[str]:
    """The weirds of single bytes in a start line."""
    found = ((b"\n", "bare-lf"), (b"\r", "bare-cr"), (b"\0", "nul-in-head"))
    return [weird for byte, weird in found if byte in raw]


def begins_request(data: bytes) -> bool:
    """True when `data` begins with a request line that cannot be anything else, or consists of one
    that is cut.
    """
    return _STRICT_REQUEST(data) is not None or _CUT_REQUEST(data) is not None


def is_simple_request(data: bytes) -> bool:
    """True when `data` is one HTTP/0.9 request and nothing else: a line without a version, perhaps
    with empty lines behind it, as monitors of balancers send it.
    """
    return _SIMPLE_REQUEST(data) is not None


def begins_response(data: bytes) -> bool:
    """The same for a status line."""
    return _STRICT_RESPONSE(data) is not None


def may_begin_request(data: bytes) -> bool:
    """A cheap look at the first bytes of a piece: could a request line begin here?"""
    return _METHOD(data) is not None


def may_begin_response(data: bytes) -> bool:
    """The same for a status line."""
    return data[:7] == b"HTTP/1."[: len(data)]
