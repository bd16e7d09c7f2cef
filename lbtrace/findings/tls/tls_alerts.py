"""TLS alerts.

Meaning:
    TLS handshakes that one end gave up with a fatal alert: the server does not know the name that
    the client asked for (SNI), or the client named none; an end does not trust the certificate of
    the other; no version, cipher suite or protocol is common. Behind a balancer each of them ends
    in a 502 or 503.
Decided by:
    Alert records in the clear (RFC 8446 §6), with the ClientHello before them. Warnings and
    close_notify are no errors. In TLS 1.3 an alert after the ServerHello is encrypted: it looks
    like data, and is not counted.
Evidence:
    The ClientHellos and the alerts.
Remedy:
    Without a server name, or with a wrong one: `proxy_ssl_server_name on` and `proxy_ssl_name`
    (nginx), `sni` on the server line and `check-sni` for its checks (HAProxy), `auto_sni` or `sni`
    (Envoy), `tls_server_name` (Caddy). For a certificate: let the end that sent the alert trust the
    other's authority, or renew the certificate.
Variants:
    by-server, by-server-client, by-server-backend: the server ended the handshake.
    by-client, by-client-client, by-client-backend: the client ended the handshake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._first_words import (
    Opening,
    first_words,
    handshakes,
    listed,
    openings,
    shown,
)
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.model.tls_alerts import TlsAlert

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TLS,)
ONE_CAPTURE = True
NO_NAME = "none"
SNI = (
    "Let the client name the server (SNI): proxy_ssl_server_name on (nginx), sni on the server "
    "line and check-sni for checks (HAProxy), auto_sni (Envoy)."
)
UNTRUSTED = (
    "The end that sent the alert does not accept the other's certificate: look at its authority, "
    "its names and its dates."
)
REMEDY = {
    **dict.fromkeys((42, 43, 44, 45, 46, 48), UNTRUSTED),
    40: "No common cipher suite or group, or the server wants a server name or a certificate: look "
    "at its log.",
    70: "The two ends have no TLS version in common: look at the versions that each allows.",
    112: "The server does not know the name that it was asked for: send the one it is configured "
    "for.",
    116: "The server asks for a client certificate: give the client one.",
    120: "The two ends have no application protocol (ALPN) in common: look at what each offers.",
}
# handshake_failure, internal_error, unrecognized_name: what servers say that miss a server name
ABOUT_NAMES = (40, 80, 112)
OTHER = "Look at the log of the end that sent the alert."


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side, server, sender and alert."""
    for side in comparison.captured:
        table = comparison.table(side)
        groups: dict[tuple[int, bool, int], list[tuple[Opening, TlsAlert]]] = defaultdict(list)
        for opening in openings(comparison, side):
            if opening.application.tls is None:
                continue  # no handshake: see protocol_mismatch
            alert = opening.application.fatal_alert
            if alert is not None:
                key = int(table.servers[opening.number]), alert.from_client, alert.description
                groups[key].append((opening, alert))
        begun = handshakes(comparison, side) if groups else {}
        for (server, *_), those in groups.items():
            yield _told(comparison, side, those, str(table.endpoint(server)), begun[server])


def _told(
    comparison: Comparison,
    side: Side,
    those: list[tuple[Opening, TlsAlert]],
    server: str,
    handshakes: int,
) -> Finding:
    alert = those[0][1]
    hellos = [opening.application.tls for opening, _ in those]
    names = [(hello.server_name or NO_NAME) if hello else "" for hello in hellos]
    nameless = not alert.from_client and NO_NAME in names and alert.description in ABOUT_NAMES
    every = len(those) == handshakes
    return KIND.finding(
        variant(comparison, "by-client" if alert.from_client else "by-server", side),
        Severity.MEDIUM if every or side is Side.BACKEND else Severity.LOW,
        Confidence.CERTAIN,
        ("The client" if alert.from_client else "The server")
        + " ended {count} of {of} TLS handshakes with {server} by a fatal alert: {alert} "
        "({number}). Server names (SNI) in the ClientHellos: {names}.",
        shown(_frames(comparison, side, opening, alert) for opening, alert in those),
        note="the ClientHello and the alert",
        remedy=SNI if nameless else REMEDY.get(alert.description, OTHER),
        count=len(those),
        of=handshakes,
        server=server,
        alert=alert.name,
        number=str(alert.description),
        names=listed(names),
        side=named(comparison, side),
    ).on(comparison.failed(side, np.array([opening.number for opening, _ in those])))


def _frames(
    comparison: Comparison, side: Side, opening: Opening, alert: TlsAlert
) -> tuple[FrameRef, ...]:
    hello = first_words(comparison, side, opening.number)
    return hello, opening.trace.ref(alert.frame, alert.time_ns)
