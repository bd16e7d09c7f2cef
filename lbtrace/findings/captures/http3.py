"""HTTP/3 that is not read.

Meaning:
    UDP packets to or from port 443, as HTTP/3 sends them (QUIC, RFC 9114). A client that was told
    of HTTP/3 (Alt-Svc) sends its next requests there, and they are in no count, pair or list of
    lbtrace. Behind the balancer they are requests like all others, which no client seems to have
    sent.
Decided by:
    The port alone: other protocols use it too. The requests of the backend side that have no
    partner are counted, if the packets show no other reason.
Evidence:
    The first of these packets; the display filter `udp.port == 443` shows the others.
Remedy:
    To compare these requests, let clients use HTTP/2 or HTTP/1.1 while you capture: take Alt-Svc
    out, switch the HTTP/3 listener off, or block port 443 of UDP.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import capture_name
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedDetail
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES,)
ONE_CAPTURE = True
REMEDY = (
    "To compare these requests, let clients use HTTP/2 or HTTP/1.1 while you capture: take Alt-Svc "
    "out, switch the HTTP/3 listener off, or block port 443 of UDP. The display filter udp.port == "
    "443 shows the packets."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for each capture of the client side, or for the only capture."""
    side = comparison.captured[0]
    unexplained = sum(
        u.side == Side.BACKEND and u.detail is UnpairedDetail.MAY_BE_HTTP3
        for u in comparison.correlation.unpaired
    )
    for trace in comparison.traces(side):
        if count := trace.http3_packets:
            yield KIND.finding(
                "",
                Severity.LOW if unexplained or not len(trace.exchanges) else Severity.INFO,
                Confidence.MEDIUM,
                "UDP packets to or from port 443 in {capture}, as HTTP/3 (QUIC) sends them: "
                "{count} of {of}. What they ask for is not read."
                + (
                    " {unexplained} requests on the backend side, whose client is not known, may "
                    "have come that way."
                    if unexplained
                    else ""
                ),
                [trace.first_http3],
                note="the first of these packets",
                count=count,
                of=trace.packets.read,
                capture=capture_name(comparison, trace),
                unexplained=unexplained or None,
                remedy=REMEDY,
            )
            unexplained = 0  # they are told once
