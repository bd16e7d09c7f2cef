"""Health checks: what is asked, how often."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.model.behaviour import Fact

ORDER = 7
NAME = "health-checks"


def facts(seen: Seen) -> Iterator[Fact]:
    """`health-checks.request` ("GET /health", "TCP"), `health-checks.period` in ns."""
    checks = seen.comparison.correlation.health_checks
    if not checks:
        why = "none was recognised; a check may be rarer than the capture is long"
        yield _seen.unknown(f"{NAME}.request", why)
        yield _seen.unknown(f"{NAME}.period", why, "ns")
        return
    shown = tuple(e for finding in seen.told(NAME) for e in finding.evidence)
    asked = sorted({f"{c.method} {c.path}" if c.method else "TCP" for c in checks})
    yield Fact(f"{NAME}.request", ", ".join(asked), ", ".join(asked), evidence=shown)
    periods = sorted(c.period_ns for c in checks if c.period_ns is not None)
    if not periods:
        yield _seen.unknown(f"{NAME}.period", "fewer than three checks of a backend", "ns")
    else:
        yield Fact(
            f"{NAME}.period",
            periods[0],
            f"of {len(checks)} checked backends",
            "ns",
            low=periods[0],
            high=periods[-1],
            evidence=shown,
        )
