"""Bytes → where any of many credentials stands in them.

Every credential begins with LEAST bytes that are looked up by a hash of the first four of them, at
every place at once. So the cost is that of the bytes, however many credentials there are.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote

import numpy as np
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from lbtrace.http_fields import names
from lbtrace.tables.columns import Column

LEAST: Final = 8  # bytes of a credential that is looked for
_VARIOUS: Final = 5  # different bytes of it
_WORD_BYTES: Final = 12  # a word, or a number, is shorter
_ORDINARY: Final = re.compile(rb"[A-Za-z]+|[0-9]+")
_MEDIA_TYPE: Final = re.compile(rb"[a-z]+/[a-z0-9.+*-]+")
_BITS: Final = 20
_CHUNK: Final = 1 << 20
_ODD: Final = np.uint32(2654435761)  # Knuth's multiplier


class CredentialSearch:
    """Looks for the credentials of one run."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        alike: dict[bytes, list[bytes]] = {}
        self._longest = 0
        self._may = np.zeros(1 << _BITS, bool)
        for each in set(wanted):
            alike.setdefault(each[:LEAST], []).append(each)
            self._longest = max(self._longest, len(each))
        self._wanted = {begin: _Alike(held) for begin, held in alike.items()}
        heads = b"".join(each[:4] for each in self._wanted)
        if heads:
            self._may[_hashes(np.frombuffer(heads, "<u4"))] = True

    def found(self, data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
        """Each place and what stands there, in order; they do not overlap."""
        behind = 0
        for low in range(0, len(data) - LEAST + 1 if self._wanted else 0, _CHUNK):
            part = bytes(data[low : low + _CHUNK + self._longest])
            for at in self._places(part):
                if low + at < behind or at >= _CHUNK:
                    continue
                held = self._wanted.get(part[at : at + LEAST])
                each = None if held is None else held.longest_at(part, at)
                if each is not None:
                    yield low + at, each
                    behind = low + at + len(each)

    def _places(self, part: bytes) -> list[int]:
        if len(part) < LEAST:
            return []
        grams = np.lib.stride_tricks.as_strided(
            np.frombuffer(part, np.uint8)[:4].view("<u4"), (len(part) - 3,), (1,)
        )
        places: list[int] = np.flatnonzero(self._may[_hashes(grams)]).tolist()
        return places


class _Alike:
    """Credentials that begin with the same LEAST bytes, as all signed tokens do.

    In order, those that a text begins with stand before the text. The last one before it has as
    many bytes in common with the text as any; so they are that one, or beginnings of it.
    """

    def __init__(self, held: list[bytes]) -> None:
        self._held = sorted(held)
        self._longest = max(map(len, held))
        self._beginning: list[int] = []  # of each, the longest other one that it begins with, or -1
        open_: list[int] = []
        for number, each in enumerate(self._held):
            while open_ and not each.startswith(self._held[open_[-1]]):
                open_.pop()
            self._beginning.append(open_[-1] if open_ else -1)
            open_.append(number)

    def longest_at(self, part: bytes, at: int) -> bytes | None:
        """The longest of them that stands at a place."""
        number = bisect_right(self._held, part[at : at + self._longest]) - 1
        while number >= 0 and not part.startswith(self._held[number], at):
            number = self._beginning[number]
        return self._held[number] if number >= 0 else None


def _hashes(grams: Column) -> Column:
    hashes: Column = (grams * _ODD) >> np.uint32(32 - _BITS)
    return hashes


def can_be_searched(secret: bytes, said: frozenset[bytes]) -> bool:
    """Whether a credential tells itself from ordinary text: it is long enough, and no word, number,
    address, name of a field, or host that is `said` in the clear.
    """
    if secret in said or secret.lower() in _NAMES or not is_telling(secret):
        return False
    if len(secret) < _WORD_BYTES and _ORDINARY.fullmatch(secret):
        return False
    return not (_MEDIA_TYPE.fullmatch(secret) or _is_address(secret))


def is_telling(data: bytes) -> bool:
    """Whether bytes are long and various enough not to stand somewhere by chance."""
    return len(data) >= LEAST and len(set(data)) >= _VARIOUS


_NAMES: Final = frozenset(name.encode() for name in names())


def _is_address(text: bytes) -> bool:
    try:
        ip_address(text.decode("latin-1").strip("[]"))
    except ValueError:
        return False
    return True


def forms(secret: bytes) -> set[bytes]:
    """A credential as it may be spelled elsewhere: percent-decoded; of Basic authentication the
    user and password, and the password alone (RFC 7617).
    """
    found = {secret}
    text = secret.decode("latin-1")
    if "%" in text:
        found.add(unquote(text, "latin-1").encode("latin-1"))
    try:
        plain = b64decode(secret, validate=True)
    except (Error, ValueError):
        return found
    user, colon, password = plain.partition(b":")
    if colon and user.isascii() and user.decode("latin-1").isprintable():
        found |= {plain, password}
    return found


def in_huffman_code(secret: bytes) -> set[bytes]:
    """What a credential leaves in a string in Huffman code (RFC 7541 §5.2): the whole bytes, for
    each of the eight places in a byte at which it may begin.
    """
    bits = "".join(f"{REQUEST_CODES[byte]:0{REQUEST_CODES_LENGTH[byte]}b}" for byte in secret)
    left = (bits[skip:] for skip in range(8))
    whole = (each[: len(each) & ~7] for each in left)
    return {int(each, 2).to_bytes(len(each) // 8) for each in whole if len(each) >= 8 * LEAST}


encoded: Final = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode
