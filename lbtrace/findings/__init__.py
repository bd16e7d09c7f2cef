"""Correlation → findings: one file per thing lbtrace can tell."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import Finding, Latency, SideCounts
from lbtrace.model.trace import Trace


def all_findings(clients: Sequence[Trace], backends: Sequence[Trace], correlation: Correlation) -> tuple[Finding, ...]:
    """Everything there is to tell, most severe first."""
    raise NotImplementedError


def count_side(side: Side, traces: Sequence[Trace], correlation: Correlation) -> SideCounts:
    """SYNs, requests and connections of one side, health checks apart."""
    raise NotImplementedError


def latency(clients: Sequence[Trace], backends: Sequence[Trace], correlation: Correlation) -> Latency | None:
    """What the balancer added, or None when no pair tells."""
    raise NotImplementedError
