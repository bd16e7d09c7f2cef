"""What became of a TLS connection whose secrets were given: what it agreed on, and how much of it
was opened. Secrets themselves are never here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class NotOpened(StrEnum):
    """Why a TLS connection, or a part of it, was not opened."""

    NO_SECRETS = "no-secrets"  # the key logs have no line with its client random
    SECRETS_INCOMPLETE = "secrets-incomplete"  # a secret that its records need is missing
    NO_SERVER_HELLO = "no-server-hello"  # the ServerHello is not in the capture, or is cut
    UNKNOWN_SUITE = "unknown-suite"  # a version or cipher suite that lbtrace does not open
    COMPRESSED = "compressed"  # records are compressed (RFC 3749)
    WRONG_SECRETS = "wrong-secrets"  # no record opens with the secrets
    LOST = "lost"  # too much is missing from the capture to go on


class EarlyData(StrEnum):
    """What the server did with data that came before its answer (0-RTT, RFC 8446 §2.3)."""

    NONE = "none"
    ACCEPTED = "accepted"
    REFUSED = "refused"  # it was never processed: what it held is no exchange


class TlsSession(NamedTuple):
    """A TLS connection, as far as its secrets open it.

    `records` counts the protected records that were opened, `unauthenticated` those of them that
    were decrypted around bytes that are not in the capture, so that their tag proves nothing,
    `failed` those that could not be opened. `resumed` is None when the capture does not tell.
    `names` are those of the server's certificate. `not_opened` is None when both ends were opened.
    """

    version: str = ""  # "TLS 1.3"; "" as long as the server has not chosen
    suite: str = ""  # as IANA names it
    alpn: str | None = None
    resumed: bool | None = None
    early_data: EarlyData = EarlyData.NONE
    records: int = 0
    unauthenticated: int = 0
    failed: int = 0
    names: tuple[str, ...] = ()
    not_opened: NotOpened | None = None
