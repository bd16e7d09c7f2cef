"""What refines a kind: which addresses were rewritten, PROXY headers, what became of TLS."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.comparison import Comparison
from lbtrace.model.report import Kind
from lbtrace.verdict.weigh import Observation

TLS = {
    "passed": ("tls-passthrough",),
    "removed": ("tls-terminating",),
    "renewed": ("tls-terminating", "tls-reencrypting"),
}


def modifiers(
    comparison: Comparison, kind: Kind, observations: Sequence[Observation]
) -> tuple[str, ...]:
    """Stable words, in the order of the table in docs/findings: addresses first, then PROXY, then
    TLS.
    """
    seen = {(o.name, o.variant) for o in observations}
    found = []
    if kind is Kind.L4_PASSTHROUGH:
        found += _translation(comparison)
    if ("proxy-header", "added") in seen:
        found.append("proxy-protocol")
    if kind is not Kind.DIRECT:
        found += [
            word for variant, words in TLS.items() if ("tls", variant) in seen for word in words
        ]
    return tuple(dict.fromkeys(found))


def _translation(comparison: Comparison) -> list[str]:
    """Which ends a packet NAT rewrote. A NAT in front of the balancer rewrites the client's address
    too, and is not the balancer's doing.
    """
    (client, backend), pairs = comparison.sides, comparison.connection_pairs
    moved = client.client_address[pairs.client] != backend.client_address[pairs.backend]
    found = []
    if not comparison.behind_nat(pairs.client[moved], pairs.backend[moved]).all():
        found.append("snat")
    if (client.servers[pairs.client] != backend.servers[pairs.backend]).any():
        found.append("dnat")
    # a port that changed was rewritten on the way
    same = bool((client.sources[pairs.client] == backend.sources[pairs.backend]).all())
    return found or (["dsr"] if pairs and same else [])
