"""Field lines → what they state about where the body ends (RFC 9112 §6.1, §6.2), and every way in
which readers are known to disagree about it (§11.2).

The facts go into the table of `lbtrace.http.h1.body_length`. The bulk reader asks here about single
lines, the plain reader about whole heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from lbtrace.http.h1.body_length import CHUNKED, ENCODED, SIZED
from lbtrace.http_fields import (
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    UPGRADE,
    Meaning,
    fields_of,
)
from lbtrace.model.http import HeaderLine

HUGE: Final = 1 << 63
WATCHED: Final = fields_of(Meaning.BODY)
_FRAMING: Final = fields_of(Meaning.FRAMING)
_CODINGS: Final = frozenset({"chunked", "compress", "deflate", "gzip", "x-compress", "x-gzip"})
AS_CHUNKED: Final = -1
_MAX_READINGS: Final = 4


class OtherFraming(NamedTuple):
    """Another way to read where the body ends: after `size` bytes, or AS_CHUNKED."""

    how: str
    size: int


class FramingFields(NamedTuple):
    """What the field lines of one head state about framing.

    `facts` are ENCODED, CHUNKED and SIZED of `body_length`. `declared` is the Content-Length read
    leniently, at most HUGE, None without a number. `upgrade` is the value of Upgrade as sent.
    `coding` is the Content-Encoding in lower case. `readings` are how other readers may end the
    body, where they may differ.
    """

    facts: int
    declared: int | None
    upgrade: str
    coding: str
    weirds: tuple[str, ...]
    readings: tuple[OtherFraming, ...] = ()

    @property
    def encoded(self) -> bool:
        """There is a Transfer-Encoding."""
        return bool(self.facts & ENCODED)

    @property
    def chunked(self) -> bool:
        """Chunked is the last transfer coding."""
        return bool(self.facts & CHUNKED)

    @property
    def sized(self) -> bool:
        """There is a Content-Length that can be true."""
        return bool(self.facts & SIZED)


PLAIN: Final = FramingFields(0, None, "", "", ())


def framing_fields(lines: Sequence[HeaderLine], weirds: tuple[str, ...]) -> FramingFields:
    """The framing fields among these lines; `weirds` are those already found in the lines."""
    odd = list(weirds)
    values: dict[str, list[str]] = {}
    doubted: set[str] = set()  # framing fields that some readers do not recognise
    for name, value, raw in lines:
        key = name.lower().rstrip(" \t")
        if key not in WATCHED:
            continue
        values.setdefault(key, []).append(value)
        if key in _FRAMING and (len(key) != len(name) or "\n" in raw):
            doubted.add(key)
            odd.append("framing-field-malformed")
    lengths, encodings = values.get(CONTENT_LENGTH, []), values.get(TRANSFER_ENCODING, [])
    declared = _content_length(lengths, odd) if lengths else None
    chunked = _chunked(encodings, odd) if encodings else False
    if lengths and encodings:
        odd.append("content-length-and-transfer-encoding")
    readings = _readings(lengths, declared, chunked, bool(encodings), doubted, odd) if odd else ()
    facts = ENCODED * bool(encodings) | CHUNKED * chunked
    facts |= SIZED * (declared is not None and declared < HUGE)
    upgrade = values.get(UPGRADE, [""])[-1]
    # an empty list element counts for nothing (RFC 9110 §5.6.1)
    coding = ", ".join(value.lower() for value in values.get(CONTENT_ENCODING, ()) if value)
    return FramingFields(facts, declared, upgrade, coding, tuple(dict.fromkeys(odd)), readings)


def _readings(
    lengths: list[str],
    declared: int | None,
    chunked: bool,
    encoded: bool,
    doubted: set[str],
    odd: list[str],
) -> tuple[OtherFraming, ...]:
    """The readings that differ from the one taken."""
    found: list[OtherFraming] = []
    if chunked and declared is not None:
        found.append(OtherFraming("by Content-Length", declared))
    elif chunked and (
        doubted or "transfer-encoding-odd" in odd or "transfer-encoding-repeated" in odd
    ):
        found.append(OtherFraming("without Transfer-Encoding", 0))
    elif encoded and not chunked:
        found.append(OtherFraming("as chunked", AS_CHUNKED))
    if not chunked and lengths:
        if declared == HUGE:  # it cannot be true, and is read as absent
            found.append(OtherFraming("by Content-Length", HUGE))
        elif declared and ("content-length-invalid" in odd or CONTENT_LENGTH in doubted):
            found.append(OtherFraming("without Content-Length", 0))
        for value in (m.strip(" \t") for v in lengths for m in v.split(",")):
            number = lenient_number(value)
            if number is not None and number != declared and len(found) < _MAX_READINGS:
                found.append(OtherFraming(f"by Content-Length {number}", number))
    return tuple(dict.fromkeys(found))


def _content_length(values: list[str], odd: list[str]) -> int | None:
    """RFC 9112 §6.3 rule 5. Of several different values the first is read (and the conflict is
    said).
    """
    if len(values) == 1 and len(values[0]) < 19 and values[0].isascii() and values[0].isdigit():
        return int(values[0])
    members = [m.strip(" \t") for v in values for m in v.split(",")]
    if len(members) > 1:
        odd.append(
            "content-length-repeated" if len(set(members)) == 1 else "content-length-conflict"
        )
    for member in members:
        if not (member.isascii() and member.isdigit()):
            odd.append("content-length-invalid")
            break
    for member in members:
        number = lenient_number(member)
        if number is not None:
            if number >= HUGE:
                odd.append("content-length-huge")
                return HUGE
            return number
    return None


def lenient_number(text: str) -> int | None:
    """The decimal number a forgiving reader (strtol) would see, None when none or negative."""
    digits = text.removeprefix("+")
    end = 0
    while end < len(digits) and digits[end] in "0123456789":
        end += 1
    if not end:
        return None
    significant = digits[:end].lstrip("0")
    return int(significant or "0") if len(significant) <= 19 else HUGE


def _chunked(values: list[str], odd: list[str]) -> bool:
    """RFC 9112 §6.1: chunked must be the last coding, once. Anything else is odd, and some readers
    take it for chunked all the same.
    """
    if len(values) > 1:
        odd.append("transfer-encoding-repeated")
    joined = ",".join(values)
    members = [m.strip(" \t") for m in joined.split(",")]
    known = [m.lower() for m in members if m]
    last = known[-1] if known else ""
    plain = all(m in _CODINGS for m in known) and "\t" not in joined and known.count("chunked") <= 1
    if last == "chunked":
        if not plain or "chunked" in known[:-1] or "" in members:
            odd.append("transfer-encoding-odd")
        return True
    odd.append(
        "transfer-encoding-odd"
        if "chunked" in joined.lower() or not known or (known != ["identity"] and not plain)
        else "transfer-encoding-not-chunked"
    )
    return False
