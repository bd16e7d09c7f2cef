"""Response header fields.

Meaning:
    Which fields the balancer adds to responses, removes, changes, re-cases or re-orders on the way
    back to the client.
Decided by:
    Both response heads of every pair are compared line by line. Hop-by-hop fields and framing
    fields are listed apart, because they may differ.
Evidence:
    The response heads of an example pair on both sides, with the line before and after.
Remedy:
    None: the balancer is configured to do this. Compare it with your configuration.
Variants:
    added: a field the backend did not send.
    changed: another value.
    removed: a field that does not reach the client.
    duplicated: a second line of it.
    re-cased: names in other letter case.
    re-ordered: another order.
    hop-by-hop: fields of one hop, which may differ.
    unchanged: nothing was touched.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.messages._changes import header_findings
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.report import Finding

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FIELDS)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per changed field, grouped where a list says more."""
    yield from header_findings(comparison, False, KIND)
