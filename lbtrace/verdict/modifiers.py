"""What refines a kind: which addresses were rewritten, PROXY headers, what became of TLS."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.case import Case
from lbtrace.model.report import Kind
from lbtrace.verdict.weigh import Observation

TLS = {"passed": "tls-passthrough", "removed": "tls-terminating", "renewed": "tls-terminating"}


def modifiers(case: Case, kind: Kind, observations: Sequence[Observation]) -> tuple[str, ...]:
    """Stable words, in the order of the table in docs/findings: addresses first, then PROXY, then TLS."""
    seen = {(o.name, o.variant) for o in observations}
    found = []
    if kind is Kind.L4_PASSTHROUGH:
        found += _translation(case)
    if ("proxy-header", "added") in seen:
        found.append("proxy-protocol")
    found += [word for variant, word in TLS.items() if ("tls", variant) in seen and kind is not Kind.DIRECT]
    return tuple(found)


def _translation(case: Case) -> list[str]:
    """Which ends a packet NAT rewrote. A NAT in front of the balancer rewrites the client's address too, and is not the
    balancer's doing."""
    sources = [c for c in case.connection_matches if c.front.client.address != c.back.client.address]
    destinations = [c for c in case.connection_matches if c.front.server != c.back.server]
    found = []
    if any(not case.behind_nat(c.front, c.back) for c in sources):
        found.append("snat")
    if destinations:
        found.append("dnat")
    same = all(c.front.client == c.back.client for c in case.connection_matches)  # a port that changed was rewritten on the way
    return found or (["dsr"] if case.connection_matches and same else [])
