"""What the stage returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from lbtrace.model.http import ClientHello
from lbtrace.model.tls_alerts import TlsAlert
from lbtrace.model.tls_session import TlsSession
from lbtrace.tables.packets import StreamTable


@dataclass(frozen=True, slots=True)
class TlsConnection:
    """A TLS connection whose secrets are known. `alerts`: those of its handshake."""

    hello: ClientHello
    session: TlsSession
    alerts: tuple[TlsAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedTls:
    """`connections`: by number, those whose client random the secrets know, the outermost first
    where TLS lies in TLS.
    """

    streams: StreamTable
    connections: dict[int, list[TlsConnection]] = field(default_factory=dict)
