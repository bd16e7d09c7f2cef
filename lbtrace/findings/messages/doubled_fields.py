"""Fields that come twice.

Meaning:
    The backend and the balancer each write a field by which a browser decides whether a page of
    another origin may read the response (CORS). A browser that gets two of it refuses the response,
    though both values would do alone.
Decided by:
    Both response heads of a pair: the client got a second line of a field that the backend sent.
Evidence:
    The response heads of an example pair.
Remedy:
    Let one of the two write it: `proxy_hide_header` before `add_header` (nginx), `set-header` in
    place of `add-header` (HAProxy), `Header set` in place of `Header add` (Apache httpd).
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import Meaning, fields_of
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import ChangeKind, Confidence
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, *sorted(fields_of(Meaning.ONE_VALUE)))


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a field."""
    for change in comparison.correlation.changes:
        if (
            change.request
            or change.kind is not ChangeKind.DUPLICATED
            or change.name.lower() not in fields_of(Meaning.ONE_VALUE)
        ):
            continue
        pair = comparison.correlation.pairs[change.example]
        yield KIND.finding(
            "",
            Severity.MEDIUM,
            Confidence.HIGH,
            "{field} reaches the client twice in {count} of {of} responses: the backend wrote "
            "{before}, the balancer added {after}. Browsers refuse a response with two of it.",
            [
                comparison.response_frame(Side.CLIENT, pair.client),
                comparison.response_frame(Side.BACKEND, pair.attempts[-1].backend),
            ],
            remedy="Let one of the two write it (nginx: proxy_hide_header before add_header; "
            "HAProxy: http-response set-header in place of add-header; Apache httpd: Header set).",
            field=change.name,
            count=change.count,
            of=change.of,
            before=change.before,
            after=change.after,
        )
