"""Swapped captures.

Meaning:
    The captures were given in the wrong order: the first one was taken on the backend side. The
    report has corrected this. If nothing shows the order, the captures are taken as given, and the
    finding says so.
Decided by:
    One of three things shows it: in nearly all pairs the exchange in the first capture is the
    shorter one (a client waits longer than the backend takes); the fields that balancers add are in
    the first capture only; or a host that stands between the captures is a server in one and a
    client in the other. Nothing supports the given order, and the other order explains at least as
    many pairs.
Evidence:
    The first frames of both captures.
Remedy:
    Give the client side's capture first: `lbtrace compare CLIENT BACKEND`.
Variants:
    unknown: nothing shows which capture is which.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import ADDED_BY_PROXIES
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.START_LINE, FramePart.FORWARDING)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding: the sides are not as they were given, or nothing shows how they are."""
    frames = comparison.any_frame()
    perhaps = _perhaps(comparison)
    if (
        frames
        and not comparison.correlation.swapped
        and (perhaps or (comparison.correlation.pairs and not comparison.correlation.order_shown))
    ):
        yield KIND.finding(
            "unknown",
            Severity.LOW if perhaps else Severity.INFO,
            Confidence.LOW,
            "Nothing shows which capture was taken in front of the balancer; they are taken in "
            "the order given."
            + (
                " The requests in the first one bear fields that balancers add, so it may be the "
                "other way round."
                if perhaps
                else ""
            ),
            frames,
            remedy="Look whether the first capture is the client side's.",
        )
    if comparison.correlation.swapped and frames:
        yield KIND.finding(
            "",
            Severity.LOW,
            Confidence.HIGH,
            "The captures were given in the wrong order: the first one was taken behind the "
            "balancer. "
            "This report has them the right way round.",
            frames,
            remedy="Give the client side's capture first: lbtrace compare CLIENT BACKEND.",
        )


def _perhaps(comparison: Comparison) -> bool:
    """Whether what can be read is in the first capture alone, and bears what balancers add: the
    other is in TLS, as clients speak it.
    """
    if (
        comparison.correlation.pairs
        or comparison.correlation.connection_pairs
        or any(t.exchanges for t in comparison.backends)
    ):
        return False
    hidden = any(a.tls is not None for t in comparison.backends for a in t.applications)
    client = comparison.sides[0]
    added = client.requests.heads.having(client.words.fields_named(ADDED_BY_PROXIES.__contains__))
    return hidden and bool(client.requests.there.any()) and bool(added[client.requests.there].all())
