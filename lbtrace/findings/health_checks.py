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

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.model.net import Side
from lbtrace.model.pairing import HealthCheck, Ref
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import distinct

KIND = FindingKind.of(__name__, __doc__)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per source, target and kind of check; a second one when some fail."""
    client = comparison.sides[0]
    in_front = {
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
            or check.source in comparison.sources | in_front
            or comparison.sources & in_front
        )
        unpaired_source = bool(comparison.sources) and not own
        whose = (
            " No request that was paired comes from there: this may be a monitor, not the balancer."
            if unpaired_source
            else ""
        )
        yield KIND.finding(
            "",
            Severity.INFO,
            check.confidence,
            f"{{source}} checks {{target}} with {probe}{every}{by} ({{count}} checks, not counted "
            f"as client traffic).{whose}",
            frames,
            source=check.source,
            target=str(check.target),
            method=check.method,
            path=check.path,
            user_agent=check.user_agent,
            count=len(check.exchanges) or len(check.connections),
            period=None if check.period_ns is None else ns(check.period_ns),
            note="; ".join(check.reasons),
        )
        yield from _failing(comparison, check)


def _failing(comparison: Comparison, check: HealthCheck) -> Iterator[Finding]:
    backend = comparison.sides[1]
    checks = np.array(check.exchanges, np.int64) + backend.first_of[check.point]
    failed = checks[backend.responses.there[checks] & (backend.responses.start[checks] >= 400)]
    if len(failed):
        yield KIND.finding(
            "failing",
            Severity.MEDIUM,
            check.confidence,
            "{count} of {of} health checks of {target} were answered with an error, {status} at "
            "first.",
            (
                comparison.response_frame(Side.BACKEND, backend.ref(i))
                for i in failed[:FRAMES_PER_SIDE].tolist()
            ),
            count=len(failed),
            of=len(check.exchanges),
            target=str(check.target),
            status=str(backend.responses.start[failed[0]]),
            remedy=(
                "Make the checked path answer with the status the balancer expects, or check "
                "another path."
            ),
        )
