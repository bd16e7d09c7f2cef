"""Cookies whose Domain is the backend's own host: clients refuse them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, field_values
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.messages.redirects.urls import split_host
from lbtrace.http_fields import (
    HOST,
    SET_COOKIE,
)
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity


def refused_cookies(kind: FindingKind, comparison: Comparison) -> Iterator[Finding]:
    """Cookies whose Domain is the backend's own host: the client refuses them (RFC 6265 §5.3)."""
    pairs = comparison.response_heads
    _, set_by, cookies = field_values(comparison, SET_COOKIE, response=True).of(pairs)
    hosts, got, texts = field_values(comparison, HOST).of(pairs)
    rows = np.flatnonzero(set_by != 0)
    refused: dict[tuple[int, int, int], str] = {}
    strange: list[int] = []
    for row in rows.tolist():
        key = (int(set_by[row]), int(hosts[row]), int(got[row]))
        if key not in refused:
            refused[key] = _refused_domain(
                cookies[key[0]] or "", texts[key[1]] or "", texts[key[2]] or ""
            )
        if refused[key]:
            strange.append(row)
    if not strange:
        return
    shown = pairs.where(np.array(strange, np.int64))
    first = strange[0]
    yield kind.finding(
        "cookie-domain",
        Severity.MEDIUM,
        Confidence.HIGH,
        "{count} of {of} responses with a cookie {count:sets|set} it for {domain}, a host the "
        "client did not "
        "ask for ({host}): the client refuses such a session cookie.",
        [*comparison.request_frames(shown), *comparison.response_frames(shown)],
        count=len(strange),
        of=len(rows),
        domain=refused[int(set_by[first]), int(hosts[first]), int(got[first])],
        host=texts[hosts[first]] or "(absent)",
        remedy=(
            "Pass the client's Host on, or let the balancer rewrite the cookie (nginx: "
            "proxy_cookie_domain; Apache httpd: ProxyPassReverseCookieDomain)."
        ),
    )


def _refused_domain(cookies: str, host: str, got: str) -> str:
    """The Domain of one of the cookies that names the backend's Host and does not cover the
    client's; "" when there is none."""
    asked, inner = split_host(host)[0], split_host(got)[0]
    if not asked or not inner or asked == inner:
        return ""
    for attribute in cookies.split(";"):
        name, _, value = attribute.partition("=")
        domain = value.split(",")[0].strip().lstrip(".").lower()
        if name.strip().lower() != "domain" or not domain:
            continue
        covers = asked == domain or asked.endswith(f".{domain}")
        if not covers and (inner == domain or inner.endswith(f".{domain}")):
            return domain
    return ""
