"""Secrets → the keys of each direction (RFC 8446 §7.1 to §7.3; RFC 5246 §5 and §6.3, RFC 4346 §5).

The secrets of TLS 1.3 are those of one direction in one epoch; the master secret of TLS 1.2 and
before gives the keys of both.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from lbtrace.tls.protection import Aead, Cbc, Protection
from lbtrace.tls.suites import Mode, Suite

TLS_1_2: Final = 0x0303
_NONCE: Final = 12  # bytes
_SALT: Final = 4  # bytes of the nonce that the key block gives to GCM and CCM
_HASHES: Final = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}


def expand_label(secret: bytes, label: bytes, size: int, name: str) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1). `name`: of the hash."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    return HKDFExpand(_HASHES[name](), size, info).derive(secret)


def of_secret(secret: bytes, suite: Suite) -> Protection:
    """TLS 1.3: what one direction uses under a traffic secret (§7.3)."""
    key = expand_label(secret, b"key", suite.key, suite.hash)
    return Aead(suite, key, expand_label(secret, b"iv", _NONCE, suite.hash), True)


def updated(secret: bytes, suite: Suite) -> bytes:
    """TLS 1.3: the traffic secret behind a KeyUpdate (§7.2)."""
    return expand_label(secret, b"traffic upd", len(secret), suite.hash)


def of_master(
    master: bytes,
    randoms: tuple[bytes, bytes],
    suite: Suite,
    version: int,
    encrypt_then_mac: bool | None,
) -> tuple[Protection, Protection]:
    """TLS 1.2 and before: what client and server use. `randoms`: of the client, of the server."""
    mac = hmac.new(b"", digestmod=suite.mac).digest_size if suite.mac else 0
    fixed = _fixed(suite, version)
    block = prf(
        master,
        b"key expansion",
        randoms[1] + randoms[0],
        2 * (mac + suite.key + fixed),
        suite.hash if version >= TLS_1_2 else "",
    )
    sizes = (mac, mac, suite.key, suite.key, fixed, fixed)
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    parts = [block[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    if suite.mode is Mode.CBC:
        client, server = (
            Cbc(suite, parts[2 + k], parts[k], parts[4 + k], encrypt_then_mac) for k in (0, 1)
        )
        return client, server
    return Aead(suite, parts[2], parts[4], False), Aead(suite, parts[3], parts[5], False)


def _fixed(suite: Suite, version: int) -> int:
    """How many bytes of a nonce or initialization vector the key block gives."""
    if suite.mode is Mode.CBC:
        return Cbc.block_size(suite) if version < 0x0302 else 0
    return _NONCE if suite.mode is Mode.CHACHA20 else _SALT


def prf(secret: bytes, label: bytes, seed: bytes, size: int, name: str) -> bytes:
    """The pseudorandom function of TLS 1.2 with this hash (RFC 5246 §5); with none, that of the
    versions before (RFC 4346 §5).
    """
    if name:
        return _p_hash(secret, label + seed, size, name)
    half = (len(secret) + 1) // 2
    one = _p_hash(secret[:half], label + seed, size, "md5")
    other = _p_hash(secret[-half:], label + seed, size, "sha1")
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _p_hash(secret: bytes, seed: bytes, size: int, name: str) -> bytes:
    out, a = b"", seed
    while len(out) < size:
        a = hmac.digest(secret, a, name)
        out += hmac.digest(secret, a + seed, name)
    return out[:size]
