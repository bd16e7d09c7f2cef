"""Client-sent forwarding fields.

Meaning:
    What happens to X-Forwarded-For (or Forwarded, X-Real-IP, X-Forwarded-Proto, …) if the client
    sends it: appended to, replaced, removed, or passed on as if the balancer had written it. A
    balancer that passes it on lets the client choose its own address.
Decided by:
    The values of the field on both sides are compared in every pair whose client sent it.
Evidence:
    The requests of an example pair on both sides.
Remedy:
    Let the balancer replace the field. Or let the backend trust only the entries that its own
    balancers appended, counted from the right.
Variants:
    appended: kept, and something was appended.
    passed-on: passed on unchanged.
    replaced: replaced.
    removed: removed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import (
    ABSENT,
    Comparison,
    Pairs,
    confidence_of,
    field_values,
    present,
)
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import FORWARDED_PREFIX, FORWARDING, Meaning, fields_of, spelling
from lbtrace.http_fields.lines import field_lines
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Request
from lbtrace.model.net import Side
from lbtrace.model.pairing import Pattern
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import distinct, first_met
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.FORWARDING)
# A field that names a proxy is no claim of the client's about itself.
CLAIMS = fields_of(FORWARDING & ~Meaning.PROXY)
FATE = {
    "appended": "appended to it: {before} became {after}. The leftmost entry is what the client "
    "claims.",
    "passed-on": "passed it on unchanged: {before}. The backend cannot tell it from a statement of "
    "the balancer.",
    "replaced": "replaced it: {before} became {after}. The client cannot choose it.",
    "removed": "removed it: {before}.",
}
ORDER = sorted(FATE)
REMEDY = {
    "appended": "At the backend, count entries from the right: only those appended by your own "
    "balancers are true.",
    "passed-on": "Let the balancer replace or remove this field, or ignore it at the backend.",
}


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per field and fate."""
    states_client = any(
        c.request and c.behaviour is Pattern.CLIENT_ADDRESS for c in comparison.correlation.changes
    )
    heads = comparison.request_heads
    for name in sorted(present(comparison, CLAIMS)):
        sent, arrived, texts = field_values(comparison, name).of(heads)
        rows = np.flatnonzero(sent != ABSENT)
        first, which = first_met(joint(sent[rows], arrived[rows]))
        fates = np.array(
            [
                ORDER.index(_fate(texts[sent[row]], texts[arrived[row]]))
                for row in rows[first].tolist()
            ],
            np.int64,
        )[which]
        for fate in distinct(fates).tolist():
            yield _finding(
                comparison, name, ORDER[fate], heads.where(rows[fates == fate]), states_client
            )


def _fate(before: str | None, after: str | None) -> str:
    """What became of the values of a field, joined."""
    if before is None or after is None:
        return "removed"
    sent, now = before.replace(" ", ""), after.replace(" ", "")
    if now == sent:
        return "passed-on"  # perhaps lines were joined, but nothing was added
    return "appended" if now.startswith(f"{sent},") else "replaced"


def _finding(
    comparison: Comparison, name: str, fate: str, pairs: Pairs, states_client: bool
) -> Finding:
    sent, arrived = pairs[0].requests
    if fate == "passed-on":
        severity = (
            Severity.MEDIUM if states_client and name.startswith(FORWARDED_PREFIX) else Severity.LOW
        )
    else:
        severity = (
            Severity.LOW
            if fate == "appended" and name in fields_of(Meaning.CLIENT_ADDRESS)
            else Severity.INFO
        )
    return KIND.finding(
        fate,
        severity,
        confidence_of(pairs),
        "The client itself sent {field} in {count} requests. The balancer " + FATE[fate],
        comparison.request_frames(pairs),
        field=spelling(name),
        before=_joined(sent, name),
        after=_joined(arrived, name),
        count=len(pairs),
        remedy=REMEDY.get(fate, ""),
    ).about(comparison.asked(Side.CLIENT, pairs.client))


def _joined(request: Request, name: str) -> str:
    return " | ".join(line.raw for line in field_lines(request, name))
