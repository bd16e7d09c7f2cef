"""Host and request target.

Meaning:
    Whether the backend gets the same Host and the same request target that the client sent. Virtual
    hosts, redirects and links at the backend depend on both.
Decided by:
    Host and request target of every pair are compared. A target in absolute form that becomes
    origin form with the same path changes only its form (RFC 9112 §3.2).
Evidence:
    The request heads of a changed pair, or of an unchanged one if none changed, on both sides.
Remedy:
    If the backend needs the client's Host: `proxy_set_header Host $host` (nginx),
    `ProxyPreserveHost On` (Apache httpd), or the preserve-host attribute of the balancer.
Variants:
    host-changed: the backend gets another Host.
    host-refused: another Host, and every answer to it is an error. Where the target was changed,
        too, that is told instead of it.
    target-refused: another target, and every answer to it is an error.
    host-kept: it gets the client's Host.
    target-changed: the backend is asked for another target.
    target-kept: it is asked for the client's target.
    method-changed: it gets another method.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import ABSENT, Comparison, Pair, Pairs, confidence_of, field_values
from lbtrace.comparison.not_compared import requests_not_compared
from lbtrace.comparison.targets import changed_targets
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.http_fields import HOST
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import among

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, HOST)
NOT_SERVED = (400, 403, 404, 421)  # what servers say to a name that is not theirs
NOT_THERE = (*NOT_SERVED, 405, 410)  # … and to a resource that it does not have
FORM = (", in ", ", the port apart")  # other changes than of the name


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for Host, one for the target, one for the method should it differ."""
    yield from _host(comparison)
    yield from _target(comparison)


def _host(comparison: Comparison) -> Iterator[Finding]:
    heads = comparison.request_heads
    sent, arrived, texts = field_values(comparison, HOST).of(heads)
    given = (sent != ABSENT) | (arrived != ABSENT)
    if not given.any():
        return
    changed = bool((sent != arrived).any())
    left = requests_not_compared(comparison, heads)
    shown = np.flatnonzero(sent != arrived if changed else given)
    pairs = heads.where(shown)
    before, after = texts[sent[shown[0]]], texts[arrived[shown[0]]]
    note = _host_change(comparison, pairs[0], before, after) if changed else ""
    if changed and not note.startswith(FORM):
        yield from _refused(comparison, pairs, before, after)
    yield KIND.finding(
        "host-changed" if changed else "host-kept",
        Severity.INFO,
        confidence_of(pairs),
        "Host is changed in {count} of {of} requests: {before} becomes {after}" + note + "."
        if changed
        else "Host reaches the backend as the client sent it, in {count} of {of} requests"
        + (" ({not_compared} more could not be compared)." if left else "."),
        comparison.request_frames(pairs),
        count=len(shown),
        of=int(given.sum()),
        not_compared=left,
        before=before if before is not None else "(absent)",
        after=after if after is not None else "(absent)",
    )


def _refused(
    comparison: Comparison, pairs: Pairs, before: str | None, after: str | None
) -> Iterator[Finding]:
    """Requests whose Host was replaced, and that the backend answered with an error, all of them:
    it may not serve that name.
    """
    pairs = pairs.where(~among(pairs.place, changed_targets(comparison).place))
    statuses = comparison.sides[1].responses.start[pairs.backend]
    if not len(pairs) or not np.isin(statuses, NOT_SERVED).all():
        return
    yield KIND.finding(
        "host-refused",
        Severity.MEDIUM,
        Confidence.MEDIUM,
        "The balancer sends the backend Host: {after} instead of the client's {before}, and the "
        "backend answered {count:this request|each of these requests} with an error: {statuses}. "
        "It may not serve that name.",
        comparison.response_frames(pairs),
        count=len(pairs),
        before=before or "(absent)",
        after=after or "(absent)",
        statuses=counted(map(str, statuses.tolist())),
        remedy="Pass the client's Host on (nginx: proxy_set_header Host $host; Apache httpd: "
        "ProxyPreserveHost On), or let the backend serve that name.",
    )


def _not_found(comparison: Comparison) -> Iterator[Finding]:
    """Requests whose target was changed, and that the backend answered with an error, all of them:
    it may not have that resource.
    """
    pairs = changed_targets(comparison)
    statuses = comparison.sides[1].responses.start[pairs.backend]
    if not len(pairs) or not np.isin(statuses, NOT_THERE).all():
        return
    before, after = pairs[0].requests
    host, other, _ = field_values(comparison, HOST).of(pairs)
    yield KIND.finding(
        "target-refused",
        Severity.MEDIUM,
        Confidence.MEDIUM,
        "The balancer asks the backend for another target than the client, for example {after} "
        "instead of {before}"
        + (", and under another Host" if (host != other).any() else "")
        + ". The backend answered {count:this request|each of these requests} with an error: "
        "{statuses}.",
        comparison.response_frames(pairs),
        count=len(pairs),
        before=before.target,
        after=after.target,
        statuses=counted(map(str, statuses.tolist())),
        remedy="Look at how the balancer rewrites paths. In nginx, proxy_pass with a path, even / "
        "alone, decodes the client's path and replaces its prefix.",
    )


def _host_change(comparison: Comparison, pair: Pair, before: str | None, after: str | None) -> str:
    if after is None or before is None:
        return ""
    server = pair.backend_connection.server
    if after in (server.address, str(server), f"[{server.address}]"):
        return ", the backend's own address"
    if before.lower() == after.lower():
        return ", in lower case" if after == before.lower() else ", in other letter case"
    if before.rpartition(":")[0] == after or after.rpartition(":")[0] == before:
        return ", the port apart"
    return ""


def _target(comparison: Comparison) -> Iterator[Finding]:
    (client, backend), targets = comparison.sides, comparison.request_heads
    if not len(targets):
        return
    q, p = client.requests, backend.requests
    changed = targets.where(q.start[targets.client] != p.start[targets.backend])
    left = requests_not_compared(comparison, targets)
    form_only = not len(changed_targets(comparison))
    yield from _not_found(comparison)
    pairs = changed if len(changed) else targets
    before, after = pairs[0].requests
    yield KIND.finding(
        "target-changed" if len(changed) else "target-kept",
        Severity.INFO,
        confidence_of(pairs),
        (
            "The request target is changed in {count} of {of} requests, for example {before} "
            "becomes {after}" + (", the same resource in another form." if form_only else ".")
        )
        if len(changed)
        else "The request target reaches the backend as the client sent it, in {count} of {of} "
        "requests" + (" ({not_compared} more could not be compared)." if left else "."),
        comparison.request_frames(pairs),
        count=len(pairs),
        of=len(targets),
        not_compared=left,
        before=before.target,
        after=after.target,
    )
    methods = targets.where(client.method[targets.client] != backend.method[targets.backend])
    if len(methods):
        before, after = methods[0].requests
        yield KIND.finding(
            "method-changed",
            Severity.LOW,
            confidence_of(methods),
            "The method is changed in {count} of {of} requests, for example {before} becomes "
            "{after}.",
            comparison.request_frames(methods),
            count=len(methods),
            of=len(targets),
            before=before.method,
            after=after.method,
            remedy=(
                "A cache that fetches with GET to answer HEAD does this; anything else deserves a "
                "look."
            ),
        )
