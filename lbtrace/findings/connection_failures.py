"""Failed connections.

Meaning:
    Attempts to open a connection that came to nothing: refused (SYN answered by RST) or unanswered (SYN without SYN-ACK), on either side.
Decided by:
    Connections with a captured SYN, no SYN-ACK, and a RST or nothing from the other end; where more than SYNs was sent, an answer was
    given and not captured. A capture that ends within a second of a SYN does not show that nobody answers. Health checks are counted
    apart.
Evidence:
    The SYNs.
Remedy:
    Refused: nothing listens on that port. Unanswered: a firewall, a wrong address, or a full accept queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lbtrace.case import FRAMES_PER_SIDE, Case, evidence
from lbtrace.findings._backend_events import handshake_failure
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Failed connections"
STATEMENT = {
    "refused": "Connections to {targets} were refused on the {side} side: {count}{checks}.",
    "no-answer": "Attempts to connect to {targets} were not answered on the {side} side: {count}{checks}.",
}
REMEDY = {
    "refused": "Nothing listens there: start the server, or take the target out.",
    "no-answer": "Look for a firewall, a wrong address or a full accept queue; or the answers take a way that was not captured.",
}


def find(case: Case) -> Iterator[Finding]:
    """One finding a side and kind."""
    for side in Side:
        failed: dict[str, list[tuple[Ref, str]]] = {}
        for point, trace in enumerate(case.traces(side)):
            for c in trace.connections:
                kind = handshake_failure(c, trace.last_ns)
                if kind:
                    failed.setdefault(kind, []).append((Ref(point, c.id), str(c.server)))
        for kind, refs in failed.items():
            targets = Counter(target for _, target in refs)
            checks = sum(side is Side.BACKEND and ref in case.check_connections for ref, _ in refs)
            frames: list[FrameRef] = [case.connection_frame(side, ref) for ref, _ in refs[:FRAMES_PER_SIDE]]
            yield Finding(
                f"connection-failures.{kind}-{side.value}",
                TITLE,
                Severity.MEDIUM,
                Confidence.HIGH,
                STATEMENT[kind].replace("{checks}", ", {checks} of them health checks" if checks else ""),
                (
                    Value("count", len(refs), "count"),
                    Value("targets", ", ".join(target for target, _ in targets.most_common(3))),
                    Value("side", side.value),
                    Value("checks", checks, "count"),
                ),
                evidence(frames),
                REMEDY[kind],
            )
