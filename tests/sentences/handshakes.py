"""Connections with TLS and the key logs beside their capture → what each agreed on, and whether the
logs have the secrets that its records need (RFC 8446 §4.1, RFC 5246 §7.4, RFC 9850). Nothing of
lbtrace is used here, and nothing is decrypted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.sentences.packets import Talk
from tests.sentences.streams import sent

Keys = Mapping[bytes, set[bytes]]  # client random → the labels of its lines
HELLO = re.compile(rb"\x16\x03[\0-\x04]..[\x01\x02]", re.DOTALL)
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
SUITES = {  # of the registry of IANA
    0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
}
OF_13 = {b"CLIENT_TRAFFIC_SECRET_0", b"SERVER_TRAFFIC_SECRET_0"}
OF_12 = {b"CLIENT_RANDOM"}
_LINE = re.compile(rb"([A-Z0-9_]+) ([0-9a-f]{64}) [0-9a-f]+", re.IGNORECASE)


class Handshake(NamedTuple):
    """What the hellos say. `agreed`: as a report writes it; "" without a ServerHello."""

    random: bytes
    agreed: str
    needs: set[bytes]

    def is_known(self, keys: Keys) -> bool:
        """Whether the logs have what its records need."""
        return bool(self.agreed) and self.needs <= keys.get(self.random, set())


def keys_beside(paths: Iterable[Path]) -> Keys:
    """The key logs in the folders of these captures."""
    found: dict[bytes, set[bytes]] = defaultdict(set)
    for log in {log for path in paths for log in path.parent.glob("*.keys")}:
        for label, random in _LINE.findall(log.read_bytes()):
            found[bytes.fromhex(random.decode())].add(label)
    return found


def handshake(talk: Talk) -> Handshake | None:
    """The handshake of a connection whose ClientHello is there, wherever in its bytes it begins."""
    asked, answered = (sent(talk, end)[0] for end in (talk.client, talk.server))
    begins = HELLO.search(asked)
    if begins is None or len(asked) < begins.start() + 43:
        return None
    random = asked[begins.start() + 11 : begins.start() + 43]
    for hello in HELLO.finditer(answered):
        at = hello.start() + 9  # behind the heads of record and message
        own, rest = answered[at + 2 : at + 34], answered[at + 34 :]
        if own == RETRY or len(rest) < 3:
            continue
        suite = int.from_bytes(rest[1 + rest[0] :][:2], "big")
        body = answered[at : at + int.from_bytes(answered[at - 3 : at], "big")]
        is_13 = b"\0\x2b\0\2\3\4" in body  # supported_versions: 0x0304
        version = "TLS 1.3" if is_13 else f"TLS 1.{body[1] - 1}"
        name = SUITES.get(suite, f"{suite:#06x}")
        return Handshake(random, f"{version}, {name}", OF_13 if is_13 else OF_12)
    return Handshake(random, "", set())
