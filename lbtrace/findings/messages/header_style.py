"""Header style.

Meaning:
    How field names are written and ordered on each side. A proxy that parses heads and writes them
    again leaves its own style: all lower case (HAProxy, Envoy), Go's canonical case in sorted order
    (Traefik, Caddy), or the client's style.
Decided by:
    The field names of every paired request: all in lower case; all in canonical case, and sorted
    after Host and User-Agent; or as the client wrote them. Requests of HTTP/2 are left out: there
    all names are in lower case (RFC 9113 §8.2.1).
Evidence:
    The request heads of example pairs on both sides.
Remedy:
    Field names are case-insensitive. If a backend depends on letter case or order, the error is the
    backend's, not the balancer's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.comparison.field_values import Spelling
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields.lines import is_canonical, sorted_by_go
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.FIELDS,)
MIN_FIELDS = 5  # of the longest head: fewer may be sorted by chance


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding when the style differs between the sides."""
    (client, backend), spelled = comparison.sides, Spelling(comparison.sides[0].words)
    both, http2 = comparison.request_heads, client.words.texts.get("HTTP/2", -1)
    both = both.where(
        (client.requests.version[both.client] != http2)
        & (backend.requests.version[both.backend] != http2)
    )
    if not len(both):
        return
    before = _style(spelled.heads(client.requests.heads, both.client))
    after = _style(spelled.heads(backend.requests.heads, both.backend))
    if before == after:
        return
    yield KIND.finding(
        "",
        Severity.INFO,
        confidence_of(both),
        "Request field names are {before} on the client side and {after} on the backend side "
        "({count} requests).",
        comparison.request_frames(both),
        before=before,
        after=after,
        count=len(both),
    )


def _style(heads: Collection[tuple[str, ...]]) -> str:
    """Heads, each as its field names in order → what they have in common, in words."""
    names = {name for head in heads for name in head if name}
    if all(n == n.lower() for n in names):
        return "in lower case"
    if not all(map(is_canonical, names)):
        return "in mixed case"
    ordered = all(map(_sorted, heads)) and any(len(head) >= MIN_FIELDS for head in heads)
    return "in canonical case, sorted" if ordered else "in canonical case"


def _sorted(head: Sequence[str]) -> bool:
    rest = sorted_by_go(head)
    return rest == sorted(rest)
