"""Return path.

Meaning:
    Whether answers come back the way the requests went. Segments that continue a connection but
    come from another address went past the balancer untranslated: the client does not know that
    address and resets what it gets.
Decided by:
    Connections without a start whose segments acknowledge exactly what a client sent on another
    connection, from the same address and port, to another address.
Evidence:
    The first segment that came past the balancer, and the SYN of the connection it belongs to.
Remedy:
    Where the balancer or NAT must see both directions: route the backend's answers through it, or
    translate the source address too (SNAT, hairpin). A single segment of a connection that works
    otherwise was not translated: connection tracking took it for invalid.
Variants:
    asymmetric, asymmetric-client, asymmetric-backend: no answer came the right way.
    untranslated, untranslated-client, untranslated-backend: single segments did not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._side import variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.SYN)
ONE_CAPTURE = True
ROUTE = (
    "The way back is asymmetric: route the backend's answers through the balancer, or let it "
    "translate the client's address too (SNAT)."
)
TRACKING = (
    "Connection tracking took these segments for invalid and did not translate them: let it drop "
    "such segments (net.netfilter.nf_conntrack_tcp_be_liberal, or a rule for state INVALID)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per side: answers that never came the right way, else single segments."""
    for side in comparison.captured:
        strays = comparison.strays(side)
        if not len(strays.stray):
            continue
        table = comparison.table(side)
        opened = table.of_connections("opened")[strays.known]
        for answered, which in ((False, ~opened), (True, opened)):
            if which.any():
                yield _finding(comparison, side, strays.stray[which], strays.known[which], answered)


def _finding(
    comparison: Comparison, side: Side, stray: Column, known: Column, answered: bool
) -> Finding:
    table = comparison.table(side)
    ends = set(table.sources[known].tolist())
    others = Counter(
        str(table.endpoint(server if source in ends else source))
        for server, source in zip(
            table.servers[stray].tolist(), table.sources[stray].tolist(), strict=True
        )
    )
    front = str(table.endpoint(int(table.servers[known[0]])))
    own = bool(among(table.servers[stray], comparison.sides[1].servers).any())
    reset = int((table.of_ends("rsts", False)[stray] > 0).sum())
    shown = np.stack((known, stray), axis=1).reshape(-1)
    return KIND.finding(
        variant(comparison, "untranslated" if answered else "asymmetric", side),
        Severity.MEDIUM if answered else Severity.HIGH,
        Confidence.HIGH,
        (
            "Segments of {count} connections to {front} came from {other}"
            if answered
            else "The answer to {count} attempts to connect to {front} came from {other}"
        )
        + (", the backend's own address" if own else "")
        + (
            ", not from the address that was spoken to."
            if comparison.alone
            else ": they went past the balancer untranslated."
        )
        + (" The client reset {reset} of them." if reset else ""),
        comparison.opening_frames(side, shown),
        count=len(stray),
        front=front,
        other=few(others.elements()),
        reset=reset or None,
        remedy=TRACKING if answered else ROUTE,
    )
