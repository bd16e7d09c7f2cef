"""Streams and secrets → the streams, in which TLS connections whose secrets are known hold what was
sent inside (RFC 8446, RFC 5246, RFC 4346, RFC 9850).

    StreamTable ─▶ opened ─▶ StreamTable

Invariant: a byte of text has the frame and the time of the segment that carried it, and bytes that
the capture does not have stay missing: a lost segment costs its own bytes and nothing else. A
connection that is not opened is as it was. `cryptography` is imported when there are secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbtrace.model.http import Application
from lbtrace.model.tls_session import NotOpened, TlsSession
from lbtrace.model.trace import Diagnostic
from lbtrace.tables.packets import StreamTable
from lbtrace.tls.keylog import KeyLogs, Secrets, read
from lbtrace.tls.result import OpenedTls, TlsConnection

__all__ = [
    "KeyLogs",
    "OpenedTls",
    "Secrets",
    "TlsConnection",
    "opened",
    "opens_more",
    "read",
    "told",
    "unused",
]


def opened(
    streams: StreamTable, secrets: Secrets, progress: Callable[[str, float], None]
) -> OpenedTls:
    """The streams, opened as far as the secrets go."""
    if not secrets:
        return OpenedTls(streams)
    from lbtrace.tls.connections import open_all

    return open_all(streams, secrets, lambda part: progress("opening TLS", part))


def told(
    applications: Sequence[Application], found: OpenedTls, secrets: Secrets
) -> list[Application]:
    """The applications, with what became of their TLS. Without secrets, they are as they were."""
    told_ = list(applications)
    if not secrets:
        return told_
    for number, application in enumerate(applications):
        hello = application.tls
        layers = found.connections.get(number, [])
        inside = next((t for t in layers if hello is None or t.hello.random == hello.random), None)
        if inside is not None:
            tls = (hello or inside.hello)._replace(session=inside.session)
            alerts = application.alerts or inside.alerts
            told_[number] = application._replace(tls=tls, alerts=alerts)
        elif hello is not None:
            session = TlsSession(not_opened=NotOpened.NO_SECRETS)
            told_[number] = application._replace(tls=hello._replace(session=session))
    return told_


def opens_more(applications: Sequence[Application], secrets: Secrets) -> bool:
    """Whether secrets that were found since would open TLS connections that were not opened."""
    hellos = (a.tls for a in applications if a.tls is not None)
    return bool(secrets) and any(
        secrets.knows(hello.random)
        for hello in hellos
        if hello.session is None or hello.session.not_opened is NotOpened.NO_SECRETS
    )


def unused(applications: Sequence[Application], secrets: Secrets) -> tuple[Diagnostic, ...]:
    """That the secrets are those of no connection here, where they opened none, if there are TLS
    connections.
    """
    hellos = [a.tls for a in applications if a.tls is not None]
    if not secrets or not hellos:
        return ()
    text = (
        "the key logs have secrets for none of the TLS connections; the client random of the first "
        f"is {hellos[0].random}."
    )
    return (Diagnostic("keylog-unused", text, len(hellos), hellos[0].frame),)
