"""Redirects and cookies.

Meaning:
    Whether a client can follow what a response tells it: a Location or a cookie that names the
    backend's own address or host leads nowhere outside, a redirect back to the URL that was asked
    for is a redirect loop, and one from https to http of the same host gives TLS up: where it ends
    at the balancer, the backend does not know of it. A backend does not know either of a prefix
    that the balancer takes off the targets.
Decided by:
    Location (RFC 9110 §10.2.2) and the Domain of Set-Cookie (RFC 6265 §5.2.3) of the responses that
    reached the client, compared with the Host and target the client sent, with the Host and
    X-Forwarded-Proto the backend got, and with the address of the backend. A request in TLS, or one
    that says https in X-Forwarded-Proto or `:scheme`, asked for an https URL. A redirect to the
    very URL that was asked for is a loop, unless it sets a cookie and happens less than three times
    in a row. A cookie that three of them set, and that no request brings back, is named. In one
    capture the same request, head for head, that is redirected to https of its URL three times in a
    row may be in such a loop: TLS may end in front of the capture.
Evidence:
    The requests and the responses of the exchanges, on both sides where they are paired.
Remedy:
    Pass the client's Host and protocol on (`proxy_set_header Host $host`, X-Forwarded-Proto as the
    client sent it), or let the balancer rewrite Location and cookies (`proxy_redirect`,
    `proxy_cookie_domain`).
Variants:
    loop: back to the URL that was asked for.
    https-again: in one capture: to https of the same URL, again and again.
    method: a POST that becomes a GET.
    plain-http: from https to http of the same host.
    prefix: without the prefix that the balancer takes off the targets.
    own-address: to the backend's own address.
    port: to the default port, because Host reaches the backend without the client's port.
    private-address: in one capture: to a private address that nobody asked for.
    cookie-domain: a cookie that the client refuses.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import numpy as np

from lbtrace.comparison import Comparison, Pairs, field_values, once, present
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings._scheme import for_https
from lbtrace.http_fields import (
    COOKIE,
    HOST,
    LOCATION,
    SET_COOKIE,
    X_FORWARDED_PROTO,
    Meaning,
    fields_of,
    spelling,
)
from lbtrace.http_fields.addresses import is_public, parse
from lbtrace.http_fields.lines import field_value, host_of
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, LOCATION, FramePart.FORWARDING)
ONE_CAPTURE = True
REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110 §15.4: those with a Location to follow
TO_GET = (301, 302)  # of these, where clients change POST to GET and need not
DEFAULT_PORTS = {"http": 80, "https": 443}
TELL_SCHEME = (
    "If TLS ends in front of this server, let the balancer say so (X-Forwarded-Proto: https), and "
    "let the server trust it. A health check can send the same field."
)
_BLANK = "".join(map(chr, range(0x21)))  # what URL parsers pass over at either end
MIN_TURNS = 3  # the same request redirected to itself: a person may ask twice
MAX_BETWEEN_NS = 10_000_000_000  # a client that follows a redirect does it at once


class Asked(NamedTuple):
    """A URL in parts: scheme, host without its port in lower case, port, path and query."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(slots=True)
class Redirect:
    """A redirect that reached a client, and what is known of both its sides."""

    exchange: int  # number on the client side
    row: int | None  # of the pair among `comparison.pairs`
    client: str  # the client's address
    began_ns: int
    ended_ns: int
    asked: Asked
    location: str
    leads_to: Asked
    sets_cookie: bool


def find(comparison: Comparison) -> Iterator[Finding]:
    """Loops, methods that are lost and redirects to plain http; then redirects to an address behind
    the balancer, prefixes that are lost, and cookies for the backend's own host.
    """
    redirects = list(_redirects(comparison))
    yield from _loops(comparison, redirects)
    if comparison.alone:
        yield from _to_https_again(comparison, redirects)
    yield from _lost_method(comparison, redirects)
    yield from _plain_http(comparison, redirects)
    if comparison.alone:
        yield from _private_address(comparison, redirects)
    else:
        yield from _own_address(comparison, redirects)
        yield from _port_lost(comparison, redirects)
        yield from _prefix_lost(comparison, redirects)
        yield from _cookies(comparison)


def _redirects(comparison: Comparison) -> Iterator[Redirect]:
    """Every redirect that reached a client, in order."""
    client = comparison.sides[0]
    where = _of_client(comparison, LOCATION, response=True)
    rows = np.flatnonzero(
        np.isin(client.responses.start, REDIRECTS) & client.responses.whole_heads & where.there
    )
    if not len(rows):
        return
    hosts = _of_client(comparison, HOST)
    protocols = [
        _of_client(comparison, name)
        for name in present(comparison, fields_of(Meaning.CLIENT_PROTOCOL))
    ]
    cookies = _of_client(comparison, SET_COOKIE, response=True)
    pair_of = {number: row for row, number in enumerate(comparison.pairs.client.tolist())}
    connection = client.connection[rows]
    ports = client.of_connections("server_port")[connection].tolist()
    addresses = client.client_address[connection].tolist()
    times = client.requests.first_ns[rows].tolist(), client.responses.last_ns[rows].tolist()
    in_https = for_https(comparison, Side.CLIENT)[connection].tolist()
    for exchange, port, address, secure, began, ended in zip(
        rows.tolist(), ports, addresses, in_https, *times, strict=True
    ):
        https = secure or any(is_https(protocol.text(exchange) or "") for protocol in protocols)
        host = hosts.text(exchange) or ""
        target = client.words.text_list[client.requests.start[exchange]]
        scheme = "https" if https else "http"
        # behind a balancer, Host names the URL that the client asked for, and not this port
        port = DEFAULT_PORTS[scheme] if https or comparison.alone else port
        asked = asked_for(scheme, host, port, target)
        location = where.text(exchange) or ""
        yield Redirect(
            exchange,
            pair_of.get(exchange),
            client.words.text_list[address],
            began,
            ended,
            asked,
            location,
            _parts(url_of(location, _written(asked)), asked),
            bool(cookies.number[exchange]),
        )


class _ClientField(NamedTuple):
    """What a field says in the heads of one side of the client."""

    number: Column
    texts: list[str | None]

    @property
    def there(self) -> Column:
        there: Column = self.number != 0
        return there

    def text(self, exchange: int) -> str | None:
        return self.texts[int(self.number[exchange])]


def _of_client(comparison: Comparison, name: str, response: bool = False) -> _ClientField:
    number, _, texts = field_values(comparison, name, response)
    return _ClientField(number, texts)


def asked_for(scheme: str, host: str, port: int, target: str) -> Asked:
    """What a request asks for: RFC 9110 §7.1, of a connection to `port`."""
    if "://" in target.partition("?")[0]:
        return _parts(url_of(target), Asked(scheme, "", port, "/"))
    name, own_port = split_host(host)
    return Asked(scheme, name, own_port or port, target or "/")


def split_host(text: str) -> tuple[str, int | None]:
    """A Host → (name in lower case, port or None)."""
    name, colon, port = text.rpartition(":")
    if (
        colon
        and port.isascii()
        and port.isdecimal()
        and (not name or name[-1] == "]" or ":" not in name)
    ):
        return name.strip("[]").lower(), int(port)
    return text.strip("[]").lower(), None


def url_of(text: str, base: str = "") -> SplitResult | None:
    """A URL, taken relative to `base` (RFC 3986 §5), in parts; None for what is none."""
    if not text.strip(_BLANK) or text.strip(_BLANK) == "//":
        return None
    try:
        found = urlsplit(urljoin(base, text))
        _ = found.port
    except ValueError:
        return None
    return found


def _parts(url: SplitResult | None, base: Asked) -> Asked:
    """A URL in parts; what it leaves out is as in `base`."""
    if url is None:
        return Asked("", "", 0, "")
    scheme = url.scheme or base.scheme
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Asked(scheme, url.hostname or "", url.port or DEFAULT_PORTS.get(scheme, 0), path)


def _written(asked: Asked) -> str:
    host = f"[{asked.host}]" if ":" in asked.host else asked.host
    return f"{asked.scheme}://{host}:{asked.port}{asked.path}"


def _loops(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
    """Requests that are sent back to the URL they asked for."""
    returning = [r for r in redirects if r.leads_to == r.asked]
    turns = _turns(returning)
    # a redirect that sets a cookie may be meant: the next request carries the cookie
    looping = [r for r in returning if not r.sets_cookie or turns[r.exchange] >= MIN_TURNS]
    if not looping:
        return
    sent, got = _protocols(comparison, looping)
    overwritten = is_https(sent) and bool(got) and not is_https(got)
    lost = None if overwritten else _cookie_lost(comparison, looping)
    yield KIND.finding(
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
        _frames(comparison, looping),
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
    given = _of_client(comparison, SET_COOKIE, response=True)
    brought = _of_client(comparison, COOKIE)
    name, _, rest = (given.text(setting[-1].exchange) or "").partition("=")
    name, attributes = name.strip(), [a.partition("=")[0].strip().lower() for a in rest.split(";")]
    known = comparison.sides[0].requests.whole_heads[[r.exchange for r in looping]].all()
    back = any(f"{name}=" in (brought.text(r.exchange) or "") for r in looping)
    if back or not name or not known:
        return None
    path, asked = _attribute(rest, "path"), setting[-1].asked
    covers = not path.startswith("/") or _below(asked.path, path.rstrip("/"))
    secure = "secure" in attributes[1:] and asked.scheme == "http"
    return _CookieLost(name, len(setting), "" if covers else path, secure)


def _attribute(cookie: str, attribute: str) -> str:
    """The value of an attribute of a Set-Cookie as it was written; "" without it."""
    for each in cookie.split(";")[1:]:
        name, _, value = each.partition("=")
        if name.strip().lower() == attribute:
            return value.strip()
    return ""


def _lost_method(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
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
        any(text[q.method[row]] == "GET" for row in _following(comparison, m, q.start[m.exchange]))
        for m in moved
    )
    yield KIND.finding(
        "method",
        Severity.MEDIUM,
        Confidence.HIGH,
        "{count} of {of} redirects {count:answers|answer} a POST with {statuses} and "
        "{count:leads|lead} to the same path, for example {example}: clients ask there with GET, "
        "and the body is lost."
        + (" {followed} of them were followed like that." if followed else ""),
        _frames(comparison, moved),
        count=len(moved),
        of=len(redirects),
        statuses=counted(map(str, r.start[rows].tolist())),
        example=moved[0].location,
        followed=followed or None,
        remedy="Answer with 308 (or 307), which keeps the method, or let clients use the URL that "
        "it leads to.",
    ).about(comparison.asked(comparison.captured[0], rows))


def _to_https_again(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
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
        yield KIND.finding(
            "https-again",
            Severity.MEDIUM,
            Confidence.MEDIUM,
            "The same request was redirected to https again and again, {count} times in all, for "
            "example to {example}: as in a redirect loop, where TLS ends in front of this server "
            "and nothing tells it so. A health check that follows no redirect looks the same.",
            _frames(comparison, looping),
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


def _plain_http(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
    """Redirects of clients that asked for https, to http of the same host."""
    plain = [
        r
        for r in redirects
        if r.asked.scheme == "https"
        and r.leads_to[:3] == ("http", r.asked.host, DEFAULT_PORTS["http"])
    ]
    if not plain:
        return
    _, got = _protocols(comparison, plain)
    known = not comparison.alone and all(_request_known(comparison, r) for r in plain)
    yield KIND.finding(
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
        _frames(comparison, plain),
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


def _request_known(comparison: Comparison, redirect: Redirect) -> bool:
    """Whether the head of the backend's request is there, and whole."""
    if redirect.row is None:
        return False
    row = comparison.pairs.backend[redirect.row]
    return bool(comparison.sides[1].requests.whole_heads[row])


def _following(comparison: Comparison, redirect: Redirect, target: int) -> list[int]:
    """The requests for a target (its number) by which the client that was sent there may have
    followed a redirect, in order.
    """
    client = comparison.sides[0]
    address = int(client.client_address[client.connection[redirect.exchange]])
    rows, times = _by_client_and_target(comparison).get((address, target), ([], []))
    begin = bisect_left(times, redirect.ended_ns)
    return rows[begin : bisect_right(times, redirect.ended_ns + MAX_BETWEEN_NS)]


@once
def _by_client_and_target(comparison: Comparison) -> dict[tuple[int, int], tuple[list[int], ...]]:
    """Address of a client, target → its requests for that, and their times, in order of time."""
    client = comparison.sides[0]
    q, found = client.requests, defaultdict[tuple[int, int], tuple[list[int], ...]](_nothing)
    rows = np.flatnonzero(q.there)
    rows = rows[np.argsort(q.first_ns[rows], kind="stable")]
    address = client.client_address[client.connection[rows]]
    columns = (c.tolist() for c in (rows, q.first_ns[rows], address, q.start[rows]))
    for row, time_ns, asker, target in zip(*columns, strict=True):
        those, times = found[asker, target]
        those.append(row)
        times.append(time_ns)
    return found


def _nothing() -> tuple[list[int], list[int]]:
    return [], []


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


def is_https(stated: str) -> bool:
    """Whether the value of a field that states the client's protocol says TLS (RFC 7239 §5.4)."""
    return re.search(r"(?:^|proto=\"?|[,;\s])(?:https|wss|on)\b", stated.lower()) is not None


def _protocols(comparison: Comparison, redirects: list[Redirect]) -> tuple[str, str]:
    """(X-Forwarded-Proto as the client sent it, as the backend got it) of the first that is
    paired; "" for unknown or absent.
    """
    for r in redirects:
        if r.row is not None:
            pair = comparison.pairs[r.row]
            requests = pair.client.request, pair.backend.request
            sent, got = (field_value(m, X_FORWARDED_PROTO) if m else None for m in requests)
            return (sent or "").strip(), (got or "").strip()
    return "", ""


def _private_address(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
    """Redirects to an address that cannot be reached from outside, which the client did not ask
    for: in one capture, the sign of a server that builds URLs from its own address.
    """
    strange = [
        r
        for r in redirects
        if r.asked.host
        and r.leads_to.host != r.asked.host
        and parse(r.leads_to.host) is not None
        and not is_public(r.leads_to.host)
    ]
    if strange:
        yield KIND.finding(
            "private-address",
            Severity.MEDIUM,
            Confidence.MEDIUM,
            "{count} of {of} redirects {count:sends|send} the client to a private address, "
            "{location}, though it "
            "asked for {host}: such an address leads nowhere outside.",
            _frames(comparison, strange),
            count=len(strange),
            of=len(redirects),
            location=strange[0].location,
            host=strange[0].asked.host,
            remedy="Pass the client's Host on to the server that redirects, or rewrite Location "
            "(nginx: proxy_redirect; Apache httpd: ProxyPassReverse).",
        )


def _own_address(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
    """Redirects to an address or a port that only the network behind the balancer knows."""
    backend = comparison.sides[1]
    strange: list[Redirect] = []
    judged = 0
    for r in redirects:
        if r.row is None:
            continue
        judged += 1
        connection = int(comparison.pairs.backend_connection[r.row])
        server = backend.words.text_list[backend.server_address[connection]]
        port = int(backend.of_connections("server_port")[connection])
        to = r.leads_to
        named = to.host == server and r.asked.host != server
        by_port = (
            to.host == r.asked.host
            and to.port == port != r.asked.port
            and _writes_port(r.location, port)
        )
        if named or by_port:
            strange.append(r)
    if not strange:
        return
    pair = comparison.pairs[strange[0].row or 0]
    requests = pair.client.request, pair.backend.request
    sent, got = (host_of(m) if m else None for m in requests)
    server = str(pair.backend_connection.server)
    replaced = sent is not None and got is not None and got != sent
    host_replaced = replaced and split_host(got or "")[0] == split_host(server)[0]
    own_port = all(r.leads_to.host == r.asked.host for r in strange)
    yield KIND.finding(
        "own-address",
        Severity.MEDIUM,
        Confidence.HIGH,
        (
            "{count} of {of} redirects {count:sends|send} the client to the backend's own "
            + ("port" if own_port else "address")
            + ", {location}, "
            + (
                "though it asked for port {port}."
                if own_port
                else "which belongs to the network behind the balancer."
            )
        )
        + (
            " The balancer sends the backend Host: {got} instead of the client's {sent}, and the "
            "backend builds its URLs from that."
            if host_replaced
            else ""
        ),
        _frames(comparison, strange),
        count=len(strange),
        of=judged,
        location=strange[0].location,
        port=str(strange[0].asked.port) if own_port else None,
        **({"got": got or "", "sent": sent or "(absent)"} if host_replaced else {}),
        remedy=(
            "Pass the client's Host on (nginx: proxy_set_header Host $host; Apache httpd: "
            "ProxyPreserveHost On)."
            if host_replaced
            else "Let the balancer rewrite Location (nginx: proxy_redirect; Apache httpd: "
            "ProxyPassReverse), or tell the backend its public URL."
        ),
    )


def _port_lost(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
    """Redirects to the default port of the host that the client asked for at another port, where
    the balancer takes the port off Host.
    """
    lost = []
    for r in redirects:
        default = DEFAULT_PORTS.get(r.leads_to.scheme)
        moved = r.leads_to.host == r.asked.host and r.leads_to.port == default != r.asked.port
        if r.row is None or not moved or r.leads_to.scheme != r.asked.scheme:
            continue
        requests = comparison.pairs[r.row].requests
        sent, got = (split_host(host_of(m) or "") for m in requests)
        if sent[1] == r.asked.port and got == (sent[0], None):
            lost.append(r)
    if not lost:
        return
    yield KIND.finding(
        "port",
        Severity.MEDIUM,
        Confidence.HIGH,
        "{count} of {of} redirects {count:sends|send} the client to {location}, though it asked "
        "for port {port}: the balancer passes Host on without the port, and the backend builds its "
        "URLs from that.",
        _frames(comparison, lost),
        count=len(lost),
        of=len(redirects),
        location=lost[0].location,
        port=str(lost[0].asked.port),
        remedy="Pass Host on with its port (nginx: proxy_set_header Host $http_host, not $host).",
    ).about(comparison.asked(Side.CLIENT, np.array([r.exchange for r in lost])))


def _prefix_lost(comparison: Comparison, redirects: list[Redirect]) -> Iterator[Finding]:
    """Redirects to a path of the same host without the prefix that the backend does not know of,
    because the balancer takes it off.
    """
    lost = [
        (r, prefix)
        for r in redirects
        if (prefix := _taken_off(comparison, r))
        and r.leads_to[:3] == r.asked[:3]
        and not _below(r.leads_to.path, prefix)
    ]
    if not lost:
        return
    prefix = lost[0][1]
    those = [r for r, one in lost if one == prefix]
    failed = [status for r in those if (status := _got_there(comparison, r)) >= MIN_ERROR]
    yield KIND.finding(
        "prefix",
        Severity.MEDIUM if failed else Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} redirects {count:leads|lead} to {location}, without the prefix {prefix} "
        "that the balancer takes off the targets for the backend."
        + (" Clients that followed got {statuses}." if failed else ""),
        _frames(comparison, those),
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


def _below(path: str, prefix: str) -> bool:
    """Whether a path lies below a prefix."""
    return path.startswith(prefix) and path[len(prefix) :][:1] in ("", "/", "?")


def _got_there(comparison: Comparison, redirect: Redirect) -> int:
    """What the client got that then asked for the URL it was sent to; 0 if it did not."""
    client = comparison.sides[0]
    target = client.words.texts.get(redirect.leads_to.path, -1)
    answers = client.responses
    got = (
        answers.start[row] for row in _following(comparison, redirect, target) if answers.there[row]
    )
    return int(next(got, 0))


def _writes_port(location: str, port: int) -> bool:
    """Whether a Location spells this port out."""
    url = url_of(location)
    return url is not None and url.port == port


def _cookies(comparison: Comparison) -> Iterator[Finding]:
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
    yield KIND.finding(
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


def _frames(comparison: Comparison, redirects: list[Redirect]) -> list[FrameRef]:
    """Requests and responses of a few redirects, on both sides where they are paired."""
    paired: Pairs = comparison.pairs.where(
        np.array([r.row for r in redirects if r.row is not None], np.int64)
    )
    if len(paired):
        return [*comparison.request_frames(paired), *comparison.response_frames(paired)]
    client = comparison.sides[0]
    refs = [client.ref(r.exchange) for r in redirects]
    return [
        frame
        for ref in refs
        for frame in (
            comparison.request_frame(Side.CLIENT, ref),
            comparison.response_frame(Side.CLIENT, ref),
        )
    ]
