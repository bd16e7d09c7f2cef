"""A connection whose ClientHello is not in the capture → the client random, by trial.

A key log names connections by client random, and only the ClientHello states it. Where it is lost,
the keys of each random in the log are tried on the first record that the server encrypted: its tag
proves which one it is. How many are tried is bounded, per connection and in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lbtrace.model.http import ClientHello
from lbtrace.tls.ciphertext import Ciphertext, size_of
from lbtrace.tls.keylog import Secrets
from lbtrace.tls.protection import (
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEAD,
    Protection,
)
from lbtrace.tls.schedule import of_master, of_secret
from lbtrace.tls.suites import SUITES
from lbtrace.tls_messages import TLS_1_3, Choice, Offer, choice

_PER_CONNECTION: Final = 4096  # randoms that are tried
_IN_ALL: Final = 1 << 15
_RECORDS: Final = 64  # records of a handshake that are looked at
_TLS_1_0: Final = 0x0301
_OF_TLS_1_3: Final = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
_OF_TLS_1_2: Final = "CLIENT_RANDOM"


class Trials:
    """The randoms of the key logs, and how many more may be tried."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._randoms: dict[str, list[str]] = {}
        self._left = _IN_ALL

    def offer(self, answering: Ciphertext, begin: int) -> Offer | None:
        """What stands for the ClientHello that a server answered, whose hello is at `begin`. None
        when no secret fits.
        """
        chosen, record = _handshake(answering, begin)
        if chosen is None or record is None:
            return None
        label = _OF_TLS_1_3 if chosen.version >= TLS_1_3 else _OF_TLS_1_2
        for random in self._candidates(label):
            keys = self._keys(label, random, chosen)
            if keys is not None and keys.open(0, *record) is not None:
                frame, time_ns = answering.place(begin)
                session_id = chosen.session_id.hex()
                hello = ClientHello(random, session_id, None, (), (), frame, time_ns=time_ns)
                return Offer(hello, (), False)
        return None

    def _candidates(self, label: str) -> list[str]:
        if label not in self._randoms:
            self._randoms[label] = self._secrets.randoms(label)
        some = self._randoms[label][: min(_PER_CONNECTION, self._left)]
        self._left -= len(some)
        return some

    def _keys(self, label: str, random: str, chosen: Choice) -> Protection | None:
        """What the server would encrypt with."""
        secret, suite = self._secrets.get(label, random), SUITES[chosen.suite]
        if secret is None:
            return None
        if label == _OF_TLS_1_3:
            return of_secret(secret, suite)
        etm = chosen.encrypt_then_mac or (False if chosen.complete else None)
        randoms = bytes.fromhex(random), chosen.random
        return of_master(secret, randoms, suite, chosen.version, etm)[1]


def _handshake(
    answering: Ciphertext, begin: int
) -> tuple[Choice | None, tuple[bytes, bytes] | None]:
    """What a ServerHello chose, and the first record behind it that is encrypted."""
    chosen: Choice | None = None
    changed = False
    for head, body in _records(answering, begin):
        if chosen is None:
            found = choice(body) if head[0] == HANDSHAKE else None
            if found is not None and not found.retry:
                if found.suite not in SUITES or not _TLS_1_0 <= found.version <= TLS_1_3:
                    break
                chosen = found
        elif head[0] == CHANGE_CIPHER_SPEC:
            changed = True
        elif head[0] == APPLICATION_DATA or (changed and chosen.version < TLS_1_3):
            return chosen, (head, body)
    return chosen, None


def _records(data: Ciphertext, at: int) -> Iterator[tuple[bytes, bytes]]:
    """The first whole records from an offset on, as head and body."""
    for _ in range(_RECORDS):
        head = data.get(at, HEAD)
        size = size_of(head)
        body = data.get(at + HEAD, size) if size >= 0 else b""
        if size < 0 or len(body) < size:
            return
        yield head, body
        at += HEAD + size
