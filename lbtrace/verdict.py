"""Correlation → what kind of load balancer this is, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.model.pairing import Correlation
from lbtrace.model.report import Verdict
from lbtrace.model.trace import Trace


def judge(clients: Sequence[Trace], backends: Sequence[Trace], correlation: Correlation) -> Verdict:
    """Weigh the witnesses."""
    raise NotImplementedError
