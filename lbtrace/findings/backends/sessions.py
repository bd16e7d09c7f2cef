"""Session cookies and backends.

Meaning:
    Whether a session reached the backend that knows it: a cookie that one backend had set was sent
    to another backend. Unless the backends share their sessions, the user is logged out, or a cart
    is empty. Whether a cache hands a session out to others. And by which cookies the balancer binds
    clients to backends.
Decided by:
    Cookies that look like a session (by name, or with a value of 16 characters or more) and that
    exactly one captured backend set with this value; then the backends that requests with the same
    name and value reached. A cookie that only the client side shows is the balancer's own. Values
    are compared and never shown.
Evidence:
    The response that set the cookie, and the request that took it to another backend.
Remedy:
    Turn stickiness on (`cookie SERVERID insert` of HAProxy, `sticky` of nginx, target group
    stickiness of an ALB), or keep sessions where all backends find them (a database, Redis, or a
    signed cookie that holds the session).
Variants:
    another-backend: a backend got the session of another one.
    another-server: the same in one capture, which need not show backends.
    from-cache: a cache gave the session that a backend had opened for one request to others.
    given-again: the same, where nothing else shows a cache.
    sticky: a cookie of the balancer's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, confidence_of
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.http_fields import COOKIE, SET_COOKIE, Meaning, fields_of
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedDetail, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.messages import Messages
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, *sorted(fields_of(Meaning.COOKIE)))
ONE_CAPTURE = True
LONG = 16  # characters: what is shorter may be a setting that many clients share
CACHE_REMEDY = (
    "Do not keep responses that set a cookie (Varnish: beresp.uncacheable; nginx: no "
    "proxy_ignore_headers Set-Cookie), and let the backend send Cache-Control: private."
)
SESSION_WORDS = ("sess", "sid", "auth", "token")
# cookies that balancers set to bind a client to a backend, by the beginning of their names
STICKY = {
    "AWSALB": "AWS ALB",
    "AWSELB": "AWS Classic Load Balancer",
    "SERVERID": "HAProxy",
    "SRVNAME": "HAProxy",
    "route": "nginx",
    "INGRESSCOOKIE": "ingress-nginx",
    "BIGipServer": "F5 BIG-IP",
    "citrix_ns_id": "NetScaler",
    "GCLB": "Google Cloud",
    "ARRAffinity": "Azure App Service",
    "ApplicationGatewayAffinity": "Azure Application Gateway",
    "ROUTEID": "Apache httpd",
}


class Cookie(NamedTuple):
    """A cookie as it was set or sent."""

    name: str
    value: str


class _Move(NamedTuple):
    """A request that brought a cookie to a backend: exchanges of the backend side."""

    cookie: Cookie
    set_in: int
    request: int


def find(comparison: Comparison) -> Iterator[Finding]:
    """Sessions that went to another backend, then the balancer's own cookies."""
    yield from _moved(comparison)
    if not comparison.alone:
        yield from _from_cache(comparison)
        yield from _sticky(comparison)


def _moved(comparison: Comparison) -> Iterator[Finding]:
    side = comparison.captured[-1]
    backend = comparison.table(side)
    server = backend.servers[backend.connection]
    if len(distinct(server)) < 2:
        return  # there is no other
    makers = _makers(backend)
    checks = comparison.check_exchanges if side is Side.BACKEND else np.zeros(len(backend), bool)
    known = [move for move in _sent(backend, makers) if not checks[move.request]]
    moved = [m for m in known if server[m.request] != server[m.set_in]]
    if not moved:
        return
    requests, every = ({m.request for m in some} for some in (moved, known))
    anew = {m.request for m in moved if _sets(backend, m.request, m.cookie.name)}
    first = moved[0]
    yield KIND.finding(
        "another-server" if comparison.alone else "another-backend",
        # addresses of a balancer that all know the session look the same in one capture
        Severity.LOW if comparison.alone else Severity.MEDIUM,
        Confidence.HIGH,
        (
            "{count} of {of} requests with a session cookie that one server had set went to "
            "another server: {moves}. The cookies: {names}."
            if comparison.alone
            else "{count} of {of} requests with a session cookie that a captured backend had set "
            "went to another backend: {moves}. The cookies: {names}."
        )
        + (
            " The other one set the cookie anew in {anew} of them: it did not know the session."
            if anew
            else ""
        ),
        (
            comparison.response_frame(side, backend.ref(first.set_in)),
            comparison.request_frame(side, backend.ref(first.request)),
        ),
        note="the response that set the cookie, and the request that took it elsewhere",
        remedy="Turn stickiness on, or keep sessions where every backend finds them.",
        count=len(requests),
        of=len(every),
        moves="; ".join(
            dict.fromkeys(
                f"set by {backend.endpoint(int(server[m.set_in]))}, sent to "
                f"{backend.endpoint(int(server[m.request]))}"
                for m in moved[:3]
            )
        ),
        names=", ".join(sorted({m.cookie.name for m in moved})),
        anew=len(anew) or None,
    )


def _from_cache(comparison: Comparison) -> Iterator[Finding]:
    """Answers without a backend exchange that set a session cookie which a backend had set: the
    balancer's own, then those of which nobody is known to have made them.
    """
    makers = _makers(comparison.sides[1])
    for own in (True, False):
        rows = comparison.numbers(
            Side.CLIENT,
            [
                u.ref
                for u in comparison.correlation.unpaired
                if u.side == Side.CLIENT
                and (
                    u.reason is UnpairedReason.ANSWERED_BY_BALANCER
                    and u.confidence is not Confidence.LOW
                    if own
                    else u.detail is UnpairedDetail.OTHER_BACKEND
                )
            ],
        )
        found = _given_again(comparison, rows, makers)
        if found and not own:
            found = _not_brought(comparison, _covered(comparison, found))
        if found:
            yield _handed_out(comparison, found, makers, len(rows), own)


def _given_again(
    comparison: Comparison, rows: Column, makers: dict[Cookie, int]
) -> dict[int, Cookie]:
    """Those of these client exchanges whose answer sets a cookie that a backend had set."""
    client, wanted = comparison.sides[0], set(rows.tolist())
    found: dict[int, Cookie] = {}
    if wanted and makers:
        for exchange, text in _lines(client, client.responses, SET_COOKIE):
            cookie = _cookie(text.partition(";")[0])
            if exchange in wanted and cookie is not None and cookie in makers:
                found[exchange] = cookie
    return found


def _covered(comparison: Comparison, found: dict[int, Cookie]) -> dict[int, Cookie]:
    """Those that came while the backend captures are known to have run, between two that have a
    partner; none where one of these captures lacks packets, or a clock was set: then who has no
    partner may have one.
    """
    lacking = any(c.lacks_packets for c in comparison.sides[1].connections)
    if lacking or not len(comparison.pairs) or not comparison.steady():
        return {}
    begins = comparison.sides[0].requests.first_ns
    paired = begins[comparison.pairs.client]
    return {row: c for row, c in found.items() if paired.min() < begins[row] < paired.max()}


def _not_brought(comparison: Comparison, found: dict[int, Cookie]) -> dict[int, Cookie]:
    """Those whose request was captured whole and had not the cookie already: whose session it is,
    a backend may set it anew.
    """
    client = comparison.sides[0]
    known = client.requests.there & client.requests.whole_heads
    brought = {
        (exchange, _cookie(part))
        for exchange, text in _lines(client, client.requests, COOKIE)
        if exchange in found
        for part in text.split(";")
    }
    return {row: c for row, c in found.items() if known[row] and (row, c) not in brought}


def _handed_out(
    comparison: Comparison, found: dict[int, Cookie], makers: dict[Cookie, int], of: int, own: bool
) -> Finding:
    client, backend = comparison.sides
    rows = list(found)
    return KIND.finding(
        "from-cache" if own else "given-again",
        Severity.HIGH if own else Severity.MEDIUM,
        Confidence.HIGH if own else Confidence.MEDIUM,
        "{count} of {of} responses that the balancer gave itself {count:sets|set} a session cookie "
        "that a backend had set in its response to another request: whoever asks gets that "
        "session. The cookies: {names}."
        if own
        else "{count} of {of} responses without a known backend exchange {count:sets|set} a "
        "session cookie that a backend had set in its response to another request, and that the "
        "request had not brought: a cache gave that session to others, or a backend that was not "
        "captured did. The cookies: {names}.",
        [
            comparison.response_frame(Side.BACKEND, backend.ref(makers[found[rows[0]]])),
            *(comparison.response_frame(Side.CLIENT, client.ref(row)) for row in rows[:3]),
        ],
        note="the response of the backend, and those without one",
        remedy=CACHE_REMEDY,
        count=len(rows),
        of=of,
        names=few(cookie.name for cookie in found.values()),
    ).about(comparison.asked(Side.CLIENT, np.array(rows)))


def _makers(backend: SideTable) -> dict[Cookie, int]:
    """The session cookies that exactly one backend set, each with the first exchange that did."""
    makers: dict[Cookie, int] = {}
    several: set[Cookie] = set()
    server = backend.servers[backend.connection]
    for exchange, text in _lines(backend, backend.responses, SET_COOKIE):
        cookie = _cookie(text.partition(";")[0])
        if cookie is not None and _is_session(cookie):
            first = makers.setdefault(cookie, exchange)
            if server[first] != server[exchange]:
                several.add(cookie)
    return {cookie: exchange for cookie, exchange in makers.items() if cookie not in several}


def _sent(backend: SideTable, makers: dict[Cookie, int]) -> Iterator[_Move]:
    """Every time that one of these cookies was sent."""
    for exchange, text in _lines(backend, backend.requests, COOKIE):
        for part in text.split(";"):
            cookie = _cookie(part)
            if cookie in makers:
                yield _Move(cookie, makers[cookie], exchange)


def _sets(backend: SideTable, exchange: int, name: str) -> bool:
    """Whether the response of an exchange sets a cookie of this name."""
    lines = backend.responses.heads.lines(backend.words, exchange)
    return any(
        line.name.lower() == SET_COOKIE and line.value.partition("=")[0].strip() == name
        for line in lines
    )


def _lines(table: SideTable, messages: Messages, name: str) -> Iterator[tuple[int, str]]:
    """(exchange, value) of each line of a field in heads that were captured whole."""
    words = table.words
    exchanges, lines = messages.heads.which(words.fields_named(name.__eq__))
    whole = messages.whole_heads[exchanges]
    for exchange, line in zip(exchanges[whole].tolist(), lines[whole].tolist(), strict=True):
        yield exchange, words.line_list[line].value


def _cookie(text: str) -> Cookie | None:
    """A cookie-pair (RFC 6265 §4.1.1); None for what is none, or for an empty value."""
    name, equals, value = text.strip().partition("=")
    return Cookie(name.strip(), value.strip().strip('"')) if equals and value.strip() else None


def _is_session(cookie: Cookie) -> bool:
    name = cookie.name.lower()
    return len(cookie.value) >= LONG or any(word in name for word in SESSION_WORDS)


def _sticky(comparison: Comparison) -> Iterator[Finding]:
    """Cookies that clients got and no backend had set."""
    client, backend = comparison.sides
    pairs = comparison.response_heads
    pairs = pairs.where(pairs.alone)
    sets = client.responses.having(client.words, SET_COOKIE)
    setting = np.flatnonzero(sets[pairs.client])
    got, had = (
        _names_set(table, rows[setting])
        for table, rows in ((client, pairs.client), (backend, pairs.backend))
    )
    own = [sorted(a - b) for a, b in zip(got, had, strict=True)]
    which = np.zeros(len(pairs), bool)
    which[setting] = [bool(names) for names in own]
    if not which.any():
        return
    names = sorted({name for some in own for name in some})
    makers = sorted({maker for name in names for maker in _known(name)})
    yield KIND.finding(
        "sticky",
        Severity.INFO,
        confidence_of(pairs.where(which)),
        "The balancer set a cookie of its own in {count} of {of} responses: {names}"
        + (" ({makers})" if makers else "")
        + ". By such a cookie a client is bound to a backend (stickiness).",
        comparison.response_frames(pairs.where(which)),
        count=int(which.sum()),
        of=len(pairs),
        names=", ".join(names),
        makers=", ".join(makers) or None,
    )


def _names_set(table: SideTable, rows: np.ndarray) -> list[set[str]]:
    """Per row the names of the cookies that its response sets."""
    heads = table.responses.heads
    return [
        {
            line.value.partition("=")[0].strip()
            for line in heads.lines(table.words, row)
            if line.name.lower() == SET_COOKIE
        }
        for row in rows.tolist()
    ]


def _known(name: str) -> list[str]:
    """Whose cookie this is, by its name."""
    return [maker for beginning, maker in STICKY.items() if name.startswith(beginning)]
