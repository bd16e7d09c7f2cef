"""What the formats of a diff say alike: what a fact is called, and what it is in few words."""

from __future__ import annotations

from lbtrace.model.behaviour import Fact
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

NAMES = {
    "balancer.kind": "kind",
    "balancer.looks-like": "looks like",
    "source.address": "client's address, as the backend's source",
    "source.stated-in": "where the client's address is stated",
    "protocol.client": "protocol, client side",
    "protocol.backend": "protocol, backend side",
    "connections.client.requests": "requests per connection, client side",
    "connections.backend.requests": "requests per connection, backend side",
    "connections.client.closed-first": "first to close, client side",
    "connections.backend.closed-first": "first to close, backend side",
    "connections.backend.shared": "backend connections shared by clients",
    "errors.balancer": "errors made by the balancer",
    "errors.backend": "errors made by a backend",
    "errors.open": "errors whose maker is not known",
    "retries.unsafe": "sent twice though not idempotent",
    "retries.safe": "sent twice, idempotent",
    "health-checks.request": "health check",
    "health-checks.period": "health check period",
    "idle-limits.client.client": "idle limit of clients",
    "idle-limits.client.balancer": "idle limit of the balancer, client side",
    "idle-limits.client.backend": "idle limit of backends, seen on the client side",
    "idle-limits.client.forgotten": "idle limit on the way, client side",
    "idle-limits.backend.client": "idle limit of clients, seen on the backend side",
    "idle-limits.backend.balancer": "idle limit of the balancer, backend side",
    "idle-limits.backend.backend": "idle limit of backends",
    "idle-limits.backend.forgotten": "idle limit on the way, backend side",
    "latency.added-median": "time added, median",
    "latency.added-p95": "time added, 95th percentile",
}
_PREFIXES = {
    "request.headers.": "request field ",
    "response.headers.": "response field ",
    "trust.": "client-sent ",
    "findings.": "finding ",
}


def name(fact: str) -> str:
    """What a fact is called."""
    if fact in NAMES:
        return NAMES[fact]
    for prefix, said in _PREFIXES.items():
        if fact.startswith(prefix):
            return said + shown(fact.removeprefix(prefix))
    return shown(fact)


def value(fact: Fact) -> str:
    """The value in a few words."""
    if fact.value is None:
        return "unknown"
    if fact.unit == "ns" and isinstance(fact.value, int):
        return units.duration(fact.value)
    if fact.name.startswith("connections.") and fact.name.endswith(".requests"):
        share = fact.shares[0]
        return f"{fact.value} ({share.count} on {share.of})"
    if fact.unit == "count" and fact.shares:
        return f"{fact.shares[0].count} of {fact.shares[0].of}"
    return shown(str(fact.value))
