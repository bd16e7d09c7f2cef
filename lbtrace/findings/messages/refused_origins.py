"""Refused origins.

Meaning:
    A browser says by Origin from which site a request comes. Servers refuse what comes from another
    site than their own (a check against CSRF, and of WebSockets), and know their own by Host and by
    the scheme that they are told. Behind a balancer that changes Host, or that does not say https,
    requests from the site itself seem to come from another one.
Decided by:
    Requests whose Origin is the host that the client asked for, by pairs that stand alone, and that
    came to the backend with another Host. Or requests that came with that Host, on a plain
    connection, without a field that says https, though their Origin does. The backend answered each
    of these with 400, 403 or 422, and others well.
Evidence:
    The requests, and the answers of the backend.
Remedy:
    Pass Host on (`proxy_set_header Host $http_host` in nginx, `ProxyPreserveHost On` in Apache
    httpd), and state the scheme (`X-Forwarded-Proto`). Or name the site to the server: trusted
    origins, its root URL.
Variants:
    other-host: the balancer changes Host.
    scheme: the backend is not told https.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import numpy as np

from lbtrace.comparison import ABSENT, FRAMES_PER_SIDE, Comparison, field_values, present
from lbtrace.findings._kind import FindingKind, compared_with
from lbtrace.findings._names import counted, few
from lbtrace.findings._scheme import HTTPS, for_https
from lbtrace.findings._side import ends
from lbtrace.findings.messages.redirects.urls import is_https
from lbtrace.http_fields import HOST, ORIGIN, Meaning, fields_of
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FIELDS)
ONE_CAPTURE = True
REFUSED = (400, 403, 422)  # what checks of Origin answer with
PORTS = {"http": ":80", HTTPS: ":443"}
PASS_HOST = (
    "Pass the client's Host on (nginx: proxy_set_header Host $http_host; Apache httpd: "
    "ProxyPreserveHost On), or tell the server which site it is (its root URL, its trusted "
    "origins)."
)
TELL_SCHEME = (
    "Let the balancer say X-Forwarded-Proto: https, or keep what it got, and let the server trust "
    "it; or tell the server which site it is (its root URL, its trusted origins)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for a Host that is changed, one for a scheme that is not told."""
    side = comparison.captured[-1]
    table = comparison.table(side)
    r = table.responses
    known = table.requests.whole_heads & r.there & ~_checks(comparison, side)
    values = field_values(comparison, ORIGIN)
    origin = values.client if side is Side.CLIENT else values.backend
    rows = np.flatnonzero(known & (origin != ABSENT))
    if not len(rows):
        return
    asked, got = _hosts(comparison, side)
    told = _told_https(comparison, side)
    changed, plain = np.zeros(len(table), bool), np.zeros(len(table), bool)
    for row in rows.tolist():
        scheme, site = _site(values.texts[int(origin[row])])
        arrived = _authority(got[row], scheme)
        changed[row] = bool(site) and arrived != site and _authority(asked[row], scheme) == site
        plain[row] = bool(site) and arrived == site and scheme == HTTPS and not told[row]
    for variant, foreign in (("other-host", changed), ("scheme", plain)):
        good = known & ~foreign & (r.start < MIN_ERROR)
        if foreign.any() and np.isin(r.start[foreign], REFUSED).all() and good.any():
            here = np.flatnonzero(foreign)
            said = {values.texts[n] or "" for n in distinct(origin[here]).tolist()}
            hosts = {got[row] or "(absent)" for row in here.tolist()}
            found = _finding(comparison, side, variant, here, said, hosts)
            yield compared_with(found, _frames(comparison, side, np.flatnonzero(good)[:1]))


def _checks(comparison: Comparison, side: Side) -> Column:
    """Which exchanges of a side are health checks."""
    none = np.zeros(len(comparison.table(side)), bool)
    return comparison.check_exchanges if side is Side.BACKEND else none


def _hosts(comparison: Comparison, side: Side) -> tuple[dict[int, str | None], list[str | None]]:
    """(the Host that the client asked for, of exchanges of the backend side that have a partner of
    their own; the Host that came, of each exchange).
    """
    values = field_values(comparison, HOST)
    got = values.client if side is Side.CLIENT else values.backend
    asked: dict[int, str | None] = defaultdict(lambda: None)
    if side is Side.BACKEND:
        pairs = comparison.request_heads
        pairs = pairs.where(pairs.alone)
        texts = [values.texts[n] for n in values.client[pairs.client].tolist()]
        asked |= dict(zip(pairs.backend.tolist(), texts, strict=True))
    return asked, [values.texts[n] for n in got.tolist()]


def _told_https(comparison: Comparison, side: Side) -> Column:
    """Per exchange, whether its server knows that the client spoke https: by TLS, or by a field."""
    told: Column = for_https(comparison, side)[comparison.table(side).connection]
    for name in present(comparison, fields_of(Meaning.CLIENT_PROTOCOL)):
        values = field_values(comparison, name)
        https = np.array([bool(text) and is_https(text or "") for text in values.texts], bool)
        told = told | https[values.client if side is Side.CLIENT else values.backend]
    return told


def _site(origin: str | None) -> tuple[str, str]:
    """(scheme, authority) of an Origin; ("", "") of "null", and of what is no URL."""
    scheme, _, rest = (origin or "").strip().lower().partition("://")
    try:
        whole = urlsplit(f"//{rest}").hostname
    except ValueError:
        whole = None
    return (scheme, _authority(rest, scheme)) if whole else ("", "")


def _authority(host: str | None, scheme: str) -> str:
    """A host in lower case, without the port that its scheme has anyway."""
    return (host or "").strip().lower().removesuffix(PORTS.get(scheme, ":"))


def _finding(
    comparison: Comparison,
    side: Side,
    variant: str,
    rows: Column,
    origins: Iterable[str],
    hosts: Iterable[str],
) -> Finding:
    _, server = ends(comparison, side)
    by_host = variant == "other-host"
    return KIND.finding(
        variant,
        Severity.MEDIUM,
        Confidence.MEDIUM,
        "The {server} refused each of {count} requests that name the site itself as their Origin, "
        "{origin}: {statuses}. "
        + (
            "The balancer sends it Host: {host} instead, so these seem to come from another site."
            if by_host
            else "It is not told that the client spoke https, so these seem to come from another "
            "site."
        ),
        _frames(comparison, side, rows[: FRAMES_PER_SIDE // 2]),
        note="the requests, and the answers to them",
        remedy=PASS_HOST if by_host else TELL_SCHEME,
        server=server,
        count=len(rows),
        origin=few(sorted(origins)),
        host=few(sorted(hosts)) if by_host else None,
        statuses=counted(map(str, comparison.table(side).responses.start[rows].tolist())),
    ).about(comparison.asked(side, rows))


def _frames(comparison: Comparison, side: Side, rows: Column) -> list[FrameRef]:
    table = comparison.table(side)
    return [
        frame(side, table.ref(row))
        for row in rows.tolist()
        for frame in (comparison.request_frame, comparison.response_frame)
    ]
