"""Load distribution.

Meaning:
    How requests (or connections, when there are no requests) are spread over the backends, over the balancer's own addresses, and over the
    addresses clients connect to.
Decided by:
    Counting what was paired, health checks left out. Targets whose capture was not given are not seen.
Evidence:
    A request to each backend, or from each address of the balancer.
Remedy:
    A backend that gets much more than its share: look at weights, stickiness, and at long-lived connections that pin clients to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from lbtrace.case import Case, Match, evidence
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Load distribution"
NAMED = 8


def find(case: Case) -> Iterator[Finding]:
    """One finding per kind of place that there is more than one of."""
    views: tuple[tuple[str, str, Callable[[Match], str]], ...] = (
        ("backends", "Requests went to {places} backends: {shares}.", lambda m: str(m.back_connection.server)),
        (
            "balancer-addresses",
            "Requests came to the backends from {places} addresses: {shares}.",
            lambda m: m.back_connection.client.address,
        ),
        ("fronts", "Clients connected to {places} addresses of the balancer: {shares}.", lambda m: str(m.front_connection.server)),
    )
    for slug, statement, place in views:
        seen: dict[str, list[Match]] = {}
        for m in case.matches:
            seen.setdefault(place(m), []).append(m)
        if len(seen) > 1 and not (slug == "balancer-addresses" and _are_clients(case, set(seen))):
            frames = [f for matches in list(seen.values())[:5] for f in case.request_frames(matches[:1])]
            yield _finding(slug, statement, Counter({k: len(v) for k, v in seen.items()}), frames)
    if not case.matches:
        yield from _connections(case)


def _are_clients(case: Case, addresses: set[str]) -> bool:
    """True when the sources the backend sees are the clients themselves."""
    clients = {a for m in case.matches for a in case.addresses_of(m.front_connection.client.address)}
    return bool(addresses & clients)


def _connections(case: Case) -> Iterator[Finding]:
    counts: Counter[str] = Counter()
    frames: dict[str, FrameRef] = {}
    for m in case.connection_matches:
        counts[str(m.back.server)] += 1
        frames.setdefault(str(m.back.server), case.connection_frame(Side.BACKEND, Ref(m.pair.backend.point, m.pair.backend.id)))
    if len(counts) > 1:
        yield _finding("backends", "Connections went to {places} backends: {shares}.", counts, list(frames.values()))


def _finding(slug: str, statement: str, counts: Counter[str], frames: list[FrameRef]) -> Finding:
    total = sum(counts.values())
    shares = ", ".join(f"{place} {count} ({100 * count / total:.0f} %)" for place, count in counts.most_common(NAMED))
    more = f" and {len(counts) - NAMED} more" if len(counts) > NAMED else ""
    return Finding(
        f"load-distribution.{slug}",
        TITLE,
        Severity.INFO,
        Confidence.HIGH,
        statement,
        (Value("places", len(counts), "count"), Value("shares", shares + more), Value("total", total, "count")),
        evidence(frames),
    )
