"""Redirects that change more than the place: a POST becomes a GET, https becomes http."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings.messages.redirects.seen import (
    Redirect,
    following,
    frames,
    protocols,
    request_known,
)
from lbtrace.findings.messages.redirects.urls import DEFAULT_PORTS, is_https
from lbtrace.http_fields import (
    X_FORWARDED_PROTO,
    spelling,
)
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

TO_GET = (301, 302)  # of these, where clients change POST to GET and need not


def lost_method(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """POSTs that are sent to the same path elsewhere by 301 or 302, upon which clients change to
    GET (RFC 9110 §15.4.2); to another path that is meant.
    """
    client, text = comparison.sides[0], comparison.sides[0].words.text_list
    q, r = client.requests, client.responses
    moved = [
        m
        for m in redirects
        if int(r.start[m.exchange]) in TO_GET
        and q.there[m.exchange]
        and text[q.method[m.exchange]] == "POST"
        and m.leads_to != m.asked
        and m.leads_to.path == m.asked.path
    ]
    if not moved:
        return
    rows = np.array([m.exchange for m in moved])
    followed = sum(
        any(text[q.method[row]] == "GET" for row in following(comparison, m, q.start[m.exchange]))
        for m in moved
    )
    yield kind.finding(
        "method",
        Severity.MEDIUM,
        Confidence.HIGH,
        "{count} of {of} redirects {count:answers|answer} a POST with {statuses} and "
        "{count:leads|lead} to the same path, for example {example}: clients ask there with GET, "
        "and the body is lost."
        + (" {followed} of them were followed like that." if followed else ""),
        frames(comparison, moved),
        count=len(moved),
        of=len(redirects),
        statuses=counted(map(str, r.start[rows].tolist())),
        example=moved[0].location,
        followed=followed or None,
        remedy="Answer with 308 (or 307), which keeps the method, or let clients use the URL that "
        "it leads to.",
    ).about(comparison.asked(comparison.captured[0], rows))


def plain_http(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """Redirects of clients that asked for https, to http of the same host."""
    plain = [
        r
        for r in redirects
        if r.asked.scheme == "https"
        and r.leads_to[:3] == ("http", r.asked.host, DEFAULT_PORTS["http"])
    ]
    if not plain:
        return
    _, got = protocols(comparison, plain)
    known = not comparison.alone and all(request_known(comparison, r) for r in plain)
    yield kind.finding(
        "plain-http",
        Severity.MEDIUM,
        Confidence.HIGH,
        "{count} of {of} redirects {count:sends|send} a client that asked for https to http of "
        "the same host: {location}."
        + (
            " The request that the backend got says {field}: {got}."
            if got
            else " The request that the backend got has no {field}."
            if known
            else ""
        ),
        frames(comparison, plain),
        count=len(plain),
        of=len(redirects),
        location=plain[0].location,
        field=spelling(X_FORWARDED_PROTO) if got or known else None,
        got=got or None,
        remedy="Let the backend trust the X-Forwarded-Proto that it gets, if whoever ended TLS "
        "wrote it."
        if is_https(got)
        else "Tell the backend the scheme that the client used (nginx: proxy_set_header "
        "X-Forwarded-Proto $scheme; HAProxy: http-request set-header X-Forwarded-Proto https), and "
        "let it trust that field; or let the balancer rewrite Location (nginx: proxy_redirect).",
    )
