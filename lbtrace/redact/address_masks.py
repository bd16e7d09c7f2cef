"""An IP address → another one, the same for the same address, whose text is as long.

Prefixes are preserved, as by Crypto-PAn (Fan, Xu, Ammar, Moon 2004): addresses that share their
first octets (IPv6: groups of four digits) share them afterwards, and no others do. Crypto-PAn
itself changes bits, and so the length of the text: `10.0.0.1` in an X-Forwarded-For would become
`135.242.180.132`, for which there is no room in a head that must keep its length. So an octet, or
a group, is permuted among those whose text has as many digits and is as long in the Huffman code of
HTTP/2 (RFC 7541 appendix B). The permutation is drawn by the key and by what stands before it.

What a report says of an address stays true: private addresses stay in their network, those that
are special (loopback, link-local, multicast, documentation) stay as they are or in their network.

What an observer learns: how many digits each octet has, and roughly which.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias

from hpack.huffman_constants import REQUEST_CODES_LENGTH

from lbtrace.http_fields.addresses import parse

# First octets that stay, and the second octets behind them that are special: each range stays in
# itself (RFC 1918, 3927, 5737, 6598, 2544, 7526). Addresses from 224 on, of 0/8 and of 127/8 stay
# whole.
_PARTS: Final = {
    10: (),
    100: (range(64, 128),),
    169: (range(254, 255),),
    172: (range(16, 32),),
    192: (range(1), range(88, 89), range(168, 169)),
    198: (range(18, 20), range(51, 52)),
    203: (range(1),),
}
_THIRD: Final = frozenset({(192, 0), (192, 88), (198, 51), (203, 0)})  # the third octet stays, too
_WHOLE: Final = frozenset({0, 127, *range(224, 256)})
# First groups of IPv6 that do not stay: global unicast, without 2001::/16 and 2002::/16
_GLOBAL: Final = range(0x2003, 0x4000)
_MULTICAST: Final = 0xFF00
_SECOND_TOO: Final = (0x2001, 0x64)  # their second group stays, too: it says what they are for
_OCTETS, _GROUPS = "%d", "%x"
_ROUNDS: Final = 8
_TEXT: Final = re.compile(
    r"(?<![0-9A-Za-z.:])(?<![0-9A-Za-z]/)(?:"
    r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?"
    r"|\d{1,3}(?:\.\d{1,3}){3})(?![0-9A-Za-z.])"
)
_GROUP: Final = re.compile("[0-9A-Fa-f]+")


_Numbers: TypeAlias = range | tuple[int, ...]


class AddressMask:
    """Masks the addresses of one run."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.packed = lru_cache(maxsize=1 << 16)(self._packed)
        """A packed address of 4 or 16 bytes → the packed address in its place."""

    def text(self, text: str) -> str:
        """A text of a head with its addresses masked: as long as before."""
        return _TEXT.sub(self._found, text)

    def _found(self, found: re.Match[str]) -> str:
        text = found[0]
        if parse(text) is None:
            return text
        if ":" not in text:
            return self._dotted(text)
        tail = text.rpartition(":")[2]
        mask = self.packed(ipaddress.IPv6Address(text).packed)
        if "." not in tail:
            return _spelled(text, mask, 8)
        return _spelled(text[: -len(tail)], mask, 6) + str(ipaddress.IPv4Address(mask[12:]))

    def _dotted(self, text: str) -> str:
        return str(ipaddress.IPv4Address(self.packed(ipaddress.IPv4Address(text).packed)))

    def _packed(self, address: bytes) -> bytes:
        if len(address) == 4:
            return self._octets(address)
        mapped = address[:12] == bytes(10) + b"\xff\xff"
        if mapped:
            return address[:12] + self.packed(address[12:])
        return self._groups([int.from_bytes(address[at : at + 2]) for at in range(0, 16, 2)])

    def _octets(self, octets: bytes) -> bytes:
        first = octets[0]
        if first in _WHOLE:
            return octets
        masked = bytearray()
        for at, octet in enumerate(octets):
            masked.append(self._permuted(octets[:at], octet, _among(octets, at), _OCTETS))
        return bytes(masked)

    def _groups(self, groups: list[int]) -> bytes:
        masked = list(groups)
        if any(groups[:7]) and groups[0] < _MULTICAST:
            for at, group in enumerate(groups):
                before = b"".join(each.to_bytes(2) for each in groups[:at])
                if at == 0 and group in _GLOBAL:
                    masked[0] = self._permuted(before, group, _GLOBAL, _GROUPS)
                elif at > 1 or (at and groups[0] not in _SECOND_TOO):
                    masked[at] = group and self._permuted(before, group, range(1, 0x10000), _GROUPS)
        return b"".join(each.to_bytes(2) for each in masked)

    def _permuted(self, before: bytes, number: int, among: _Numbers, form: str) -> int:
        """The number in place of another, among those that are spelled alike."""
        alike = _alike(_shape(form % number), among, form)
        seed = blake2b(form.encode() + before, key=self._key).digest()
        return alike[_permutation(bisect_left(alike, number), len(alike), seed)]


def _among(octets: bytes, at: int) -> _Numbers:
    """The octets that may stand in place of one."""
    octet = octets[at]
    stays = (at == 0 and octet in _PARTS) or (at == 2 and (octets[0], octets[1]) in _THIRD)
    if stays:
        return range(octet, octet + 1)
    if at == 0:
        return _first()
    return _second(octets[0], octet) if at == 1 else range(256)


@cache
def _first() -> tuple[int, ...]:
    return tuple(n for n in range(256) if n not in _WHOLE and n not in _PARTS)


@cache
def _second(first: int, second: int) -> tuple[int, ...]:
    parts = _PARTS.get(first, ())
    part = next((part for part in parts if second in part), None)
    return tuple(part) if part else tuple(n for n in range(256) if not any(n in p for p in parts))


def _shape(text: str) -> tuple[int, int]:
    """How long a text is: in digits, and in bits of the Huffman code."""
    return len(text), sum(REQUEST_CODES_LENGTH[ord(digit)] for digit in text)


@cache
def _alike(shape: tuple[int, int], among: _Numbers, form: str) -> tuple[int, ...]:
    return tuple(n for n in among if _shape(form % n) == shape)


def _permutation(number: int, size: int, seed: bytes) -> int:
    """A permutation of 0 … size − 1: a Feistel network over the next power of four, walked until
    it leads into the range (Black and Rogaway 2002).
    """
    bits = max((size - 1).bit_length() + 1 >> 1, 1)
    mask = (1 << bits) - 1
    while True:
        left, right = number >> bits, number & mask
        for turn in range(_ROUNDS):
            mixed = blake2b(bytes((turn,)) + right.to_bytes(2), key=seed, digest_size=2).digest()
            left, right = right, left ^ int.from_bytes(mixed) & mask
        number = left << bits | right
        if number < size:
            return number


def _spelled(text: str, mask: bytes, groups: int) -> str:
    """An IPv6 address as it was written, of so many groups, with the digits of another one."""
    front, double, _ = text.partition("::")
    left, whole = len(_GROUP.findall(front)), len(_GROUP.findall(text))
    at = iter([*range(left), *range(groups - (whole - left), groups)] if double else range(groups))

    def spelled(found: re.Match[str]) -> str:
        number = int.from_bytes(mask[2 * (place := next(at)) : 2 * place + 2])
        digits = f"{number:0{len(found[0])}x}"
        return digits if found[0] == found[0].lower() else digits.upper()

    return _GROUP.sub(spelled, text)
