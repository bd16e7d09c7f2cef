"""TLS connections whose secrets did not open them → why not, counted.

Invariant: each connection counts once. A cipher suite that lbtrace does not open has its name, or
its number (IANA, TLS Cipher Suites).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lbtrace.model.tls_session import NotOpened, TlsSession

MOST = 5
REASONS = {
    NotOpened.NO_SECRETS: "no secrets for their client random",
    NotOpened.SECRETS_INCOMPLETE: "a secret is missing",
    NotOpened.NO_SERVER_HELLO: "the ServerHello is not in the capture",
    NotOpened.UNKNOWN_SUITE: "a version or cipher suite that lbtrace does not open",
    NotOpened.COMPRESSED: "compressed records",
    NotOpened.WRONG_SECRETS: "the secrets do not fit",
    NotOpened.LOST: "too much is missing from the capture",
}


def reasons(sessions: Iterable[TlsSession]) -> str | None:
    """Why sessions were not opened, the most frequent first: "the secrets do not fit: 2"; None when
    all were.
    """
    counts = Counter(_reason(s, s.not_opened) for s in sessions if s.not_opened is not None)
    return most_frequent(counts) if counts else None


def no_secrets_help(sessions: Iterable[TlsSession]) -> bool:
    """True when lbtrace can open none of the sessions, whatever secrets it is given."""
    return all(s.not_opened in (NotOpened.UNKNOWN_SUITE, NotOpened.COMPRESSED) for s in sessions)


def most_frequent(counts: Counter[str]) -> str:
    """Names and how often each was met."""
    return "; ".join(f"{name}: {count}" for name, count in counts.most_common(MOST))


def _reason(session: TlsSession, why: NotOpened) -> str:
    if why is NotOpened.UNKNOWN_SUITE:
        return f"{REASONS[why]} ({session.version}, {session.suite})"
    return REASONS[why]
