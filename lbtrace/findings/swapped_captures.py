"""Swapped captures.

Meaning:
    The captures look as if they were given in the wrong order: the one called client side was taken behind the balancer.
Decided by:
    Requests that reach the first capture later, or with the fields a balancer adds, while the second one holds them as a client sent them.
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
    """One finding, first of all: everything else is then told the wrong way round."""
    frames = case.any_frame()
    if case.correlation.swapped and frames:
        yield Finding(
            "swapped-captures",
            TITLE,
            Severity.HIGH,
            Confidence.HIGH,
            "The captures look as if given in the wrong order: what is called the client side was taken behind the balancer.",
            (),
            evidence(frames),
            "Give the client side's capture first: lbtrace compare CLIENT BACKEND.",
        )
