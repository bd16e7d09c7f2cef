"""A credential → as many other letters, the same for the same credential.

Which parts of a head are credentials says `lbtrace.http_fields.masking`; here is only what stands
in their place. Letters and digits are replaced, and bytes above ASCII; everything else stays where
it is, so that nothing that was parsed is parsed in another way. Blanks, commas, semicolons and
quotes divide a credential into words, each replaced on its own: so lists that a balancer joined, or
folded lines, still agree with their parts.

Invariants, for one key: equal words have equal masks, different words have different ones (as long
as there are masks left: of one letter there are 62); a mask is as long as its word, as bytes and in
the Huffman code of HTTP/2 (RFC 7541 appendix B).
"""

from __future__ import annotations

import re
from collections import defaultdict
from hashlib import blake2b, shake_256
from string import ascii_letters, digits
from typing import Final

from hpack.huffman_constants import REQUEST_CODES_LENGTH

from lbtrace.http_fields.masking import Mask

_WORD: Final = re.compile(r"""[^\x00-\x20,;"]+""")
_ATTEMPTS: Final = 64
KEY_BYTES: Final = 32


def _by_bits(letters: bytes) -> dict[int, bytes]:
    found: dict[int, list[int]] = defaultdict(list)
    for letter in letters:
        found[REQUEST_CODES_LENGTH[letter]].append(letter)
    return {bits: bytes(held) for bits, held in found.items()}


_LETTERS: Final = (ascii_letters + digits).encode()
_PLAIN: Final = _by_bits(_LETTERS)  # of 5 to 8 bits
_HIGH: Final = _by_bits(bytes(range(0x80, 0x100)))
_LEAST_BITS, _MOST_BITS = min(_PLAIN), max(_PLAIN)
_IS_LETTER: Final = frozenset(_LETTERS)


class SameLengthMask(Mask):
    """Masks the credentials of heads in place. `hidden` has each of them and what stands there."""

    def __init__(self, key: bytes) -> None:
        super().__init__(None)
        self._key = key
        self._words: dict[str, str] = {}
        self._taken: set[str] = set()

    def hide(self, secret: str) -> str:
        """What stands in place of a credential, as long as it is."""
        known = self.hidden.get(secret)
        if known is None:
            known = _WORD.sub(self._word, secret)
            self.hidden[secret] = known
        return known

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        known = self._words.get(word)
        if known is not None:
            return known
        held = word.encode("latin-1")
        mask = word
        for attempt in range(_ATTEMPTS):
            mask = _drawn(held, self._key, attempt).decode("latin-1")
            if mask != word and mask not in self._taken:
                break
        self._words[word] = mask
        self._taken.add(mask)
        return mask


def _drawn(word: bytes, key: bytes, attempt: int) -> bytes:
    """Letters in place of those of a word, drawn by the key, of as many bits all together."""
    seed = blake2b(word, key=key, salt=attempt.to_bytes(2)).digest()
    chance = shake_256(seed).digest(3 * len(word))
    plain = [at for at, byte in enumerate(word) if byte in _IS_LETTER]
    bits = sum(REQUEST_CODES_LENGTH[word[at]] for at in plain)
    mask = bytearray(word)
    for left, at in zip(range(len(plain) - 1, -1, -1), plain, strict=True):
        drawn = int.from_bytes(chance[3 * at : 3 * at + 3])
        letters = b"".join(
            held
            for size, held in _PLAIN.items()
            if left * _LEAST_BITS <= bits - size <= left * _MOST_BITS
        )
        mask[at] = letters[drawn % len(letters)]
        bits -= REQUEST_CODES_LENGTH[mask[at]]
    for at, byte in enumerate(word):
        if byte >= 0x80:
            letters = _HIGH[REQUEST_CODES_LENGTH[byte]]
            mask[at] = letters[int.from_bytes(chance[3 * at : 3 * at + 3]) % len(letters)]
    return bytes(mask)


class Scramble:
    """Letters in place of bytes that nobody reads: as many, the same for the same `seed`."""

    BLOCK: Final = 4096

    def __init__(self, key: bytes, seed: bytes, shift: int = 0) -> None:
        self._key, self._named, self._shift = key, seed, shift
        self._seed = blake2b(seed, key=key).digest()
        self._block = -1
        self._letters = b""

    def shifted(self, offset: int) -> Scramble:
        """The same letters, counted from an offset."""
        return Scramble(self._key, self._named, self._shift + offset)

    def letters(self, begin: int, end: int) -> bytes:
        """The letters at [begin, end), counted from the shift."""
        parts = []
        begin, end = max(begin - self._shift, 0), max(end - self._shift, 0)
        while begin < end:
            block, inside = divmod(begin, self.BLOCK)
            if block != self._block:
                drawn = shake_256(self._seed + block.to_bytes(8)).digest(self.BLOCK)
                self._letters = drawn.translate(_SMALL)
                self._block = block
            part = self._letters[inside : inside + end - begin]
            parts.append(part)
            begin += len(part)
        return b"".join(parts)


_SMALL: Final = bytes(ord("a") + byte % 26 for byte in range(256))
