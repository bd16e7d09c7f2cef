"""Redirects that send the client back to the URL that it asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.messages.redirects.seen import (
    MAX_BETWEEN_NS,
    Redirect,
    frames,
    of_client,
    protocols,
)
from lbtrace.findings.messages.redirects.urls import Asked, below, is_https
from lbtrace.http_fields import (
    COOKIE,
    SET_COOKIE,
    X_FORWARDED_PROTO,
    spelling,
)
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

MIN_TURNS = 3  # the same request redirected to itself: a person may ask twice
TELL_SCHEME = (
    "If TLS ends in front of this server, let the balancer say so (X-Forwarded-Proto: https), and "
    "let the server trust it. A health check can send the same field."
)


def loops(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """Requests that are sent back to the URL they asked for."""
    returning = [r for r in redirects if r.leads_to == r.asked]
    turns = _turns(returning)
    # a redirect that sets a cookie may be meant: the next request carries the cookie
    looping = [r for r in returning if not r.sets_cookie or turns[r.exchange] >= MIN_TURNS]
    if not looping:
        return
    sent, got = protocols(comparison, looping)
    overwritten = is_https(sent) and bool(got) and not is_https(got)
    lost = None if overwritten else _cookie_lost(comparison, looping)
    yield kind.finding(
        "loop",
        Severity.HIGH,
        Confidence.HIGH,
        "Redirect loop: {count} of {of} redirects {count:sends|send} the client back to the URL "
        "it asked for, "
        "for example {example}."
        + (
            " The request that reached the balancer says {field}: {sent}; the balancer overwrites "
            "it with {got}, and the backend redirects to https again."
            if overwritten
            else ""
        )
        + (
            " {setting} of them set the cookie {cookie}, and no request brings it back"
            + (
                ": its Path {path} does not cover {target}."
                if lost.path
                else ": it is Secure, and clients asked for plain http."
                if lost.secure
                else "."
            )
            if lost
            else ""
        ),
        frames(comparison, looping),
        count=len(looping),
        of=len(redirects),
        example=looping[0].location,
        **({"field": spelling(X_FORWARDED_PROTO), "sent": sent, "got": got} if overwritten else {}),
        setting=lost.setting if lost else None,
        cookie=lost.name if lost else None,
        path=lost.path or None if lost else None,
        target=looping[0].asked.path if lost and lost.path else None,
        remedy=(
            "Let the balancer pass X-Forwarded-Proto on as it came from the proxy that ends TLS, "
            "and let the backend trust it."
            if overwritten
            else "Let the balancer rewrite the cookie, so that clients send it back (nginx: "
            "proxy_cookie_path, proxy_cookie_domain, proxy_cookie_flags; Apache httpd: "
            "ProxyPassReverseCookiePath)."
            if lost
            else "Find out which URL the backend takes the request for: Host and X-Forwarded-Proto "
            "tell it what the client asked for."
        ),
    )


class _CookieLost(NamedTuple):
    """A cookie that redirects set and no client sends back. `path` is its Path where that does not
    cover the URL; `secure`: whether it is for TLS alone, and clients asked in the clear.
    """

    name: str
    setting: int
    path: str
    secure: bool


def _cookie_lost(comparison: Comparison, looping: list[Redirect]) -> _CookieLost | None:
    """The cookie that three or more redirects of a loop set and no request of it carries: the
    backend sends the client back because it does not come.
    """
    setting = [r for r in looping if r.sets_cookie]
    if len(setting) < MIN_TURNS:
        return None
    given = of_client(comparison, SET_COOKIE, response=True)
    brought = of_client(comparison, COOKIE)
    name, _, rest = (given.text(setting[-1].exchange) or "").partition("=")
    name, attributes = name.strip(), [a.partition("=")[0].strip().lower() for a in rest.split(";")]
    known = comparison.sides[0].requests.whole_heads[[r.exchange for r in looping]].all()
    back = any(f"{name}=" in (brought.text(r.exchange) or "") for r in looping)
    if back or not name or not known:
        return None
    path, asked = _attribute(rest, "path"), setting[-1].asked
    covers = not path.startswith("/") or below(asked.path, path.rstrip("/"))
    secure = "secure" in attributes[1:] and asked.scheme == "http"
    return _CookieLost(name, len(setting), "" if covers else path, secure)


def _attribute(cookie: str, attribute: str) -> str:
    """The value of an attribute of a Set-Cookie as it was written; "" without it."""
    for each in cookie.split(";")[1:]:
        name, _, value = each.partition("=")
        if name.strip().lower() == attribute:
            return value.strip()
    return ""


def to_https_again(
    kind: FindingKind, comparison: Comparison, redirects: list[Redirect]
) -> Iterator[Finding]:
    """The same request, head for head, that is sent to https of the same URL again and again. Where
    TLS ends in front of this capture, the client did come by https, and it goes round in a loop.
    """
    upgraded = [r for r in redirects if r.asked.scheme == "http" and _to_https(r)]
    (side,) = comparison.captured
    heads = comparison.table(side).requests.heads
    alike: dict[tuple[int, ...], list[Redirect]] = defaultdict(list)
    for r in upgraded:
        alike[tuple(heads.numbers(r.exchange))].append(r)
    looping: list[Redirect] = []
    for those in alike.values():
        turns = _turns(those)
        looping += [r for r in those if turns[r.exchange] >= MIN_TURNS]
    if looping:
        looping.sort(key=lambda r: r.began_ns)
        yield kind.finding(
            "https-again",
            Severity.MEDIUM,
            Confidence.MEDIUM,
            "The same request was redirected to https again and again, {count} times in all, for "
            "example to {example}: as in a redirect loop, where TLS ends in front of this server "
            "and nothing tells it so. A health check that follows no redirect looks the same.",
            frames(comparison, looping),
            remedy=TELL_SCHEME,
            count=len(looping),
            example=looping[0].location,
        ).about(comparison.asked(side, np.array([r.exchange for r in looping])))


def _to_https(r: Redirect) -> bool:
    """Whether a redirect leads from http to https of the same URL."""
    return r.leads_to.scheme == "https" and (r.leads_to.host, r.leads_to.path) == (
        r.asked.host,
        r.asked.path,
    )


def _turns(redirects: list[Redirect]) -> dict[int, int]:
    """Per exchange how many times in a row its client was sent back to this URL, each request
    following the redirect before it.
    """
    runs: dict[tuple[str, Asked], list[Redirect]] = {}
    turns: dict[int, int] = {}
    for r in sorted(redirects, key=lambda r: r.began_ns):
        run = runs.setdefault((r.client, r.asked), [])
        if run and not 0 <= r.began_ns - run[-1].ended_ns <= MAX_BETWEEN_NS:
            run.clear()
        run.append(r)
        for one in run if len(run) <= MIN_TURNS else (r,):
            turns[one.exchange] = len(run)
    return turns
