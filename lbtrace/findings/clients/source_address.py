"""Source address.

Meaning:
    Whether the backend sees the client's own address as the source of its connections. If not,
    where else the client's address is stated: a PROXY header, X-Forwarded-For, Forwarded, X-Real-IP
    or a similar field. Logs, rate limits and access rules at the backend depend on it.
Decided by:
    The client ends of both connections of every pair are compared. An address is preserved if it is
    equal, or if it is the address that a NAT before the balancer gives this client. A field states
    the client if its value holds one of the client's addresses.
Evidence:
    The requests (or SYNs) of the same pair on both sides.
Remedy:
    If the address is rewritten and stated nowhere, let the balancer add X-Forwarded-For or
    Forwarded (HTTP), or a PROXY header (TCP).
Variants:
    preserved: backends see the client's address.
    rewritten: they see another.
    mixed: some see it, some do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, ConnectionPairs, Pairs, confidence_of
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.clients._client import stated_in
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import CONFIDENCES, Confidence, ConnectionBasis
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.FORWARDING)
BYTES_PASS = (
    ConnectionBasis.SAME_PACKETS,
    ConnectionBasis.SAME_BYTES,
    ConnectionBasis.TLS_CLIENT_HELLO,
)  # nothing is added to them
NO_CONNECTION = -1
REMEDY = (
    "Let the balancer state the client: X-Forwarded-For or Forwarded for HTTP, a PROXY "
    "header for TCP."
)


class _Crossings(NamedTuple):
    """One row per two connections that a client's request (or bytes) went over."""

    client: Column  # the client connection
    backend: Column  # the backend connection
    pairs: Pairs | ConnectionPairs  # the same rows

    def where(self, wanted: Column) -> _Crossings:
        """Those of a mask."""
        return _Crossings(self.client[wanted], self.backend[wanted], self.pairs.where(wanted))


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding: preserved, rewritten, or both in parts."""
    (client, backend), crossings = comparison.sides, _crossings(comparison)
    crossings = crossings.where(~_one_host(comparison, crossings))
    of = len(crossings.client)
    if not of:
        return
    asked, sources = (
        client.client_address[crossings.client],
        backend.client_address[crossings.backend],
    )
    moved = asked != sources
    natted = comparison.behind_nat(crossings.client[moved], crossings.backend[moved])
    rewritten = int(moved.sum()) - int(natted.sum())
    seen = sorted(client.words.text_list[source] for source in distinct(sources).tolist())
    case = (
        _preserved(comparison, crossings, bool(natted.any()))
        if not rewritten
        else _mixed(comparison, crossings)
        if rewritten < of
        else _rewritten(comparison, crossings)
    )
    yield KIND.finding(
        case.variant,
        case.severity,
        case.confidence,
        case.statement,
        _frames(comparison, crossings.pairs),
        count=rewritten or of,
        of=of,
        client=client.words.text_list[asked[0]],
        backend_sees=", ".join(seen[:5]),
        addresses=len(seen),
        stated_in=case.stated_in,
        remedy=case.remedy,
    )


class _Case(NamedTuple):
    """What becomes of the source address."""

    variant: str
    severity: Severity
    confidence: Confidence
    statement: str
    stated_in: str | None = None
    remedy: str = ""


def _preserved(comparison: Comparison, crossings: _Crossings, natted: bool) -> _Case:
    port, source_port = (table.of_connections("client_port") for table in comparison.sides)
    port_kept = bool((port[crossings.client] == source_port[crossings.backend]).all())
    return _Case(
        "preserved",
        Severity.INFO,
        Confidence.MEDIUM if natted else _confidence(comparison, crossings),
        (
            "The backend sees {backend_sees} as source, the address a NAT gives the client"
            if natted
            else "The backend sees the client's address as source"
        )
        + (", and the same port" if port_kept else "")
        + " ({count} of {of}).",
    )


def _mixed(comparison: Comparison, crossings: _Crossings) -> _Case:
    return _Case(
        "mixed",
        Severity.LOW,
        _confidence(comparison, crossings),
        "The source address is rewritten in {count} of {of} cases; the backend sees "
        "{backend_sees}.",
    )


def _rewritten(comparison: Comparison, crossings: _Crossings) -> _Case:
    stated = stated_in(comparison)
    passed = comparison.connection_pairs.by(*BYTES_PASS)
    readable = len(comparison.request_heads) > 0 or (len(passed) > 0 and bool(passed.all()))
    return _Case(
        "rewritten",
        Severity.INFO if stated else Severity.LOW,
        _confidence(comparison, crossings),
        "The backend sees {backend_sees} as source, never the client {client}; "
        + (
            "the client's address is stated in {stated_in}."
            if stated
            else "the client's address is stated nowhere"
            + ("." if readable else " that can be read.")
        ),
        ", ".join(stated) or None,
        "" if stated else REMEDY,
    )


def _confidence(comparison: Comparison, crossings: _Crossings) -> Confidence:
    """That of the paired exchanges; without any, of the weakest pair of connections, HIGH at
    most.
    """
    if len(comparison.pairs):
        return confidence_of(comparison.pairs)
    return min(Confidence.HIGH, CONFIDENCES[int(crossings.pairs.rank.min())])


def _crossings(comparison: Comparison) -> _Crossings:
    """Pairs of connections: those that were paired as connections, else those of the paired
    exchanges. A connection that goes straight to the backend, while others do not, shows nothing of
    the balancer.
    """
    every = comparison.connection_pairs
    named = every.where(~_straight(comparison, every.client, every.backend))
    m = comparison.pairs
    if len(named) < len(every):
        m = m.where(~_straight(comparison, m.client_connection, m.backend_connection))
    if len(named) or not len(m):
        named = named if len(named) else every
        return _Crossings(named.client, named.backend, named)
    # of interchangeable pairs, a source that is the address of any client is taken for that client
    client, backend = comparison.sides
    client_connections, backend_connections = m.client_connection, m.backend_connection
    last = np.full(len(client.words.text_list), NO_CONNECTION)
    last[client.client_address[client_connections]] = client_connections
    of_source = last[backend.client_address[backend_connections]]
    return _Crossings(
        np.where(m.alone | (of_source == NO_CONNECTION), client_connections, of_source),
        backend_connections,
        m,
    )


def _one_host(comparison: Comparison, crossings: _Crossings) -> Column:
    """Where client and balancer are one machine: the address that the backend sees may be that of
    either.
    """
    client, backend = comparison.sides
    asked = client.client_address[crossings.client]
    found: Column = (asked == client.server_address[crossings.client]) & (
        asked == backend.client_address[crossings.backend]
    )
    return found


def _straight(
    comparison: Comparison, client_connections: Column, backend_connections: Column
) -> Column:
    """Pair by pair, whether two connections have the same ends: there is nothing between them."""
    return comparison.same_endpoints(client_connections, backend_connections)


def _frames(comparison: Comparison, pairs: Pairs | ConnectionPairs) -> list[FrameRef]:
    return (
        comparison.connection_frames(pairs)
        if isinstance(pairs, ConnectionPairs)
        else comparison.request_frames(pairs)
    )
