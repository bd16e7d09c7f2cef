"""Health checks.

Meaning:
    How the balancer checks the backend: from which address, with which request (or with a bare TCP
    connection), and how often. Health checks are left out of every count and ratio of client
    traffic.
Decided by:
    Period, source and uniformity of backend exchanges without a client, then their User-Agent; bare
    connections that close without a byte.
Evidence:
    The first checks of each kind in the backend capture.
Remedy:
    Failing checks take a backend out of service. Make the checked path answer with the expected
    status.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, evidence
from lbtrace.model.net import Side
from lbtrace.model.pairing import HealthCheck, Ref
from lbtrace.model.report import Finding, Severity, Value
from lbtrace.tables.columns import distinct

TITLE = "Health checks"


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per source, target and kind of check; a second one when some fail."""
    client = comparison.sides[0]
    fronts = {
        client.words.text_list[i]
        for i in distinct(np.concatenate((client.client_address, client.server_address))).tolist()
    }
    for check in comparison.correlation.health_checks:
        frames = [
            comparison.request_frame(Side.BACKEND, Ref(check.point, i))
            for i in check.exchanges[:FRAMES_PER_SIDE]
        ]
        frames = frames or [
            comparison.connection_frame(Side.BACKEND, Ref(check.point, i))
            for i in check.connections[:FRAMES_PER_SIDE]
        ]
        if not frames:
            continue
        every = " every {period}" if check.period_ns is not None else ""
        by = ", User-Agent {user_agent}" if check.user_agent else ""
        probe = "{method} {path}" if check.method else "a TCP connection without a byte"
        own = (
            comparison.passes_packets
            or check.source in comparison.sources | fronts
            or comparison.sources & fronts
        )
        stranger = bool(comparison.sources) and not own
        whose = (
            " No request that was paired comes from there: this may be a monitor, not the balancer."
            if stranger
            else ""
        )
        yield Finding(
            "health-checks",
            TITLE,
            Severity.INFO,
            check.confidence,
            f"{{source}} checks {{target}} with {probe}{every}{by} ({{count}} checks, not counted "
            f"as client traffic).{whose}",
            _values(check),
            evidence(frames, "; ".join(check.reasons)),
        )
        yield from _failing(comparison, check)


def _values(check: HealthCheck) -> tuple[Value, ...]:
    values = [
        Value("source", check.source),
        Value("target", str(check.target)),
        Value("method", check.method),
        Value("path", check.path),
        Value("user_agent", check.user_agent),
        Value("count", len(check.exchanges) or len(check.connections), "count"),
    ]
    if check.period_ns is not None:
        values.append(Value("period", check.period_ns, "ns"))
    return tuple(values)


def _failing(comparison: Comparison, check: HealthCheck) -> Iterator[Finding]:
    backend = comparison.sides[1]
    checks = np.array(check.exchanges, np.int64) + backend.first_of[check.point]
    failed = checks[backend.responses.there[checks] & (backend.responses.start[checks] >= 400)]
    if len(failed):
        yield Finding(
            "health-checks.failing",
            TITLE,
            Severity.MEDIUM,
            check.confidence,
            "{count} of {of} health checks of {target} were answered with an error, {status} at "
            "first.",
            (
                Value("count", len(failed), "count"),
                Value("of", len(check.exchanges), "count"),
                Value("target", str(check.target)),
                Value("status", str(backend.responses.start[failed[0]])),
            ),
            evidence(
                comparison.response_frame(Side.BACKEND, backend.ref(i))
                for i in failed[:FRAMES_PER_SIDE].tolist()
            ),
            "Make the checked path answer with the status the balancer expects, or check another "
            "path.",
        )
