"""Redirects without the prefix that the balancer takes off the targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings.messages.redirects.seen import Redirect, following, frames
from lbtrace.findings.messages.redirects.urls import below
from lbtrace.model.http import MIN_ERROR
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity


def prefix_lost(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """Redirects to a path of the same host without the prefix that the backend does not know of,
    because the balancer takes it off.
    """
    lost = [
        (r, prefix)
        for r in redirects
        if (prefix := _taken_off(comparison, r))
        and r.leads_to[:3] == r.asked[:3]
        and not below(r.leads_to.path, prefix)
    ]
    if not lost:
        return
    prefix = lost[0][1]
    those = [r for r, one in lost if one == prefix]
    failed = [status for r in those if (status := _got_there(comparison, r)) >= MIN_ERROR]
    yield kind.finding(
        "prefix",
        Severity.MEDIUM if failed else Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} redirects {count:leads|lead} to {location}, without the prefix {prefix} "
        "that the balancer takes off the targets for the backend."
        + (" Clients that followed got {statuses}." if failed else ""),
        frames(comparison, those),
        count=len(those),
        of=len(redirects),
        location=those[0].location,
        prefix=prefix,
        statuses=counted(map(str, failed)) if failed else None,
        remedy="Let the balancer put the prefix back (nginx: proxy_redirect; Apache httpd: "
        "ProxyPassReverse), or leave it in the target and tell the backend of it "
        "(X-Forwarded-Prefix, a context path).",
    ).about(comparison.asked(Side.CLIENT, np.array([r.exchange for r in those])))


def _taken_off(comparison: Comparison, redirect: Redirect) -> str:
    """The prefix that the target behind the balancer lacks; "" if none."""
    if redirect.row is None:
        return ""
    backend = comparison.sides[1]
    exchange = int(comparison.pairs.backend[redirect.row])
    if not backend.requests.there[exchange]:
        return ""
    target = backend.words.text_list[backend.requests.start[exchange]]
    asked = redirect.asked.path
    return asked.removesuffix(target) if target[:1] == "/" and asked.endswith(target) else ""


def _got_there(comparison: Comparison, redirect: Redirect) -> int:
    """What the client got that then asked for the URL it was sent to; 0 if it did not."""
    client = comparison.sides[0]
    target = client.words.texts.get(redirect.leads_to.path, -1)
    answers = client.responses
    got = (
        answers.start[row] for row in following(comparison, redirect, target) if answers.there[row]
    )
    return int(next(got, 0))
