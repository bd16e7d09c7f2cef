"""A conversation in plain text → the same in TLS: what both ends send, record by record, and the
key log. Written against the RFCs, with `cryptography`; of `lbtrace.tls` only the names of the
cipher suites are used.

The handshake has the messages that its reader looks at, with contents that nobody checks.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from cryptography.hazmat.decrepit.ciphers import algorithms as old
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from lbtrace.tls.suites import SUITES, Mode, Suite

CLIENT, SERVER = 0, 1
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
VERSIONS = {"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def made_up(*what: object, size: int = 32) -> bytes:
    """Bytes that look random and are always the same."""
    out = b""
    while len(out) < size:
        out += sha256(repr((what, len(out))).encode()).digest()
    return out[:size]


def expand_label(secret: bytes, label: str, size: int, hash_: str) -> bytes:
    """RFC 8446 §7.1, and HKDF-Expand of RFC 5869 §2.3."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    out = block = b""
    for counter in range(1, 4):
        block = hmac.digest(secret, block + info + bytes([counter]), hash_)
        out += block
    return out[:size]


def prf(version: int, secret: bytes, label: bytes, seed: bytes, size: int, hash_: str) -> bytes:
    """RFC 5246 §5, RFC 4346 §5."""

    def p(secret: bytes, hash_: str) -> bytes:
        out, a = b"", label + seed
        while len(out) < size:
            a = hmac.digest(secret, a, hash_)
            out += hmac.digest(secret, a + label + seed, hash_)
        return out[:size]

    if version >= 0x0303:
        return p(secret, hash_)
    half = (len(secret) + 1) // 2
    both = zip(p(secret[:half], "md5"), p(secret[-half:], "sha1"), strict=True)
    return bytes(a ^ b for a, b in both)


def message(kind: int, body: bytes) -> bytes:
    """A handshake message."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def _sized(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


@dataclass
class Sealer:
    """One direction under one key."""

    suite: Suite
    version: int
    key: bytes
    iv: bytes = b""
    mac_key: bytes = b""
    etm: bool = False
    number: int = 0

    def seal(self, kind: int, text: bytes, padding: int = 0) -> bytes:
        """One record. `padding`: zeros behind the text (TLS 1.3), or blocks of padding (CBC)."""
        sealed = (
            self._tls13(kind, text, padding)
            if self.version == 0x0304
            else self._cbc(kind, text, padding)
            if self.suite.mode is Mode.CBC
            else self._aead(kind, text)
        )
        self.number += 1
        return sealed

    def _nonce(self) -> bytes:
        return (int.from_bytes(self.iv, "big") ^ self.number).to_bytes(12, "big")

    def _cipher(self) -> AESGCM | AESCCM | ChaCha20Poly1305:
        if self.suite.mode is Mode.GCM:
            return AESGCM(self.key)
        if self.suite.mode is Mode.CCM:
            return AESCCM(self.key, self.suite.tag)
        return ChaCha20Poly1305(self.key)

    def _tls13(self, kind: int, text: bytes, padding: int) -> bytes:
        inner = text + bytes([kind]) + bytes(padding)
        head = b"\x17\x03\x03" + (len(inner) + self.suite.tag).to_bytes(2, "big")
        return head + self._cipher().encrypt(self._nonce(), inner, head)

    def _aead(self, kind: int, text: bytes) -> bytes:
        head = bytes([kind, 3, 3])
        proved = self.number.to_bytes(8, "big") + head + len(text).to_bytes(2, "big")
        if self.suite.mode is Mode.CHACHA20:
            explicit, nonce = b"", self._nonce()
        else:
            explicit = made_up("explicit", self.number, size=8)
            nonce = self.iv + explicit
        return head + _sized(explicit + self._cipher().encrypt(nonce, text, proved), 2)

    def _cbc(self, kind: int, text: bytes, padding: int) -> bytes:
        head = bytes([kind]) + self.version.to_bytes(2, "big")
        algorithm = {"AES": algorithms.AES, "3DES_EDE": old.TripleDES}.get(self.suite.cipher)
        if algorithm is None:
            algorithm = getattr(old, "Camellia", None) or algorithms.Camellia
        block = 8 if self.suite.cipher == "3DES_EDE" else 16
        iv = self.iv or made_up("iv", self.number, size=block)
        inner = text if self.etm else text + self._mac(head, text)
        fill = block - 1 - len(inner) % block + min(padding * block, 255 // block * block - block)
        inner += bytes([fill]) * (fill + 1)
        cipher = Cipher(algorithm(self.key), modes.CBC(iv)).encryptor()
        sealed = cipher.update(inner) + cipher.finalize()
        if self.iv:
            self.iv = sealed[-block:]
        else:
            sealed = iv + sealed
        return head + _sized(sealed + (self._mac(head, sealed) if self.etm else b""), 2)

    def _mac(self, head: bytes, data: bytes) -> bytes:
        proved = self.number.to_bytes(8, "big") + head + _sized(data, 2)
        return hmac.digest(self.mac_key, proved, self.suite.mac)


@dataclass
class Tls:
    """Both ends of a connection. `sent` is (who, record) in order; `log` the lines of a key log."""

    suite: int
    version: str = "1.3"
    name: str = "one"
    etm: bool = False
    alpn: str | None = None
    early: bool = False
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    handshakes: int = 0
    sealers: list[Sealer | None] = field(default_factory=lambda: [None, None])
    secrets: list[bytes] = field(default_factory=lambda: [b"", b""])

    @property
    def of(self) -> Suite:
        return SUITES[self.suite]

    @property
    def number(self) -> int:
        return VERSIONS[self.version]

    # records

    def clear(self, who: int, kind: int, data: bytes, version: int = 0x0303) -> None:
        """A record in the clear."""
        self.sent.append((who, bytes([kind]) + version.to_bytes(2, "big") + _sized(data, 2)))

    def record(self, who: int, kind: int, data: bytes, padding: int = 0) -> None:
        """A record, encrypted as soon as there are keys."""
        sealer = self.sealers[who]
        if sealer is None:
            self.clear(who, kind, data)
        else:
            self.sent.append((who, sealer.seal(kind, data, padding)))

    def say(self, who: int, data: bytes, *cuts: int, padding: int = 0) -> Tls:
        """Application data, cut into records at these offsets."""
        ends = sorted({0, *(c for c in cuts if 0 < c < len(data)), len(data)})
        for begin, end in pairwise(ends):
            for at in range(begin, end, 1 << 14):
                self.record(who, DATA, data[at : min(at + (1 << 14), end)], padding)
        return self

    def close(self) -> Tls:
        """close_notify of both."""
        for who in (CLIENT, SERVER):
            self.record(who, ALERT, b"\1\0")
        return self

    # TLS 1.3

    def _secret(self, label: str) -> bytes:
        size = 48 if self.of.hash == "sha384" else 32
        secret = made_up(self.name, label, size=size)
        self.log.append(f"{label} {self.random().hex()} {secret.hex()}")
        return secret

    def _use(self, who: int, secret: bytes) -> None:
        self.secrets[who] = secret
        key = expand_label(secret, "key", self.of.key, self.of.hash)
        iv = expand_label(secret, "iv", 12, self.of.hash)
        self.sealers[who] = Sealer(self.of, self.number, key, iv)

    def key_update(self, who: int) -> Tls:
        self.record(who, HANDSHAKE, message(24, b"\0"))
        secret = self.secrets[who]
        self._use(who, expand_label(secret, "traffic upd", len(secret), self.of.hash))
        return self

    def _handshake13(
        self, retry: bool, early: Sequence[bytes], accepted: bool, tickets: int
    ) -> None:
        if early:
            self.early = True
        self.clear(CLIENT, HANDSHAKE, self.client_hello(), 0x0301)
        if early:
            self.clear(CLIENT, CHANGE_CIPHER_SPEC, b"\1")
            self._use(CLIENT, self._secret("CLIENT_EARLY_TRAFFIC_SECRET"))
            for data in early:
                self.record(CLIENT, DATA, data)
        if retry:
            self.clear(SERVER, HANDSHAKE, self.server_hello(RETRY))
            self.clear(CLIENT, HANDSHAKE, self.client_hello())
        self.clear(SERVER, HANDSHAKE, self.server_hello(made_up(self.name, "server")))
        self.clear(SERVER, CHANGE_CIPHER_SPEC, b"\1")
        self._use(SERVER, self._secret("SERVER_HANDSHAKE_TRAFFIC_SECRET"))
        chosen = extension(16, _sized(_sized(self.alpn.encode(), 1), 2)) if self.alpn else b""
        if early and accepted:
            chosen += extension(42, b"")
        flight = message(8, _sized(chosen, 2)) + message(11, b"\0" + _sized(made_up(size=900), 3))
        self.record(SERVER, HANDSHAKE, flight)
        self.record(SERVER, HANDSHAKE, message(15, bytes(260)) + message(20, bytes(32)))
        self._use(SERVER, self._secret("SERVER_TRAFFIC_SECRET_0"))
        if early and accepted:
            self.record(CLIENT, HANDSHAKE, message(5, b""))
        if not early:
            self.clear(CLIENT, CHANGE_CIPHER_SPEC, b"\1")
        self._use(CLIENT, self._secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
        self.record(CLIENT, HANDSHAKE, message(20, bytes(32)))
        self._use(CLIENT, self._secret("CLIENT_TRAFFIC_SECRET_0"))
        for k in range(tickets):
            self.record(SERVER, HANDSHAKE, message(4, made_up("ticket", k, size=200)))

    # TLS 1.2 and before

    def _handshake12(self, resumed: bool) -> None:
        self.record(CLIENT, HANDSHAKE, self.client_hello())
        server_random = made_up(self.name, "server", self.handshakes)
        self.record(SERVER, HANDSHAKE, self.server_hello(server_random))
        master = made_up(self.name, "master", self.handshakes, size=48)
        self.log.append(f"CLIENT_RANDOM {self.random().hex()} {master.hex()}")
        ends = self._keys(master, server_random)
        if not resumed:
            self.record(SERVER, HANDSHAKE, message(11, _sized(_sized(made_up(size=900), 3), 3)))
            self.record(SERVER, HANDSHAKE, message(12, bytes(100)) + message(14, b""))
            self.record(CLIENT, HANDSHAKE, message(16, bytes(66)))
        for who in (SERVER, CLIENT) if resumed else (CLIENT, SERVER):
            self.record(who, CHANGE_CIPHER_SPEC, b"\1")
            self.sealers[who] = ends[who]
            self.record(who, HANDSHAKE, message(20, bytes(12)))

    def _keys(self, master: bytes, server_random: bytes) -> list[Sealer]:
        suite = self.of
        cbc = suite.mode is Mode.CBC
        mac = hmac.new(b"", digestmod=suite.mac).digest_size if cbc else 0
        block = 8 if suite.cipher == "3DES_EDE" else 16
        fixed = (block if self.version == "1.0" else 0) if cbc else 4
        if suite.mode is Mode.CHACHA20:
            fixed = 12
        seed = server_random + self.random()
        size = 2 * (mac + suite.key + fixed)
        material = prf(self.number, master, b"key expansion", seed, size, suite.hash)
        parts, at = [], 0
        for n in (mac, mac, suite.key, suite.key, fixed, fixed):
            parts.append(material[at : at + n])
            at += n
        return [
            Sealer(suite, self.number, parts[2 + k], parts[4 + k], parts[k], self.etm)
            for k in (0, 1)
        ]

    # hellos

    def random(self) -> bytes:
        return made_up(self.name, "client", self.handshakes if self.version != "1.3" else 0)

    def client_hello(self) -> bytes:
        names = extension(0, _sized(b"\0" + _sized(b"lb.test", 2), 2))
        extensions = names + (extension(42, b"") if self.early else b"")
        if self.version == "1.3":
            extensions += extension(43, b"\2\3\4")
        body = b"\3\3" + self.random() + _sized(made_up("id"), 1)
        body += _sized(self.suite.to_bytes(2, "big"), 2) + b"\1\0" + _sized(extensions, 2)
        return message(1, body)

    def server_hello(self, random: bytes) -> bytes:
        extensions = extension(43, b"\3\4") if self.version == "1.3" else b""
        if self.etm:
            extensions += extension(22, b"")
        if self.alpn and self.version != "1.3":
            extensions += extension(16, _sized(_sized(self.alpn.encode(), 1), 2))
        version = min(self.number, 0x0303).to_bytes(2, "big")
        body = version + random + _sized(made_up("id"), 1) + self.suite.to_bytes(2, "big") + b"\0"
        return message(2, body + _sized(extensions, 2))

    def handshake(
        self,
        retry: bool = False,
        early: Sequence[bytes] = (),
        accepted: bool = True,
        resumed: bool = False,
        tickets: int = 2,
    ) -> Tls:
        """A handshake: the first, or a renegotiation."""
        if self.version == "1.3":
            self._handshake13(retry, early, accepted, tickets)
        else:
            self._handshake12(resumed)
        self.handshakes += 1
        return self

    def keylog(self) -> bytes:
        return "".join(f"{line}\n" for line in self.log).encode()
