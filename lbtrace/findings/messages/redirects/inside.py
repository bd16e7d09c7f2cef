"""Redirects to an address, or a port, that only the network behind the balancer knows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.messages.redirects.seen import Redirect, frames
from lbtrace.findings.messages.redirects.urls import DEFAULT_PORTS, split_host, writes_port
from lbtrace.http_fields.addresses import is_public, parse
from lbtrace.http_fields.lines import host_of
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity


def private_address(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """Redirects to an address that cannot be reached from outside, which the client did not ask
    for: in one capture, the sign of a server that builds URLs from its own address.
    """
    strange = [
        r
        for r in redirects
        if r.asked.host
        and r.leads_to.host != r.asked.host
        and parse(r.leads_to.host) is not None
        and not is_public(r.leads_to.host)
    ]
    if strange:
        yield kind.finding(
            "private-address",
            Severity.MEDIUM,
            Confidence.MEDIUM,
            "{count} of {of} redirects {count:sends|send} the client to a private address, "
            "{location}, though it "
            "asked for {host}: such an address leads nowhere outside.",
            frames(comparison, strange),
            count=len(strange),
            of=len(redirects),
            location=strange[0].location,
            host=strange[0].asked.host,
            remedy="Pass the client's Host on to the server that redirects, or rewrite Location "
            "(nginx: proxy_redirect; Apache httpd: ProxyPassReverse).",
        )


def own_address(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """Redirects to an address or a port that only the network behind the balancer knows."""
    backend = comparison.sides[1]
    strange: list[Redirect] = []
    judged = 0
    for r in redirects:
        if r.row is None:
            continue
        judged += 1
        connection = int(comparison.pairs.backend_connection[r.row])
        server = backend.words.text_list[backend.server_address[connection]]
        port = int(backend.of_connections("server_port")[connection])
        to = r.leads_to
        named = to.host == server and r.asked.host != server
        by_port = (
            to.host == r.asked.host
            and to.port == port != r.asked.port
            and writes_port(r.location, port)
        )
        if named or by_port:
            strange.append(r)
    if not strange:
        return
    pair = comparison.pairs[strange[0].row or 0]
    requests = pair.client.request, pair.backend.request
    sent, got = (host_of(m) if m else None for m in requests)
    server = str(pair.backend_connection.server)
    replaced = sent is not None and got is not None and got != sent
    host_replaced = replaced and split_host(got or "")[0] == split_host(server)[0]
    own_port = all(r.leads_to.host == r.asked.host for r in strange)
    yield kind.finding(
        "own-address",
        Severity.MEDIUM,
        Confidence.HIGH,
        (
            "{count} of {of} redirects {count:sends|send} the client to the backend's own "
            + ("port" if own_port else "address")
            + ", {location}, "
            + (
                "though it asked for port {port}."
                if own_port
                else "which belongs to the network behind the balancer."
            )
        )
        + (
            " The balancer sends the backend Host: {got} instead of the client's {sent}, and the "
            "backend builds its URLs from that."
            if host_replaced
            else ""
        ),
        frames(comparison, strange),
        count=len(strange),
        of=judged,
        location=strange[0].location,
        port=str(strange[0].asked.port) if own_port else None,
        **({"got": got or "", "sent": sent or "(absent)"} if host_replaced else {}),
        remedy=(
            "Pass the client's Host on (nginx: proxy_set_header Host $host; Apache httpd: "
            "ProxyPreserveHost On)."
            if host_replaced
            else "Let the balancer rewrite Location (nginx: proxy_redirect; Apache httpd: "
            "ProxyPassReverse), or tell the backend its public URL."
        ),
    )


def port_lost(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """Redirects to the default port of the host that the client asked for at another port, where
    the balancer takes the port off Host.
    """
    lost = []
    for r in redirects:
        default = DEFAULT_PORTS.get(r.leads_to.scheme)
        moved = r.leads_to.host == r.asked.host and r.leads_to.port == default != r.asked.port
        if r.row is None or not moved or r.leads_to.scheme != r.asked.scheme:
            continue
        requests = comparison.pairs[r.row].requests
        sent, got = (split_host(host_of(m) or "") for m in requests)
        if sent[1] == r.asked.port and got == (sent[0], None):
            lost.append(r)
    if not lost:
        return
    yield kind.finding(
        "port",
        Severity.MEDIUM,
        Confidence.HIGH,
        "{count} of {of} redirects {count:sends|send} the client to {location}, though it asked "
        "for port {port}: the balancer passes Host on without the port, and the backend builds its "
        "URLs from that.",
        frames(comparison, lost),
        count=len(lost),
        of=len(redirects),
        location=lost[0].location,
        port=str(lost[0].asked.port),
        remedy="Pass Host on with its port (nginx: proxy_set_header Host $http_host, not $host).",
    ).about(comparison.asked(Side.CLIENT, np.array([r.exchange for r in lost])))
