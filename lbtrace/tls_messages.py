"""Bytes of TLS handshake messages → what the hellos say (RFC 8446 §4.1 and §4.2, RFC 5246 §7.4.1,
RFC 6066 §3, RFC 7301, RFC 7366; GREASE of RFC 8701 is kept as it is).

Of a message that is cut, the fields that are there are read; a field that is cut off is left out,
never guessed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lbtrace.model.http import ClientHello

HEAD: Final = 4  # bytes of type and length in front of each message
CLIENT_HELLO, SERVER_HELLO, END_OF_EARLY_DATA, ENCRYPTED_EXTENSIONS = 1, 2, 5, 8
CERTIFICATE, SERVER_HELLO_DONE, FINISHED, KEY_UPDATE = 11, 14, 20, 24
TLS_1_3: Final = 0x0304
_LEAST: Final = 38  # bytes, up to the random and the length of the session id
_RANDOM: Final = 32
_SERVER_NAME, _ALPN, _ENCRYPT_THEN_MAC, _PSK, _EARLY_DATA, _VERSIONS = 0, 16, 22, 41, 42, 43
_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Fields:
    """Bytes read from the front. Reading behind the end gives fewer bytes, and `short` says so."""

    __slots__ = ("at", "data", "short")

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.short = data, 0, False

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        self.at += size
        self.short |= len(part) < size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> Fields:
        """The bytes whose length stands in front of them, in `size` bytes."""
        return Fields(self.take(self.number(size)))

    def whole(self) -> bool:
        """Nothing that was read is cut off."""
        return not self.short

    def left(self) -> bool:
        """There are more bytes."""
        return self.at < len(self.data)


class Offer(NamedTuple):
    """A ClientHello with what only the opening of its connection asks for."""

    hello: ClientHello
    suites: tuple[int, ...]
    early_data: bool


class Choice(NamedTuple):
    """A ServerHello, or a HelloRetryRequest (`retry`). `psk`: it resumes a session by TLS 1.3's
    means. `complete`: its extensions are all there.
    """

    random: bytes
    session_id: bytes
    suite: int
    version: int
    compression: int
    alpn: str | None
    encrypt_then_mac: bool
    psk: bool
    retry: bool
    complete: bool


def offer(message: bytes, frame: int, time_ns: int = 0) -> Offer | None:
    """A ClientHello with its head; `frame`, `time_ns`: where and when it begins. None when it is
    none.
    """
    if len(message) < _LEAST or message[0] != CLIENT_HELLO:
        return None
    body = Fields(message[HEAD:])
    version = body.number(2)
    random = body.take(_RANDOM).hex()
    session = body.block(1)
    suites = body.block(2).data
    body.block(1)  # compression methods
    extensions = _extensions(body.block(2))
    hello = ClientHello(
        random,
        session.data.hex(),
        _server_name(extensions.get(_SERVER_NAME)),
        _protocols(extensions.get(_ALPN)),
        _versions(extensions.get(_VERSIONS)) or (version,),
        frame,
        time_ns=time_ns,
    )
    offered = tuple(int.from_bytes(suites[i : i + 2], "big") for i in range(0, len(suites) - 1, 2))
    return Offer(hello, offered, _EARLY_DATA in extensions)


def choice(message: bytes) -> Choice | None:
    """A ServerHello with its head; None when it is none, or cut before the cipher suite."""
    if len(message) < _LEAST or message[0] != SERVER_HELLO:
        return None
    body = Fields(message[HEAD:])
    version = body.number(2)
    random = body.take(_RANDOM)
    session = body.block(1)
    suite = body.number(2)
    if not body.whole():
        return None
    compression = body.number(1)
    extensions = _extensions(body.block(2)) if body.left() else {}
    if _VERSIONS in extensions:
        version = extensions[_VERSIONS].number(2)
    elif suite >> 8 == 0x13:  # only TLS 1.3 has suites of these numbers
        version = TLS_1_3
    return Choice(
        random,
        session.data,
        suite,
        version,
        compression,
        next(iter(_protocols(extensions.get(_ALPN))), None),
        _ENCRYPT_THEN_MAC in extensions,
        _PSK in extensions,
        random == _RETRY,
        body.whole() and int.from_bytes(message[1:HEAD], "big") <= len(message) - HEAD,
    )


def encrypted_extensions(message: bytes) -> tuple[str | None, bool]:
    """The protocol that EncryptedExtensions choose, and whether early data was accepted."""
    extensions = _extensions(Fields(message[HEAD:]).block(2))
    return next(iter(_protocols(extensions.get(_ALPN))), None), _EARLY_DATA in extensions


def certificates(message: bytes, version: int) -> bytes:
    """The first certificate (DER) of a Certificate message; empty when it is cut or has none."""
    body = Fields(message[HEAD:])
    if version >= TLS_1_3:
        body.block(1)  # request context
    first = body.block(3).block(3)
    return first.data if first.whole() else b""


def _extensions(block: Fields) -> dict[int, Fields]:
    """The extensions that are whole, by type (RFC 8446 §4.2)."""
    found: dict[int, Fields] = {}
    while block.left():
        kind, extension = block.number(2), block.block(2)
        if not block.whole():
            break
        found[kind] = extension
    return found


def _server_name(extension: Fields | None) -> str | None:
    """RFC 6066 §3: the first name, when it is a host name (type 0)."""
    if extension is None:
        return None
    names = extension.block(2)
    host = names.number(1) == 0
    return names.block(2).data.decode("latin-1") or None if host else None


def _protocols(extension: Fields | None) -> tuple[str, ...]:
    """RFC 7301 §3.1: the names of protocols, in the client's order."""
    if extension is None:
        return ()
    names, found = extension.block(2), list[str]()
    while names.left():
        found.append(names.block(1).data.decode("latin-1"))
    return tuple(found)


def _versions(extension: Fields | None) -> tuple[int, ...]:
    """RFC 8446 §4.2.1: the versions that the client offers."""
    if extension is None:
        return ()
    listed, found = extension.block(1), list[int]()
    while listed.left():
        found.append(listed.number(2))
    return tuple(found)
