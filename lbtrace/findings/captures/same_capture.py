"""The same capture twice.

Meaning:
    Both captures hold the same packets at the same times. Either the same file was given twice, or
    both recordings were made at one place. They cannot show what a balancer did.
Decided by:
    Equal first and last times, and equal connections: endpoints, time of the first frame to the
    nanosecond, initial sequence number.
Evidence:
    The first frames of both.
Remedy:
    Record one capture on each side of the balancer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, first_frames
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.ADDRESSES, FramePart.SEQUENCE)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per client capture that is also given as a backend capture."""
    for trace, twin in comparison.same_captures:
        yield KIND.finding(
            "",
            Severity.HIGH,
            Confidence.CERTAIN,
            "Client and backend capture hold the same packets at the same times; they cannot show "
            "what a balancer did.",
            [*first_frames(trace, np.arange(1)), *first_frames(twin, np.arange(1))],
            remedy="Record one capture in front of the balancer and one behind it.",
        )
