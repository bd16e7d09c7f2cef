"""What both ends of a connection agreed on → the keys of each direction, epoch by epoch.

An epoch is what one set of keys protects. In TLS 1.3 (RFC 8446 §7.1) epoch 0 is early data, 1 the
handshake, 2 the application data, and each KeyUpdate begins another. In TLS 1.2 and before, each
handshake on the connection begins one (RFC 5246 §7.4.1.1), and what comes before the first is in
the clear.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lbtrace.model.tls_session import NotOpened
from lbtrace.tls.keylog import Secrets
from lbtrace.tls.protection import Protection
from lbtrace.tls.schedule import of_master, of_secret, updated
from lbtrace.tls.suites import SUITES, Suite
from lbtrace.tls_messages import TLS_1_3, Choice, Offer

EARLY, HANDSHAKE_EPOCH, APPLICATION = 0, 1, 2
_TLS_1_0: Final = 0x0301
_OF_TLS_1_3: Final = 0x13  # the first byte of its cipher suites
_SIZES: Final = {"sha256": 32, "sha384": 48}  # bytes of a secret, by hash
_LABELS: Final = {
    (False, EARLY): "CLIENT_EARLY_TRAFFIC_SECRET",
    (False, HANDSHAKE_EPOCH): "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    (True, HANDSHAKE_EPOCH): "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    (False, APPLICATION): "CLIENT_TRAFFIC_SECRET_0",
    (True, APPLICATION): "SERVER_TRAFFIC_SECRET_0",
}


class Keys:
    """The hellos of a connection, as they are read, and what follows from them."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.offers: list[Offer] = []
        self.choices: list[Choice] = []
        self.retried = False
        self._traffic: dict[tuple[bool, int], bytes | None] = {}
        self._made: dict[tuple[bool, int], Protection | None] = {}
        self._pairs: dict[int, tuple[Protection, Protection] | None] = {}

    @property
    def random(self) -> str:
        """The client random that the key log names: that of the first hello (RFC 9850)."""
        return self.offers[0].hello.random if self.offers else ""

    @property
    def tls13(self) -> bool:
        """Whether TLS 1.3 was chosen."""
        return bool(self.choices) and self.choices[0].version >= TLS_1_3

    @property
    def suite(self) -> Suite | None:
        """The cipher suite, when it can be opened."""
        return SUITES.get(self.choices[-1].suite) if self.choices else None

    @property
    def refused(self) -> NotOpened | None:
        """Why nothing of what was agreed on can be opened."""
        if not self.choices:
            return NotOpened.NO_SERVER_HELLO
        chosen = self.choices[-1]
        if self.suite is None or not _TLS_1_0 <= chosen.version <= TLS_1_3:
            return NotOpened.UNKNOWN_SUITE
        return NotOpened.COMPRESSED if chosen.compression else None

    def assumptions(self) -> Iterator[Choice]:
        """What a ServerHello of TLS 1.3 that is not in the capture may have chosen: the suites that
        were offered, where that is known, of the hash that its secrets are of.
        """
        secret = self._secrets.get(_LABELS[True, APPLICATION], self.random)
        offered = self.offers[0].suites if self.offers else ()
        for number, suite in SUITES.items():
            if number >> 8 != _OF_TLS_1_3 or secret is None or (offered and number not in offered):
                continue
            if len(secret) == _SIZES[suite.hash]:
                yield Choice(b"", b"", number, TLS_1_3, 0, None, False, False, False, False)

    def assume(self, chosen: Choice | None) -> None:
        """Go on as if this had been chosen; None: no more."""
        self.choices = [] if chosen is None else [chosen]
        self._made.clear()
        self._traffic.clear()

    def of(self, server: bool, epoch: int) -> Protection | None:
        """The keys of a direction in an epoch; None when they are not known, or not yet."""
        if (server, epoch) not in self._made:
            if self.refused is not None or not self.agreed(epoch):
                return None
            self._made[server, epoch] = self._make(server, epoch)
        return self._made[server, epoch]

    def agreed(self, epoch: int) -> bool:
        """Whether both hellos that an epoch rests on are known."""
        return self.tls13 or epoch <= min(len(self.offers), len(self.choices))

    def _make(self, server: bool, epoch: int) -> Protection | None:
        if not self.tls13:
            pair = self._of_handshake(epoch)
            return pair and pair[server]
        secret = self._secret(server, epoch)
        suite = self.suite
        return None if secret is None or suite is None else of_secret(secret, suite)

    def _secret(self, server: bool, epoch: int) -> bytes | None:
        """The traffic secret of TLS 1.3."""
        if (server, epoch) not in self._traffic:
            if epoch <= APPLICATION:
                label = _LABELS.get((server, epoch))
                found = None if label is None else self._secrets.get(label, self.random)
            else:
                before, suite = self._secret(server, epoch - 1), self.suite
                found = None if before is None or suite is None else updated(before, suite)
            self._traffic[server, epoch] = found
        return self._traffic[server, epoch]

    def _of_handshake(self, number: int) -> tuple[Protection, Protection] | None:
        """The keys that handshake `number` of a connection agreed on, from 1."""
        if number < 1:
            return None
        if number not in self._pairs:
            random = self.offers[number - 1].hello.random
            chosen = self.choices[number - 1]
            master = self._secrets.get("CLIENT_RANDOM", random)
            self._pairs[number] = None
            if master is not None:
                self._pairs[number] = of_master(
                    master,
                    (bytes.fromhex(random), chosen.random),
                    SUITES[chosen.suite],
                    chosen.version,
                    chosen.encrypt_then_mac or (False if chosen.complete else None),
                )
        return self._pairs[number]
