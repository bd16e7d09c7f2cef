"""TLS connections on which nothing was asked.

Meaning:
    A client, or a balancer in front of its backend, opened TLS connections and closed them itself
    before it sent any data. An end that does not accept the certificate of the other does so, and a
    balancer then answers 502 itself. Health checks, scanners and connections that were opened in
    advance look the same.
Decided by:
    The records of the end that opened the connection: all of them, up to its FIN or RST, are as
    long as those of a handshake and of the alert that ends it (RFC 8446 §5.2, §6), and its FIN or
    RST came first. What TLS 1.3 encrypts cannot be read; its length can. Alerts in the clear are
    told as such (tls-alerts).
    Which protocol the server chose is not read; what the client offered is.
Evidence:
    The ClientHello, and the FIN or RST.
Remedy:
    Where requests fail, look at whether the end that closed accepts the certificate of the other:
    its authority, its names and its dates. nginx: `proxy_ssl_verify`, `proxy_ssl_name`; HAProxy:
    `verify`, `verifyhost`, `ca-file`; Envoy: `validation_context`.
Variants:
    "", client, backend: of one capture alone, in front of the balancer, behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._first_words import first_words, handshakes, shown
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, variant
from lbtrace.findings.connections.connection_reuse import CLIENT, first_close
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Application
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, parted

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TLS, FramePart.END)
ONE_CAPTURE = True
CERTIFICATE = (
    "Where requests fail, look at whether the end that closed accepts the certificate of the "
    "server: its authority, its names and its dates."
)
GRPC = (
    " A client that offers nothing but h2 (gRPC does) leaves as well where the server chooses no "
    "protocol: let it choose h2 (alpn h2 on the bind line of HAProxy, http2 on in nginx, an ALPN "
    "policy of the load balancer)."
)
BALANCERS = (
    "Look at whether the balancer accepts the certificate of that server: its authority, its names "
    "and its dates (nginx: proxy_ssl_verify, proxy_ssl_name; HAProxy: verify, verifyhost), and at "
    "its error log. A health check that only opens TLS looks the same."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side and server."""
    for side in comparison.captured:
        table = comparison.table(side)
        spoken = [a for trace in comparison.traces(side) for a in trace.applications]
        silent = np.array([_unused(a) for a in spoken], bool)
        if not silent.any():
            continue
        who, frame, time_ns = first_close(table)
        unused = silent & (who == CLIENT) & (table.of_ends("bytes", server=True) > 0)
        if side is Side.BACKEND and not comparison.alone:
            unused &= ~(comparison.check_connections | _passed_on(comparison))
        rows, begun = np.flatnonzero(unused), handshakes(comparison, side)
        servers, of_server = np.unique(table.servers[rows], return_inverse=True)
        for server, at in zip(servers.tolist(), parted(of_server, len(servers)), strict=True):
            those = [(n, int(frame[n]), int(time_ns[n])) for n in rows[at].tolist()]
            every = int((silent & (table.servers == server)).sum()) == begun[server]
            every &= 2 * len(those) >= begun[server]
            yield _told(comparison, side, server, those, begun[server], every)


def _passed_on(comparison: Comparison) -> Column:
    """Per backend connection, whether its ClientHello is one of the client side: then the client
    closed it, and the balancer only followed.
    """
    front, behind = (
        [a.tls and a.tls.random for trace in comparison.traces(side) for a in trace.applications]
        for side in Side
    )
    known = set(filter(None, front))
    return np.array([random in known for random in behind], bool)


def _unused(application: Application) -> bool:
    return application.asked_nothing and application.fatal_alert is None


def _told(
    comparison: Comparison,
    side: Side,
    server: int,
    those: list[tuple[int, int, int]],
    of: int,
    every: bool,
) -> Finding:
    """`those`: connections, each with frame and time of the FIN or RST. `every`: on none of the
    connections to that server was anything asked; a server may close first what a client ended by
    an alert.
    """
    closer, _ = ends(comparison, side)
    offered = {_offered(comparison, side, number) for number, *_ in those}
    http2_only = offered == {("h2",)}
    remedy = "" if not every else BALANCERS if side is Side.BACKEND else CERTIFICATE
    table, traces = comparison.table(side), comparison.traces(side)
    return KIND.finding(
        variant(comparison, "", side),
        Severity.LOW if every else Severity.INFO,
        Confidence.HIGH,
        "The {closer} closed {count} of {of} TLS connections with {server} and had sent no data on "
        "{count:it|them}: so does an end that does not accept the certificate, and so do checks "
        "and spare connections."
        + (" In the ClientHello it offered nothing but h2 (ALPN)." if http2_only else ""),
        shown(
            (
                first_words(comparison, side, number),
                traces[table.connection_ref(number).point].ref(frame, time_ns),
            )
            for number, frame, time_ns in those
        ),
        note="the ClientHello, and the FIN or RST",
        remedy=f"{remedy}{GRPC}" if remedy and http2_only else remedy,
        closer=closer,
        count=len(those),
        of=of,
        server=str(table.endpoint(server)),
        side=named(comparison, side),
    ).on(comparison.failed(side, np.array([number for number, *_ in those])))


def _offered(comparison: Comparison, side: Side, number: int) -> tuple[str, ...]:
    """The protocols that the client of a connection offers in its ClientHello (RFC 7301)."""
    ref = comparison.table(side).connection_ref(number)
    hello = comparison.traces(side)[ref.point].applications[ref.id].tls
    return () if hello is None else hello.alpn
