"""Ranges that do not arrive.

Meaning:
    The client asks for a part of a file (a video that is wound on, a download that is continued),
    the balancer takes Range off, and the client gets the whole file.
Decided by:
    Both request heads of a pair, whole: Range (RFC 9110 §14.2) is in the client's and not in the
    backend's; both got 200.
Evidence:
    The requests on both sides.
Remedy:
    Pass Range on. A cache of nginx takes it off to keep the whole file: there `slice`, or
    `proxy_cache` with `proxy_force_ranges`, lets clients have parts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import ABSENT, Comparison, confidence_of, field_values
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import RANGE
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, RANGE)
OK = 200  # the whole, where 206 would be a part (RFC 9110 §15.3.7)


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    heads = comparison.request_heads
    heads = heads.where(heads.answered & heads.alone)
    sent, arrived, _ = field_values(comparison, RANGE).of(heads)
    client, backend = comparison.sides
    whole = (client.responses.start[heads.client] == OK) & (
        backend.responses.start[heads.backend] == OK
    )
    lost = (sent != ABSENT) & (arrived == ABSENT) & whole
    if not lost.any():
        return
    pairs = heads.where(np.flatnonzero(lost))
    yield KIND.finding(
        "",
        Severity.LOW,
        confidence_of(pairs),
        "The balancer takes Range off {count} of {of} requests for a part of a file: the backend "
        "and then the client send and get the whole (200 in place of 206).",
        comparison.request_frames(pairs),
        remedy="Let the balancer pass Range on (look for proxy_set_header in nginx, del-header in "
        "HAProxy). A cache of nginx takes it off: use slice, or proxy_force_ranges.",
        count=len(pairs),
        of=int((sent != ABSENT).sum()),
    ).about(comparison.asked(Side.CLIENT, pairs.client))
