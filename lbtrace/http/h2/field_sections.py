"""Header blocks of one direction → field sections (RFC 9113 §8.2, §8.3).

A block that recurs while the compression state stays as it is means the same, so it is decoded
once; on busy connections that is nearly every block.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from lbtrace.http.h2.hpack_tolerant import Decoder, HpackField, MalformedBlockError
from lbtrace.http_fields import (
    AUTHORITY,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    METHOD,
    PATH,
    PROTOCOL,
    SCHEME,
    STATUS,
)
from lbtrace.model.http import HeaderLine

SCHEMES: Final = 4  # different ones of a connection that are kept
_REMEMBERED: Final = 1 << 12  # blocks and lines that are remembered
_LONG: Final = 1 << 10  # bytes; a longer block or line is not remembered
_DIGITS: Final = 19  # of the longest Content-Length that is read
_Fact: TypeAlias = tuple[HeaderLine | None, str, str]


class FieldSection(NamedTuple):
    """What a header block says. Pseudo fields are "" where there is none that can be read.

    `lines` are the readable fields in order, `:authority` among them, without the other pseudo
    fields. `coding` is the Content-Encoding in lower case, `declared` the Content-Length.
    `readable`: no field of it is missing or refers to what was not seen. `protocol` is what an
    extended CONNECT asks for (RFC 8441). `size`: bytes of the fields, wherever they stood.
    """

    method: str
    path: str
    authority: str
    status: str
    lines: tuple[HeaderLine, ...]
    coding: str
    declared: int | None
    readable: bool
    protocol: str = ""
    content_type: str = ""
    scheme: str = ""
    size: int = 0


class FieldSections:
    """The header blocks of one direction, read in order. `unfolded`: bytes of their fields."""

    def __init__(self) -> None:
        self.decoder = Decoder()
        self.unfolded = 0
        self._state = 0
        self._known: dict[bytes, FieldSection] = {}
        self._facts: dict[HpackField, _Fact] = {}

    def read(self, block: bytes, whole: bool) -> tuple[FieldSection, bool]:
        """The section of a block, and whether the block is malformed; then the compression state is
        lost. `whole`: no byte of the block is missing.
        """
        section, malformed = self._read(block, whole)
        self.unfolded += section.size
        return section, malformed

    def _read(self, block: bytes, whole: bool) -> tuple[FieldSection, bool]:
        decoder = self.decoder
        if self._state != decoder.state or len(self._known) >= _REMEMBERED:
            self._known.clear()
            self._state = decoder.state
        known = self._known.get(block) if whole else None
        if known is not None:
            return known, False
        try:
            fields = decoder.decode(block)
        except MalformedBlockError as error:
            decoder.forget()
            return self.section(error.fields, False), True
        section = self.section(fields, whole)
        if whole and len(block) <= _LONG and self._state == decoder.state:
            self._known[block] = section
        return section, False

    def section(self, fields: list[HpackField], whole: bool) -> FieldSection:
        """What these fields say. `whole`: no byte of their block is missing."""
        said: dict[str, str] = {}  # of each name the first value that is not empty
        lines: list[HeaderLine] = []
        known, readable = self._facts, whole
        for field in fields:
            line, name, value = known.get(field) or self._fact(field)
            if line is not None:
                lines.append(line)
            if not value:
                readable = readable and None not in field
            elif name not in said:
                said[name] = value
        declared = said.get(CONTENT_LENGTH, "")
        return FieldSection(
            said.get(METHOD, ""),
            said.get(PATH, ""),
            said.get(AUTHORITY, ""),
            said.get(STATUS, ""),
            tuple(lines),
            said.get(CONTENT_ENCODING, "").lower(),
            declared_length(declared),
            readable,
            said.get(PROTOCOL, ""),
            said.get(CONTENT_TYPE, ""),
            said.get(SCHEME, ""),
            sum([len(line[2]) for line in lines])
            + sum([len(value) for name, value in said.items() if name[:1] == ":"]),
        )

    def _fact(self, field: HpackField) -> _Fact:
        """A field, as a line if it is one, with its name and value as text; "" for what was not
        seen.
        """
        if None in field:
            return None, "", ""
        name, value = ((text or b"").decode("latin-1") for text in field)
        line = None
        if name[:1] != ":" or name == AUTHORITY:
            line = HeaderLine(name, value, f"{name}: {value}")
        if len(self._facts) >= _REMEMBERED:
            self._facts.clear()
        fact = line, name, value
        if len(name) + len(value) <= _LONG:
            self._facts[field] = fact
        return fact


class KnownSections(FieldSections):
    """Header blocks of which the compiled core found the `fields`, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[HpackField] = []

    def _read(self, block: bytes, whole: bool) -> tuple[FieldSection, bool]:
        return self.section(self.fields, True), False


def declared_length(text: str) -> int | None:
    """The number that a Content-Length is; None for anything else."""
    digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if digits else None
