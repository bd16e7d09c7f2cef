"""The keys of one direction → what its records hold (RFC 8446 §5.2, RFC 5246 §6.2.3, RFC 5288, RFC
6655, RFC 7905, RFC 7366).

A record is opened whole, and then its tag proves it and its number. A record of which bytes are
missing is decrypted around them: in a mode that counts (GCM, CCM, ChaCha20), each byte of the
record stands for one byte of the text; in CBC, each block needs the one before it. Nothing proves
such a text.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers import algorithms as old
from cryptography.hazmat.primitives.ciphers import (
    BlockCipherAlgorithm,
    Cipher,
    algorithms,
    modes,
)
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from lbtrace.tls.suites import Mode, Suite

HEAD: Final = 5  # bytes of type, version and length in front of each record
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
_EXPLICIT: Final = 8  # bytes of the nonce that TLS 1.2 sends with each record
_LONGEST_TEXT: Final = 1 << 14
Parts: TypeAlias = Sequence[tuple[int, bytes]]  # what is there of a record: (offset, bytes)


class PlainRecord(NamedTuple):
    """What a record holds: its type, its text, and where the text begins in the record's body."""

    kind: int
    text: bytes
    begin: int


class PartialRecord(NamedTuple):
    """What is there of a damaged record's text: (offset in the text, offset in the body, bytes);
    and how long the text is as a whole.
    """

    kind: int
    parts: list[tuple[int, int, bytes]]
    size: int


class Aead:
    """GCM, CCM or ChaCha20-Poly1305 under one key."""

    exact = True  # the length of a text follows from that of its record

    def __init__(self, suite: Suite, key: bytes, iv: bytes, tls13: bool) -> None:
        self._mode, self._key, self._iv, self._tls13 = suite.mode, key, iv, tls13
        self._tag = suite.tag
        self._number_of_iv = int.from_bytes(iv, "big")
        self.begin = 0 if tls13 or suite.mode is Mode.CHACHA20 else _EXPLICIT
        self.overhead = HEAD + self.begin + self._tag + tls13
        self._cipher: AESGCM | AESCCM | ChaCha20Poly1305
        if suite.mode is Mode.GCM:
            self._cipher = AESGCM(key)
        elif suite.mode is Mode.CCM:
            self._cipher = AESCCM(key, suite.tag)
        else:
            self._cipher = ChaCha20Poly1305(key)

    def open(self, number: int, head: bytes, body: bytes) -> PlainRecord | None:
        """A whole record, if this is its number under this key."""
        size = len(body) - self.begin - self._tag
        if size < 0:
            return None
        if self._tls13:
            data = head
        else:
            data = number.to_bytes(8, "big") + head[:3] + size.to_bytes(2, "big")
        try:
            text = self._cipher.decrypt(self._nonce(number, body), body[self.begin :], data)
        except (InvalidTag, ValueError):
            return None
        if not self._tls13:
            return PlainRecord(head[0], text, self.begin)
        text = text.rstrip(b"\0")
        return (
            PlainRecord(text[-1], text[:-1], 0) if text else PlainRecord(APPLICATION_DATA, b"", 0)
        )

    def length(self, size: int) -> int:
        """How long the text of a record with so many bytes behind its head is, padding aside."""
        return max(size - self.overhead + HEAD, 0)

    def damaged(self, number: int, kind: int, size: int, parts: Parts) -> PartialRecord | None:
        """A record with `size` bytes behind its head, of which only these are there. `kind` is the
        type in its head. None when what is there says nothing.
        """
        first = parts[0][1] if parts and parts[0][0] == 0 else b""
        if len(first) < self.begin:
            return None
        end = size - self._tag
        nonce, found = self._nonce(number, first), []
        for at, data in parts:
            skipped = max(self.begin - at, 0)
            data, at = data[skipped : max(end - at, 0)], at + skipped
            if data:
                found.append((at - self.begin, at, self._decrypted(nonce, at - self.begin, data)))
        if self._tls13:
            return _without_type(found, end)
        return PartialRecord(kind, found, end - self.begin)

    def _nonce(self, number: int, body: bytes) -> bytes:
        if self.begin:
            return self._iv + body[:_EXPLICIT]
        return (self._number_of_iv ^ number).to_bytes(len(self._iv), "big")

    def _decrypted(self, nonce: bytes, at: int, data: bytes) -> bytes:
        """Text from offset `at` of a record on."""
        cipher: Cipher[None] | Cipher[modes.CTR]
        if self._mode is Mode.CHACHA20:
            block, inside = divmod(at, 64)
            start = (1 + block).to_bytes(4, "little") + nonce
            cipher = Cipher(algorithms.ChaCha20(self._key, start), None)
        else:
            block, inside = divmod(at, 16)
            start = (
                nonce + (2 + block).to_bytes(4, "big")
                if self._mode is Mode.GCM
                else b"\2" + nonce + (1 + block).to_bytes(3, "big")
            )
            cipher = Cipher(algorithms.AES(self._key), modes.CTR(start))
        return cipher.decryptor().update(bytes(inside) + data)[inside:]


def _without_type(parts: list[tuple[int, int, bytes]], end: int) -> PartialRecord:
    """The text of TLS 1.3 without the type and the padding behind it (RFC 8446 §5.2), as far as
    they are there. Without them, the text is taken for application data that is not padded, unless
    it begins like handshake messages that fill the record.
    """
    last = parts[-1] if parts else (0, 0, b"")
    kind, size = APPLICATION_DATA, end - 1
    if last[0] + len(last[2]) == end:
        text = last[2].rstrip(b"\0")
        if text:
            kind, size = text[-1], last[0] + len(text) - 1
    elif parts and parts[0][0] == 0 and _fills(parts[0][2], size):
        kind = HANDSHAKE
    return PartialRecord(
        kind, [(at, by, data[: size - at]) for at, by, data in parts if at < size], size
    )


def _fills(text: bytes, size: int) -> bool:
    """Whether a text begins with a handshake message of TLS 1.3 that ends where it does."""
    return (
        len(text) >= 4
        and text[0] in (2, 4, 8, 11, 13, 15, 20, 24, 25)
        and int.from_bytes(text[1:4], "big") + 4 == size
    )


class Cbc:
    """CBC with HMAC under one key, up to TLS 1.2. `etm`: encrypt-then-MAC (RFC 7366); None: find
    out with the first record. `iv`: of TLS 1.0, in which each record goes on from the one before.
    """

    exact = False

    def __init__(
        self, suite: Suite, key: bytes, mac_key: bytes, iv: bytes, etm: bool | None
    ) -> None:
        self._algorithm = _block_cipher(suite, key)
        self._hash, self._mac_key, self._etm = suite.mac, mac_key, etm
        self._mac = hmac.new(b"", digestmod=suite.mac).digest_size
        self._block = self.block_size(suite)
        self._before: bytes | None = iv or None  # the last block of the record before
        self.begin = 0 if iv else self._block
        self.overhead = HEAD + self.begin + self._mac + 1
        self._lengths: dict[int, int] = {}  # size of a record → length of the text in the last one

    @staticmethod
    def block_size(suite: Suite) -> int:
        """Bytes."""
        return 8 if suite.cipher == "3DES_EDE" else 16

    def open(self, number: int, head: bytes, body: bytes) -> PlainRecord | None:
        """A whole record, if this is its number under this key."""
        for etm in (False, True) if self._etm is None else (self._etm,):
            text = (self._etm_text if etm else self._mte_text)(number, head, body)
            if text is not None:
                self._etm = etm
                self._lengths[len(body)] = len(text)
                if not self.begin:
                    sealed = body[: -self._mac] if etm else body
                    self._before = sealed[-self._block :]
                return PlainRecord(head[0], text, self.begin)
        return None

    def length(self, size: int) -> int:
        """How long the text of a record with so many bytes behind its head is: as in the last
        record of this size, else as long as can be.
        """
        longest = max(size - self.begin - self._mac - 1, 0)
        return self._lengths.get(size, min(longest, _LONGEST_TEXT))

    def damaged(self, number: int, kind: int, size: int, parts: Parts) -> PartialRecord | None:
        """As `Aead.damaged`: the blocks that are there together with the block before them."""
        sealed = size - (self._mac if self._etm else 0)
        blocks: list[tuple[int, bytes]] = []
        for at, data in parts:
            blocks += self._blocks(at, data[: max(sealed - at, 0)])
        whole = blocks and blocks[-1][0] + len(blocks[-1][1]) == sealed
        length = self.length(size)
        if whole:
            length = sealed - self.begin - 1 - blocks[-1][1][-1]
            length = max(length - (0 if self._etm else self._mac), 0)
        if not self.begin:
            at, data = parts[-1] if parts else (0, b"")
            last = data[: max(sealed - at, 0)]
            whole = at + len(last) == sealed and len(last) >= self._block
            self._before = last[-self._block :] if whole else None
        found = [
            (at - self.begin, at, text[: length - at + self.begin])
            for at, text in blocks
            if at - self.begin < length
        ]
        return PartialRecord(kind, found, length)

    def _blocks(self, at: int, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The text of the blocks that are whole in bytes from offset `at` on, and where it
        begins.
        """
        size = self._block
        if at == 0 and not self.begin and self._before is not None:
            before, data = self._before, data[: len(data) // size * size]
        else:
            skipped = -at % size
            before, data = data[skipped : skipped + size], data[skipped + size :]
            at, data = at + skipped + size, data[: len(data) // size * size]
        if data and len(before) == size:
            yield at, self._decrypted(before, data)

    def _etm_text(self, number: int, head: bytes, body: bytes) -> bytes | None:
        sealed, tag = body[: -self._mac], body[-self._mac :]
        if not self._proved(number, head, sealed, tag):
            return None
        return self._unpadded(sealed)

    def _mte_text(self, number: int, head: bytes, body: bytes) -> bytes | None:
        text = self._unpadded(body)
        if text is None or len(text) < self._mac:
            return None
        text, tag = text[: -self._mac], text[-self._mac :]
        return text if self._proved(number, head, text, tag) else None

    def _proved(self, number: int, head: bytes, data: bytes, tag: bytes) -> bool:
        if len(tag) < self._mac:
            return False
        whole = number.to_bytes(8, "big") + head[:3] + len(data).to_bytes(2, "big") + data
        return hmac.digest(self._mac_key, whole, self._hash) == tag

    def _unpadded(self, sealed: bytes) -> bytes | None:
        before = sealed[: self.begin] if self.begin else self._before
        sealed = sealed[self.begin :]
        if before is None or len(sealed) < self._block or len(sealed) % self._block:
            return None
        text = self._decrypted(before, sealed)
        return text[: -1 - text[-1]] if text[-1] < len(text) else None

    def _decrypted(self, before: bytes, data: bytes) -> bytes:
        return Cipher(self._algorithm, modes.CBC(before)).decryptor().update(data)


Protection: TypeAlias = Aead | Cbc


def _block_cipher(suite: Suite, key: bytes) -> BlockCipherAlgorithm:
    if suite.cipher == "CAMELLIA":
        # moved to `old` in cryptography 47
        camellia: Callable[[bytes], BlockCipherAlgorithm]
        camellia = getattr(old, "Camellia", None) or algorithms.Camellia
        return camellia(key)
    return old.TripleDES(key) if suite.cipher == "3DES_EDE" else algorithms.AES(key)
