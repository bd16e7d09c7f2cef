"""Load distribution.

Meaning:
    How requests (or connections, if there are no requests) are distributed over the backends, over
    the balancer's own addresses, and over the addresses that clients connect to. If client
    connections carry several requests, the connections of each backend are counted as well.
Decided by:
    Counts of what was paired, without health checks. A request that was sent more than once counts
    for the backend whose answer the client got, if that is known. Backends that were not captured
    are not counted.
Evidence:
    A request to each backend, or from each address of the balancer.
Remedy:
    If a backend gets much more than its share, look at weights, at stickiness, and at long-lived
    connections that bind clients to it.
Variants:
    backends: over backends.
    balancer-addresses: over the addresses the balancer speaks from.
    fronts: over the addresses the balancer listens on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.language.plurals import noun
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct, first_met
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES,)
SEEN_FROM = {
    "backends": "Requests went to {places} backends: {shares}.",
    "balancer-addresses": "Requests came to the backends from {places} addresses: {shares}.",
    "fronts": "Clients connected to {places} addresses of the balancer: {shares}.",
}
NAMED = 8
SHOWN = 5  # places whose first request is shown


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per kind of place that there is more than one of. Which of several attempts was
    answered has to be known.
    """
    (client, backend), every = comparison.sides, comparison.pairs
    m = every.where((every.attempts == 1) | every.answered)
    words, client_connections, backend_connections = (
        client.words,
        m.client_connection,
        m.backend_connection,
    )
    views = {
        "backends": backend.servers[backend_connections],
        "balancer-addresses": backend.client_address[backend_connections],
        "fronts": client.servers[client_connections],
    }
    for variant, place in views.items():
        first, which = first_met(place)
        by_address = variant == "balancer-addresses"
        if len(first) > 1 and not (by_address and _are_clients(comparison, place[first])):
            frames = [
                f for match in m.where(first[:SHOWN]) for f in comparison.request_frames([match])
            ]
            names = [
                words.text_list[p] if by_address else str(client.endpoint(p))
                for p in place[first].tolist()
            ]
            yield _finding(
                variant,
                SEEN_FROM[variant],
                Counter(dict(zip(names, np.bincount(which).tolist(), strict=True))),
                frames,
                {} if variant != "backends" else _connections_of(names, which, client_connections),
            )
    if not len(every):
        yield from _connections(comparison)


def _connections_of(names: list[str], which: Column, fronts: Column) -> dict[str, int]:
    """Place → how many client connections sent requests there; {} where each sent one."""
    first, _ = first_met(joint(which, fronts))
    counts = np.bincount(which[first]).tolist()
    return {} if len(first) == len(which) else dict(zip(names, counts, strict=True))


def _are_clients(comparison: Comparison, sources: Column) -> bool:
    """True when the sources the backend sees are the clients themselves."""
    client, text = comparison.sides[0], comparison.sides[0].words.text_list
    addresses = distinct(client.client_address[comparison.pairs.client_connection]).tolist()
    clients = {a for address in addresses for a in comparison.addresses_of(text[address])}
    return not clients.isdisjoint(text[source] for source in sources.tolist())


def _connections(comparison: Comparison) -> Iterator[Finding]:
    backend, pairs = comparison.sides[1], comparison.connection_pairs
    servers = backend.servers[pairs.backend]
    first, which = first_met(servers)
    if len(first) > 1:
        names = [str(backend.endpoint(server)) for server in servers[first].tolist()]
        counts = Counter(dict(zip(names, np.bincount(which).tolist(), strict=True)))
        frames = [
            comparison.connection_frame(Side.BACKEND, backend.connection_ref(c))
            for c in pairs.backend[first].tolist()
        ]
        yield _finding(
            "backends", "Connections went to {places} backends: {shares}.", counts, frames
        )


def _finding(
    variant: str,
    statement: str,
    counts: Counter[str],
    frames: list[FrameRef],
    connections: Mapping[str, int] = MappingProxyType({}),
) -> Finding:
    total = sum(counts.values())
    shares = (
        f"{place} {count} ({100 * count / total:.0f} %)"
        + (f" on {(n := connections[place])} {noun(n, 'connection')}" if connections else "")
        for place, count in counts.most_common()
    )
    return KIND.finding(
        variant,
        Severity.INFO,
        Confidence.HIGH,
        statement,
        frames,
        places=len(counts),
        shares=few(shares, NAMED),
        total=total,
    )
