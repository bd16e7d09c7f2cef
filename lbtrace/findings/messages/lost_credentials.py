"""Credentials that do not arrive.

Meaning:
    The client sends a field with a credential or a session (Authorization, Cookie, an API key), the
    balancer takes it off, and the backend refuses these requests for want of it.
Decided by:
    Both request heads of a pair, whole: the field is in the client's and not in the backend's. The
    backend answered every such request 401 or 403, and the balancer passed that on. A field whose
    name alone keeps it from being passed on is told by refused-messages. A cookie that the backend
    sets is lost if the response that the client got has no Set-Cookie, and no request brings a
    cookie of that name.
Evidence:
    The requests on both sides, and the answers.
Remedy:
    Pass the field on: no `proxy_set_header Authorization ""` (nginx), no `http-request del-header`
    (HAProxy), no `RequestHeader unset` (Apache httpd). A balancer that asks for a login itself
    (`auth_basic`) takes the field for its own. A cookie: no `proxy_hide_header Set-Cookie`
    (nginx), no cache that keeps such responses.
Variants:
    never-given: a cookie that the backend sets and the client never gets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import ABSENT, Comparison, confidence_of, field_values, present
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted, few
from lbtrace.http_fields import COOKIE, SET_COOKIE, Meaning, fields_of, spelling
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import FORBIDDEN, UNAUTHORIZED
from lbtrace.model.net import Side
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, *sorted(fields_of(Meaning.SECRET)))
EXAMPLES = 2
REMEDY = (
    "Let the balancer pass the field on (look for proxy_set_header in nginx, del-header in "
    "HAProxy, RequestHeader unset in Apache httpd). One that asks for a login itself takes it for "
    "its own."
)
COOKIES = (
    "Let the balancer pass Set-Cookie on (look for proxy_hide_header and proxy_ignore_headers in "
    "nginx, del-header in HAProxy, Header unset in Apache httpd; a cache strips it where it may "
    "keep the response)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a field, then one of cookies that are lost on the way back."""
    yield from _of_requests(comparison)
    yield from _cookies(comparison)


def _cookies(comparison: Comparison) -> Iterator[Finding]:
    """Responses whose Set-Cookie does not reach the client, if no client ever brings such a
    cookie.
    """
    heads = comparison.response_heads
    heads = heads.where(heads.alone)
    got, given, texts = field_values(comparison, SET_COOKIE, response=True).of(heads)
    lost = (given != ABSENT) & (got == ABSENT)
    if not lost.any():
        return
    names = {(texts[n] or "").partition("=")[0].strip() for n in given[lost].tolist()}
    brought, _, values = field_values(comparison, COOKIE)
    carried = {
        each.partition("=")[0].strip()
        for n in np.unique(brought).tolist()
        for each in (values[n] or "").split(";")
    }
    if names & carried:
        return
    pairs = heads.where(lost)
    yield KIND.finding(
        "never-given",
        Severity.LOW,
        confidence_of(pairs),
        "The balancer takes Set-Cookie off {count} of {of} responses that have it, and no request "
        "brings such a cookie ({names}): clients never get it.",
        comparison.response_frames(pairs[:EXAMPLES]),
        remedy=COOKIES,
        count=len(pairs),
        of=int((given != ABSENT).sum()),
        names=few(sorted(names)),
    ).about(comparison.asked(Side.CLIENT, pairs.client))


def _of_requests(comparison: Comparison) -> Iterator[Finding]:
    heads = comparison.request_heads
    heads = heads.where(heads.answered & heads.alone)
    statuses = comparison.sides[1].responses.start[heads.backend]
    refused = np.isin(statuses, (UNAUTHORIZED, FORBIDDEN))
    if not refused.any():
        return
    for field in present(comparison, fields_of(Meaning.SECRET) - fields_of(Meaning.ONE_HOP)):
        sent, arrived, _ = field_values(comparison, field).of(heads)
        lost = (sent != ABSENT) & (arrived == ABSENT)
        if not lost.any() or not refused[lost].all():
            continue
        pairs = heads.where(lost)
        yield KIND.finding(
            "",
            Severity.MEDIUM,
            confidence_of(pairs),
            "The balancer takes {field} off {count} of {of} requests that carry it, and the "
            "backend refused each of them: {statuses}.",
            [
                *comparison.request_frames(pairs[:EXAMPLES]),
                *comparison.response_frames(pairs[:EXAMPLES]),
            ],
            note="the requests and the answers",
            remedy=REMEDY,
            field=spelling(field),
            count=len(pairs),
            of=int((sent != ABSENT).sum()),
            statuses=counted(map(str, statuses[lost].tolist())),
        ).about(comparison.asked(Side.CLIENT, pairs.client))
