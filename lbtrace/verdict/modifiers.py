"""What refines a kind: which addresses were rewritten, PROXY headers, what became of TLS."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.comparison import Comparison
from lbtrace.comparison.ends import ends
from lbtrace.model.report import Kind
from lbtrace.verdict.weigh import Observation

TLS = {"passed": "tls-passthrough", "removed": "tls-terminating", "renewed": "tls-terminating"}


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
    found += [
        word
        for variant, word in TLS.items()
        if ("tls", variant) in seen and kind is not Kind.DIRECT
    ]
    return tuple(found)


def _translation(comparison: Comparison) -> list[str]:
    """Which ends a packet NAT rewrote. A NAT in front of the balancer rewrites the client's address
    too, and is not the balancer's doing.
    """
    (client, backend), pairs = comparison.sides, comparison.connection_matches
    moved = client.client_address[pairs.front] != backend.client_address[pairs.back]
    found = []
    if not comparison.behind_nat(pairs.front[moved], pairs.back[moved]).all():
        found.append("snat")
    if (ends(client, server=True)[pairs.front] != ends(backend, server=True)[pairs.back]).any():
        found.append("dnat")
    # a port that changed was rewritten on the way
    same = bool(
        (ends(client, server=False)[pairs.front] == ends(backend, server=False)[pairs.back]).all()
    )
    return found or (["dsr"] if pairs and same else [])
