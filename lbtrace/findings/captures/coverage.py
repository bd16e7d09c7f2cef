"""What the counts are about.

Meaning:
    How many of the client's requests the sentences "in 7 of 7 requests" are about, and what became
    of the others. Only a request whose backend exchange is known can be compared with it.
Decided by:
    The requests of the client side, each with what is known of it: paired, paired with low
    confidence, or the reason why it has no partner.
Evidence:
    The first requests without a known partner.
Remedy:
    Nothing, if the balancer answers such requests itself. Otherwise start both captures before the
    traffic, capture every backend, and record whole packets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE,)
TEXT = {
    UnpairedReason.ANSWERED_BY_BALANCER: "answered by the balancer itself",
    UnpairedReason.NEVER_ANSWERED: "never answered",
    UnpairedReason.OUTSIDE_OTHER_CAPTURE: "outside the backend capture",
    UnpairedReason.HEALTH_CHECK: "health checks",
    UnpairedReason.OTHER_CLIENT: "of another client",
    UnpairedReason.COPY: "copies",
    UnpairedReason.UNKNOWN: "the packets cannot tell",
}


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding, where requests are left over."""
    paired, left = _requests(comparison)
    if not paired.any() or not left.any():
        return
    client = comparison.sides[0]
    reasons = _reasons(comparison, left)
    yield KIND.finding(
        "",
        Severity.INFO,
        Confidence.CERTAIN,
        "{paired} of {of} client requests have a known backend exchange; what is said of pairs is "
        "about these. The other {left}: {reasons}.",
        (
            comparison.request_frame(Side.CLIENT, client.ref(row))
            for row in np.flatnonzero(left)[:FRAMES_PER_SIDE].tolist()
        ),
        note="requests without a known partner",
        paired=int(paired.sum()),
        of=int((paired | left).sum()),
        left=int(left.sum()),
        reasons=", ".join(f"{reason} ×{count}" for reason, count in reasons.most_common()),
    )


def _requests(comparison: Comparison) -> tuple[Column, Column]:
    """Per client exchange: whether it is a request with a known partner, or one without."""
    client = comparison.sides[0]
    asked = client.requests.there & comparison.counted(Side.CLIENT)[client.connection]
    known = np.zeros(len(client), bool)
    known[comparison.pairs.client] = True
    return asked & known, asked & ~known


def _reasons(comparison: Comparison, left: Column) -> Counter[str]:
    """Why these requests have no known partner."""
    reasons: Counter[str] = Counter()
    client = comparison.sides[0]
    open_ = left.copy()
    for item in comparison.correlation.unpaired:
        row = client.first_of[item.ref.point] + item.ref.id if item.side == Side.CLIENT else None
        if row is not None and open_[row]:
            open_[row] = False
            reasons[TEXT[item.reason]] += 1
    unsure = int(open_.sum())
    if unsure:
        reasons["paired, but hardly sure"] = unsure
    return reasons
