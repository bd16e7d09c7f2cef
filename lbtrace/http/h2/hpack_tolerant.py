"""Header blocks → fields (HPACK, RFC 7541), for a reader that may have missed the beginning.

A capture can begin, or lose bytes, in the middle of a connection. Then part of the sender's dynamic
table is unknown. The table is indexed newest first (§2.3.3), so an entry that was inserted since is
at its right place; an index beyond these refers to an unknown field, and is reported as such. A
well-behaved sender never refers to an entry it has evicted, so an entry kept too long does no harm.

Huffman decoding and the static table are those of the `hpack` library. The library is also the
oracle of the tests: on a connection seen from its start both give the same.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

_OVERHEAD: Final = 32  # RFC 7541 §4.1
_MAX_TABLE: Final = 1 << 20  # bytes of a dynamic table
# bytes of fields that one block may unfold to, beside its own; so many Chrome takes from a server
_MAX_UNFOLDED: Final = 1 << 18
# A byte of a block unfolds to an entry of either table at most, and to so many bytes beside it.
_PER_BYTE: Final = 256


class HpackField(NamedTuple):
    """A header field; None where it refers to what was not seen."""

    name: bytes | None
    value: bytes | None


STATIC: Final = tuple(HpackField(bytes(n), bytes(v)) for n, v in HeaderTable.STATIC_TABLE)
_LAST_STATIC: Final = 0x80 + len(STATIC)  # the last one, as an indexed field (§6.1)


class MalformedBlockError(Exception):
    """A header block that is not HPACK; `fields` are those read before its fault."""

    def __init__(self, fields: list[HpackField]) -> None:
        super().__init__("malformed header block")
        self.fields = fields


class Decoder:
    """The compression state of one direction, as its reader has it.

    `state` changes whenever the dynamic table does: while it stays, the same block means the same.
    """

    def __init__(self) -> None:
        self.state = 0
        self._entries: deque[HpackField] = deque()
        self._size = 0
        self._limit = 4096

    def forget(self) -> None:
        """Header blocks were lost: nothing inserted so far can be found again."""
        self.state += 1
        self._entries.clear()
        self._size = 0

    def decode(self, block: bytes) -> list[HpackField]:
        """The fields of a whole header block. Raises MalformedBlockError."""
        fields: list[HpackField] = []
        at = unfolded = 0
        stop, static = len(block), STATIC
        most = stop + _MAX_UNFOLDED
        counted = stop * (self._limit + _PER_BYTE) > most
        try:
            while at < stop:
                byte = block[at]
                if 0x80 < byte <= _LAST_STATIC:  # §6.1 indexed field, of the static table
                    field = static[byte - 0x81]
                    at += 1
                elif byte & 0x80:  # of the dynamic table
                    index, at = integer(block, at, 7)
                    field = self._entry(index)
                elif byte & 0xE0 == 0x20:  # §6.3 table size update
                    size, at = integer(block, at, 5)
                    self._limit = min(size, _MAX_TABLE)
                    self.state += 1
                    self._evict()
                    counted, unfolded = True, sum(map(_cost, fields))
                    continue
                else:
                    field, at = self._literal(block, at, bool(byte & 0x40))
                fields.append(field)
                if counted:
                    unfolded += _cost(field)
                    if unfolded > most:
                        raise MalformedBlockError(fields)
        except (IndexError, HPACKDecodingError):
            raise MalformedBlockError(fields) from None
        return fields

    def _literal(self, block: bytes, at: int, insert: bool) -> tuple[HpackField, int]:
        """§6.2: a literal field, which is inserted into the table or not; and where it ends."""
        full = 0x3F if insert else 0x0F
        index = block[at] & full
        at += 1
        if index == full:
            index, at = integer(block, at - 1, 6 if insert else 4)
        name: bytes | None
        if index:
            name = self._entry(index).name
        else:
            name, at = string(block, at)
        value, at = string(block, at)
        field = HpackField(name, value)
        if insert:
            self._insert(field)
        return field, at

    def _entry(self, index: int) -> HpackField:
        if index == 0:
            raise IndexError
        if index <= len(STATIC):
            return STATIC[index - 1]
        index -= len(STATIC) + 1
        return self._entries[index] if index < len(self._entries) else HpackField(None, None)

    def _insert(self, field: HpackField) -> None:
        self.state += 1
        self._entries.appendleft(field)
        self._size += _cost(field)
        if self._size > self._limit:
            self._evict()

    def _evict(self) -> None:
        while self._size > self._limit and self._entries:
            self._size -= _cost(self._entries.pop())


def _cost(field: HpackField) -> int:
    return _OVERHEAD + len(field.name or b"") + len(field.value or b"")


def integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """§5.1."""
    full = (1 << bits) - 1
    value = block[at] & full
    at += 1
    if value < full:
        return value, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
        if shift > 56:
            raise IndexError


def string(block: bytes, at: int) -> tuple[bytes, int]:
    """§5.2."""
    first = block[at]
    size = first & 0x7F
    at += 1
    if size == 0x7F:
        size, at = integer(block, at - 1, 7)
    end = at + size
    if end > len(block):
        raise IndexError
    raw = block[at:end]
    return (bytes(decode_huffman(raw)) if first & 0x80 else raw), end
