"""Who made errors, and which requests were sent more than once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.comparison import evidence
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.model.report import Evidence, Finding
from lbtrace.tables.pairs import PairTable

ORDER = 6
# client exchanges of which the captures do not show what became of them
UNTOLD = (UnpairedReason.UNKNOWN, UnpairedReason.OUTSIDE_OTHER_CAPTURE)
COUNTED = {  # fact: the finding that counts it
    "errors.balancer": "errors.balancer",
    "errors.backend": "errors.backend",
    "errors.open": "errors.open",
    "retries.unsafe": "retries.not-idempotent",
    "retries.safe": "retries.repeated",
}


def facts(seen: Seen) -> Iterator[Fact]:
    """How many requests of the clients each befell, after `exchanges.explained`: of how many it is
    known what became of them.
    """
    of = seen.comparison.client_counts.requests
    yield _explained(seen, of)
    for name, slug in COUNTED.items():
        findings = tuple(seen.told(slug))
        if not of:
            yield _seen.unknown(name, "no request was read on the client side", "count")
        else:
            yield _count(seen, name, findings, of)


def _first_requests(seen: Seen) -> tuple[Evidence, ...]:
    """What shows that nothing went wrong: the first of the requests that were looked at."""
    table = seen.comparison.table(Side.CLIENT)
    rows = np.flatnonzero(table.requests.there)[:2].tolist()
    return evidence(seen.comparison.request_frame(Side.CLIENT, table.ref(row)) for row in rows)


def _explained(seen: Seen, of: int) -> Fact:
    name = "exchanges.explained"
    if not of:
        return _seen.unknown(name, "no request was read on the client side", "count")
    comparison = seen.comparison
    untold = [
        u
        for u in comparison.correlation.unpaired
        if u.side == Side.CLIENT and (u.reason in UNTOLD or u.confidence is Confidence.LOW)
    ]
    unsure = np.flatnonzero(~PairTable.of(comparison.correlation.pairs).known)
    open_ = [u.ref for u in untold]
    open_ += [comparison.correlation.pairs[place].client for place in unsure.tolist()]
    count = max(of - len(open_), 0)
    return Fact(
        name,
        count,
        f"{count} of {of} requests: it is known what became of them",
        "count",
        shares=(
            Share(
                "requests",
                count,
                of,
                evidence=evidence(comparison.request_frame(Side.CLIENT, r) for r in open_[:5])
                if open_
                else (),
            ),
        ),
    )


def _count(seen: Seen, name: str, findings: tuple[Finding, ...], of: int) -> Fact:
    count = sum(_seen.number(finding, "count") for finding in findings)
    shown = tuple(e for finding in findings for e in finding.evidence) or _first_requests(seen)
    statuses = ", ".join(
        str(values["statuses"]) for f in findings if "statuses" in (values := _seen.values_of(f))
    )
    return Fact(
        name,
        count,
        f"{count} of {of} requests" + (f" ({statuses})" if statuses else ""),
        "count",
        shares=(Share("requests", count, of, evidence=shown),),
        evidence=shown,
    )
