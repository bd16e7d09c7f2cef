"""Header blocks of one direction → field sections (RFC 9113 §8.2, §8.3).

A block that recurs while the compression state stays as it is means the same, so it is decoded
once; on busy connections that is nearly every block.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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

_AUTHORITY: Final = AUTHORITY.encode()
_REMEMBERED: Final = 1 << 12  # blocks and lines that are remembered
_LONG: Final = 1 << 10  # bytes; a longer block or line is not remembered
_DIGITS: Final = 19  # of the longest Content-Length that is read


class FieldSection(NamedTuple):
    """What a header block says. Pseudo fields are "" where there is none that can be read.

    `lines` are the readable fields in order, `:authority` among them, without the other pseudo
    fields. `coding` is the Content-Encoding in lower case, `declared` the Content-Length.
    `readable`: no field of it is missing or refers to what was not seen. `protocol` is what an
    extended CONNECT asks for (RFC 8441).
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


class FieldSections:
    """The header blocks of one direction, read in order."""

    def __init__(self) -> None:
        self.decoder = Decoder()
        self._state = 0
        self._known: dict[bytes, FieldSection] = {}
        self._lines: dict[HpackField, HeaderLine] = {}

    def read(self, block: bytes, whole: bool) -> tuple[FieldSection, bool]:
        """The section of a block, and whether the block is malformed; then the compression state is
        lost. `whole`: no byte of the block is missing.
        """
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
            return self._section(error.fields, False), True
        section = self._section(fields, whole)
        if whole and len(block) <= _LONG and self._state == decoder.state:
            self._known[block] = section
        return section, False

    def _section(self, fields: list[HpackField], whole: bool) -> FieldSection:
        said: dict[str, str] = {}
        for name, value in reversed(fields):
            if name is not None and value:
                said[name.decode("latin-1")] = value.decode("latin-1")
        size = said.get(CONTENT_LENGTH, "")
        return FieldSection(
            said.get(METHOD, ""),
            said.get(PATH, ""),
            said.get(AUTHORITY, ""),
            said.get(STATUS, ""),
            tuple(
                self._lines.get(field) or self._line(field)
                for field in fields
                if field.name is not None and field.value is not None and _is_line(field.name)
            ),
            said.get(CONTENT_ENCODING, "").lower(),
            int(size) if size.isascii() and size.isdigit() and len(size) <= _DIGITS else None,
            whole and all(name is not None and value is not None for name, value in fields),
            said.get(PROTOCOL, ""),
            said.get(CONTENT_TYPE, ""),
            said.get(SCHEME, ""),
        )

    def _line(self, field: HpackField) -> HeaderLine:
        name, value = ((text or b"").decode("latin-1") for text in field)
        line = HeaderLine(name, value, f"{name}: {value}")
        if len(self._lines) >= _REMEMBERED:
            self._lines.clear()
        if len(line.raw) <= _LONG:
            self._lines[field] = line
        return line


def _is_line(name: bytes) -> bool:
    return name[:1] != b":" or name == _AUTHORITY
