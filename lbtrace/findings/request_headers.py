"""Request header fields.

Meaning:
    Which fields the balancer adds to requests, removes, changes, re-cases or re-orders, and how
    each behaves: a constant, the client's address, another value each time, something appended.
Decided by:
    Comparing both heads of every pair line by line; raw lines, so order, letter case and repeated
    lines count. Fields that belong to one hop (RFC 9110 §7.6.1) are listed apart, because they may
    differ.
Evidence:
    The request heads of an example pair on both sides, with the line before and after.
Remedy:
    None: this is what the balancer is set to do. Compare it with what you set.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._changes import header_findings
from lbtrace.model.report import Finding

TITLE = "Request header fields"


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per changed field, grouped where a list says more."""
    yield from header_findings(comparison, True, "request-headers", TITLE)
