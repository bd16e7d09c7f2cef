"""What kind of balancer it is, and which known one it looks like."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.model.behaviour import Fact
from lbtrace.model.report import Kind

ORDER = 0
OPEN = (Kind.UNRELATED, Kind.INCONCLUSIVE, Kind.AMBIGUOUS)


def facts(seen: Seen) -> Iterator[Fact]:
    """`balancer.kind`, `balancer.looks-like`."""
    verdict = seen.verdict
    shown = tuple(e for witness in verdict.witnesses[:3] for e in witness.evidence)
    if verdict.kind in OPEN:
        yield _seen.unknown("balancer.kind", verdict.reason)
    else:
        yield Fact(
            "balancer.kind",
            verdict.kind.value,
            f"{verdict.kind.value} (confidence: {verdict.confidence.value})",
            evidence=shown,
        )
    named = next((profile for profile in verdict.profiles if profile.named), None)
    if named is None:
        yield _seen.unknown("balancer.looks-like", "nothing distinctive of a known balancer")
    else:
        yield Fact("balancer.looks-like", named.id, named.name, evidence=shown)
