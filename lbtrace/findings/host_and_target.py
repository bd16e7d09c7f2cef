"""Host and request target.

Meaning:
    Whether the backend is asked for the same host and the same target as the client asked for: virtual hosts, redirects and links
    at the backend depend on both.
Decided by:
    Comparing Host and the request target of every pair. A target in absolute form that becomes origin form with the same path
    is a change of form only (RFC 9112 §3.2).
Evidence:
    The request heads of a changed (or an unchanged) pair on both sides.
Remedy:
    If the backend needs the client's Host: `proxy_set_header Host $host` (nginx), `ProxyPreserveHost On` (Apache httpd), or the
    preserve-host attribute of the balancer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lbtrace.case import Case, Match, confidence_of, evidence
from lbtrace.fields import field_value
from lbtrace.model.http import Request
from lbtrace.model.report import Finding, Severity, Value
from lbtrace.side_table import NOT_SAID, SAID_AGAIN

TITLE = "Host and request target"


def find(case: Case) -> Iterator[Finding]:
    """One finding for Host, one for the target, one for the method should it differ."""
    yield from _host(case)
    yield from _target(case, case.request_heads)


def _host(case: Case) -> Iterator[Finding]:
    heads, (front, back) = case.request_heads, case.request_rows
    sent, arrived = (t.requests.said(t.words, "host")[rows] for t, rows in zip(case.sides, (front, back), strict=True))
    given = (sent != NOT_SAID) | (arrived != NOT_SAID)
    if not given.any():
        return
    doubtful = np.flatnonzero((sent != arrived) | (sent == SAID_AGAIN)).tolist()
    changed = [i for i in doubtful if field_value(heads[i][1], "Host") != field_value(heads[i][2], "Host")]
    shown = changed or np.flatnonzero(given).tolist()
    matches = [heads[i][0] for i in shown]
    before, after = (field_value(head, "Host") for head in heads[shown[0]][1:])
    note = _host_change(case, matches[0], before, after) if changed else ""
    yield Finding(
        "host-and-target.host-changed" if changed else "host-and-target.host-kept",
        TITLE,
        Severity.INFO,
        confidence_of(matches),
        "Host is changed in {count} of {of} requests: {before} becomes {after}" + note + "."
        if changed
        else "Host reaches the backend as the client sent it, in {count} of {of} requests.",
        (
            Value("count", len(shown), "count"),
            Value("of", int(given.sum()), "count"),
            Value("before", before if before is not None else "(absent)"),
            Value("after", after if after is not None else "(absent)"),
        ),
        evidence(case.request_frames(matches)),
    )


def _host_change(case: Case, match: Match, before: str | None, after: str | None) -> str:
    if after is None or before is None:
        return ""
    server = match.back_connection.server
    if after in (server.address, str(server), f"[{server.address}]"):
        return ", the backend's own address"
    if before.lower() == after.lower():
        return ", in lower case" if after == before.lower() else ", in other letter case"
    if before.rpartition(":")[0] == after or after.rpartition(":")[0] == before:
        return ", the port apart"
    return ""


def _target(case: Case, targets: Sequence[tuple[Match, Request, Request]]) -> Iterator[Finding]:
    if not targets:
        return
    (client, backend), (front, back) = case.sides, case.request_rows
    q, p = client.requests, backend.requests
    changed = [targets[i] for i in np.flatnonzero(q.start[front] != p.start[back]).tolist()]
    form_only = [c for c in changed if origin_form(c[1].target) == origin_form(c[2].target)]
    shown = changed or list(targets)
    matches = [m for m, _, _ in shown]
    yield Finding(
        "host-and-target.target-changed" if changed else "host-and-target.target-kept",
        TITLE,
        Severity.INFO,
        confidence_of(matches),
        (
            "The request target is changed in {count} of {of} requests, for example {before} becomes {after}"
            + (", the same resource in another form." if len(form_only) == len(changed) else ".")
        )
        if changed
        else "The request target reaches the backend as the client sent it, in {count} of {of} requests.",
        (
            Value("count", len(shown), "count"),
            Value("of", len(targets), "count"),
            Value("before", shown[0][1].target),
            Value("after", shown[0][2].target),
        ),
        evidence(case.request_frames(matches)),
    )
    methods = [targets[i] for i in np.flatnonzero(q.method[front] != p.method[back]).tolist()]
    if methods:
        yield Finding(
            "host-and-target.method-changed",
            TITLE,
            Severity.LOW,
            confidence_of([m for m, _, _ in methods]),
            "The method is changed in {count} of {of} requests, for example {before} becomes {after}.",
            (
                Value("count", len(methods), "count"),
                Value("of", len(targets), "count"),
                Value("before", methods[0][1].method),
                Value("after", methods[0][2].method),
            ),
            evidence(case.request_frames(m for m, _, _ in methods)),
            "A cache that fetches with GET to answer HEAD does this; anything else deserves a look.",
        )


def origin_form(target: str) -> str:
    """A target without scheme and authority, so that absolute and origin form of one resource are equal."""
    scheme, separator, rest = target.partition("://")
    if not separator or "/" in scheme:
        return target
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"
