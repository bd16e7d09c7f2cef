"""One backend gets everything.

Meaning:
    All requests went to one backend, though other backends were captured. A balancer that chooses a
    backend for each connection sends all requests of a connection to one backend: one HTTP/2 or
    gRPC connection then puts all load on it, however many backends there are.
Decided by:
    The pairs, without health checks. A captured backend that got nothing is a capture without a
    connection, or a backend whose connections all were health checks at that time. The balancer
    chooses for each connection if each client connection has one backend connection of its own and
    the same bytes on it.
Evidence:
    The first requests, or connections, on both sides.
Remedy:
    For many requests on one connection: a balancer that reads HTTP/2 and chooses for each request
    (an L7 proxy, or balancing in the client), several connections, or connections that end from
    time to time (MAX_CONNECTION_AGE of gRPC, keepalive_requests). Otherwise look at stickiness by
    the client's address, at weights, and at the health of the other backends.
Variants:
    by-connection: because one connection carries all requests.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.report import Finding, Severity
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES,)
# by chance this many choices all fall on one of two backends in less than 1 of 100 cases
ENOUGH = 8
SAME_MINUTE_NS = 60_000_000_000  # where two captures have no common clock
BY_CONNECTION = (
    "This balancer chooses a backend for each connection: let it, or the client, choose for each "
    "request, or open several connections and end them from time to time."
)
LOOK = "Look at stickiness by the client's address, at weights, and at the other backends' health."

ONE_ADDRESS = (
    "All came from one address, as from behind a NAT: a balancer that chooses by it (balance "
    "source in HAProxy, ip_hash in nginx, sessionAffinity in Kubernetes) sends all to one backend. "
    "Else look at weights, and at the other backends' health."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    pairs, whole = comparison.pairs, comparison.connection_pairs
    client_connections, backend_connections = (
        (pairs.client_connection, pairs.backend_connection)
        if len(pairs)
        else (whole.client, whole.backend)
    )
    used = distinct(comparison.sides[1].servers[backend_connections])
    if len(used) != 1:
        return
    idle = _idle(comparison, int(used[0]))
    if not idle:
        return
    noun, of = (
        ("requests", comparison.client_counts.requests)
        if len(pairs)
        else ("connections", comparison.client_counts.connections)
    )
    count, connections = len(backend_connections), len(distinct(client_connections))
    chosen = _by_connection(comparison, client_connections, backend_connections)
    sources = distinct(comparison.sides[0].client_address[client_connections])
    alone = len(sources) == 1 and connections > 1
    yield KIND.finding(
        "by-connection" if chosen else "",
        Severity.MEDIUM if count >= ENOUGH else Severity.INFO,
        confidence_of(pairs) if len(pairs) else Confidence.HIGH,
        (
            "{count} of {of} connections went to one of {places} captured backends, {server}."
            if noun == "connections"
            else "{count} of {of} requests went to one of {places} captured backends, {server}."
        )
        + (
            ""
            if noun == "connections"
            else " They came on one connection."
            if connections == 1
            else " They came on {connections} connections."
        )
        + (" They all came from {client}." if alone else "")
        + (" This balancer chooses per connection." if chosen else "")
        + " Nothing reached {idle}."
        + ("" if count == of else " Where the others went is not known."),
        _frames(comparison),
        remedy=BY_CONNECTION if chosen else ONE_ADDRESS if alone else LOOK,
        count=count,
        of=of,
        places=1 + len(idle),
        server=str(comparison.sides[1].endpoint(int(used[0]))),
        connections=connections if noun == "requests" and connections > 1 else None,
        client=comparison.sides[0].words.text_list[int(sources[0])] if alone else None,
        idle=", ".join(idle),
    )


def _frames(comparison: Comparison) -> list[FrameRef]:
    if len(comparison.pairs):
        return comparison.request_frames(comparison.pairs)
    return comparison.connection_frames(comparison.connection_pairs)


def _idle(comparison: Comparison, used: int) -> list[str]:
    """The captured backends that got nothing, or health checks alone: each by its address, or by
    the name of its capture where that shows no connection at all.
    """
    backend = comparison.sides[1]
    points = list(zip(comparison.backends, backend.first_connection, strict=True))
    servers = [backend.servers[first : first + len(t.connections)] for t, first in points]
    busy = next(t for (t, _), of in zip(points, servers, strict=True) if used in of)
    asked = distinct(backend.servers[~comparison.check_connections])
    names = [
        str(backend.endpoint(server))
        for (trace, _), of in zip(points, servers, strict=True)
        if _same_time(trace, busy)
        for server in distinct(of[~among(of, asked)]).tolist()
    ]
    # a capture without a packet does not show that it ran
    names += [
        t.called(False, True)
        + ("" if t.packets.read else " (without any packet: it may not have run)")
        for (t, _), of in zip(points, servers, strict=True)
        if not len(of) and (_same_time(t, busy) or not t.packets.read)
    ]
    return list(dict.fromkeys(names))


def _same_time(one: Trace, other: Trace) -> bool:
    """Whether two captures ran at one time, as far as two clocks tell."""
    return (
        one.first_ns <= other.last_ns + SAME_MINUTE_NS
        and other.first_ns <= one.last_ns + SAME_MINUTE_NS
    )


def _by_connection(
    comparison: Comparison, client_connections: Column, backend_connections: Column
) -> bool:
    """Whether each client connection has one backend connection of its own, with the same bytes."""
    if not len(comparison.pairs):
        by = comparison.connection_pairs.by(
            ConnectionBasis.SAME_PACKETS, ConnectionBasis.SAME_BYTES
        )
        return bool(by.all())
    of_each = {
        len(distinct(column))
        for column in (
            client_connections,
            backend_connections,
            joint(client_connections, backend_connections),
        )
    }
    if (
        len(of_each) > 1 or len(client_connections) in of_each
    ):  # a choice is only seen where it could differ
        return False
    heads, (client, backend) = comparison.request_heads, comparison.sides
    same = client.requests.heads.equal(heads.client, backend.requests.heads, heads.backend)
    return len(heads) > 0 and bool(same.all())
