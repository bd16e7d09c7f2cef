"""Swapped captures.

Meaning:
    The captures were given in the wrong order: the one given first was taken behind the balancer. The report has them the right way round.
Decided by:
    In nearly all pairs the exchange in the first capture is the shorter one, and the other way round the pairs are no fewer and their
    times fit: a client waits longer than the backend takes.
Evidence:
    The first frames of both captures.
Remedy:
    Give the client side's capture first: `lbtrace compare CLIENT BACKEND`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.case import Case, evidence
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

TITLE = "Swapped captures"


def find(case: Case) -> Iterator[Finding]:
    """One finding: the sides are not as they were given."""
    frames = case.any_frame()
    if case.correlation.swapped and frames:
        yield Finding(
            "swapped-captures",
            TITLE,
            Severity.LOW,
            Confidence.HIGH,
            "The captures were given in the wrong order: the first one was taken behind the balancer. "
            "This report has them the right way round.",
            (),
            evidence(frames),
            "Give the client side's capture first: lbtrace compare CLIENT BACKEND.",
        )
