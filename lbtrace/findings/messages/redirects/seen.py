"""The redirects that reached clients, with what is known of both their sides."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, Pairs, field_values, once, present
from lbtrace.findings._scheme import for_https
from lbtrace.findings.messages.redirects.urls import (
    DEFAULT_PORTS,
    Asked,
    asked_for,
    is_https,
    parts,
    url_of,
    written,
)
from lbtrace.http_fields import (
    HOST,
    LOCATION,
    SET_COOKIE,
    X_FORWARDED_PROTO,
    Meaning,
    fields_of,
)
from lbtrace.http_fields.lines import field_value
from lbtrace.model.net import FrameRef, Side
from lbtrace.tables.columns import Column

REDIRECTS = (301, 302, 303, 307, 308)  # RFC 9110 §15.4: those with a Location to follow
MAX_BETWEEN_NS = 10_000_000_000  # a client that follows a redirect does it at once


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


def redirects_of(comparison: Comparison) -> Iterator[Redirect]:
    """Every redirect that reached a client, in order."""
    client = comparison.sides[0]
    where = of_client(comparison, LOCATION, response=True)
    rows = np.flatnonzero(
        np.isin(client.responses.start, REDIRECTS) & client.responses.whole_heads & where.there
    )
    if not len(rows):
        return
    hosts = of_client(comparison, HOST)
    protocols = [
        of_client(comparison, name)
        for name in present(comparison, fields_of(Meaning.CLIENT_PROTOCOL))
    ]
    cookies = of_client(comparison, SET_COOKIE, response=True)
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
            parts(url_of(location, written(asked)), asked),
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


def of_client(comparison: Comparison, name: str, response: bool = False) -> _ClientField:
    number, _, texts = field_values(comparison, name, response)
    return _ClientField(number, texts)


def frames(comparison: Comparison, redirects: list[Redirect]) -> list[FrameRef]:
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


def following(comparison: Comparison, redirect: Redirect, target: int) -> list[int]:
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


def protocols(comparison: Comparison, redirects: list[Redirect]) -> tuple[str, str]:
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


def request_known(comparison: Comparison, redirect: Redirect) -> bool:
    """Whether the head of the backend's request is there, and whole."""
    if redirect.row is None:
        return False
    row = comparison.pairs.backend[redirect.row]
    return bool(comparison.sides[1].requests.whole_heads[row])
