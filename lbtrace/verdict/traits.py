"""Comparison → traits: sentences about the traffic as a whole, in a fixed wording, so that a
profile's rule can match them like any line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lbtrace.comparison import Comparison, Pairs, field_values
from lbtrace.http_fields import (
    ADDED_BY_PROXIES,
    CACHE_CONTROL,
    DATE,
    HOST,
    SERVER,
    X_FORWARDED_FOR,
    Meaning,
    fields_of,
    is_forwarding,
)
from lbtrace.http_fields.lines import field_value, is_canonical, lowered, sorted_by_go
from lbtrace.model.http import HeaderLine, Response
from lbtrace.tables.columns import distinct

MAX_PAIRS_READ = 2000  # a trait that holds for so many holds

LOWER_CASE = "request field names: lower case"
GO_ORDER = "request field names: Go canonical, sorted"
AS_SENT = "request field names: as the client wrote them"
HAPROXY_LINE = (
    "heads: lower case both ways, x-forwarded-for in a line of its own after the "
    "client's, no other forwarding field"
)
OLD_VERSION = "request version: HTTP/1.0 behind HTTP/1.1"
HOST_KEPT = "Host: as the client sent it"
HOST_BACKEND = "Host: the backend's"
ONE_EACH = "backend connections: one per request"
REUSED = "backend connections: reused"
BARE_ANSWER = "own answer: lower case, cache-control: no-cache, neither Server nor Date"
SOURCE = ("source: preserved", "source: rewritten")
DESTINATION = ("destination: kept", "destination: rewritten")
TRAITS = (
    LOWER_CASE,
    GO_ORDER,
    AS_SENT,
    HAPROXY_LINE,
    OLD_VERSION,
    HOST_KEPT,
    HOST_BACKEND,
    ONE_EACH,
    REUSED,
    BARE_ANSWER,
    *SOURCE,
    *DESTINATION,
    "tunnel: ipip behind the balancer",
    "modifier: proxy-protocol",
    "modifier: tls-terminating",
)

Head = Sequence[HeaderLine]
Both = tuple[Head, Head]  # in front and behind


def traits(
    comparison: Comparison, modifiers: Sequence[str], own: Sequence[Response]
) -> Iterator[str]:
    """Every trait that the traffic has."""
    yield from (f"modifier: {modifier}" for modifier in modifiers)
    yield from _addresses(comparison, modifiers)
    yield from _tunnels(comparison)
    if own and all(_bare(response) for response in own):
        yield BARE_ANSWER
    pairs = comparison.request_heads[:MAX_PAIRS_READ]
    if pairs:
        yield from _names(comparison, pairs)
        yield from _hosts(comparison, pairs)
        yield from _connections(pairs)


def _addresses(comparison: Comparison, modifiers: Sequence[str]) -> Iterator[str]:
    (client, backend), joined = comparison.sides, comparison.joined_connections
    if joined:
        moved = client.client_address[joined.client] != backend.client_address[joined.backend]
        kept = bool(comparison.behind_nat(joined.client[moved], joined.backend[moved]).all())
        yield SOURCE["snat" in modifiers or not kept]
        yield DESTINATION[
            bool((client.servers[joined.client] != backend.servers[joined.backend]).any())
        ]


def _tunnels(comparison: Comparison) -> Iterator[str]:
    before = {name.lower() for trace in comparison.clients for name, _ in trace.packets.peeled}
    behind = {name.lower() for trace in comparison.backends for name, _ in trace.packets.peeled}
    if any("ipip" in name or "ip-in-ip" in name for name in behind - before):
        yield "tunnel: ipip behind the balancer"


def _bare(response: Response) -> bool:
    names = [line.name for line in response.lines]
    plain = all(n == n.lower() for n in names) and SERVER not in names and DATE not in names
    return plain and (field_value(response, CACHE_CONTROL) or "").lower() == "no-cache"


def _heads(comparison: Comparison, pairs: Pairs, responses: bool = False) -> list[Both]:
    """The heads of the requests (of the responses) of pairs, on both sides."""
    before, behind = (
        [
            (t.responses if responses else t.requests).heads.lines(t.words, exchange)
            for exchange in exchanges.tolist()
        ]
        for t, exchanges in zip(comparison.sides, (pairs.client, pairs.backend), strict=True)
    )
    return list(zip(before, behind, strict=True))


def _names(comparison: Comparison, pairs: Pairs) -> Iterator[str]:
    both = _heads(comparison, pairs)
    if any(_has_upper(a) for a, _ in both) and not any(_has_upper(b) for _, b in both):
        yield LOWER_CASE
        if all(_only_xff_added(a, b) for a, b in both) and _answers_in_lower_case(
            comparison, pairs
        ):
            yield HAPROXY_LINE
    elif all(_go_order(b) for _, b in both) and any(not _go_order(a) for a, _ in both):
        yield GO_ORDER
    elif all(_spelling_kept(a, b) for a, b in both):
        yield AS_SENT
    sent, arrived = (
        t.requests.version[e]
        for t, e in zip(comparison.sides, (pairs.client, pairs.backend), strict=True)
    )
    new, old = (
        comparison.sides[0].words.texts.get(version, -1) for version in ("HTTP/1.1", "HTTP/1.0")
    )
    if (arrived == old).all() and (sent == new).any():
        yield OLD_VERSION


def _has_upper(lines: Iterable[HeaderLine]) -> bool:
    return any(line.name != line.name.lower() for line in lines)


def _only_xff_added(sent: Head, arrived: Head) -> bool:
    """The client's lines come first, in their order; an x-forwarded-for line follows, and no other
    field that states the client or the proxy.
    """
    hop = fields_of(Meaning.CONNECTION, Meaning.FRAMING)
    before = [line.name.lower() for line in sent if line.name.lower() not in hop]
    after = [line.name for line in arrived if line.name not in hop]
    added = after[len(before) :]
    others = [
        name
        for name in added
        if name != X_FORWARDED_FOR and (is_forwarding(name) or name in ADDED_BY_PROXIES)
    ]
    return after[: len(before)] == before and added.count(X_FORWARDED_FOR) == 1 and not others


def _answers_in_lower_case(comparison: Comparison, pairs: Pairs) -> bool:
    """The responses too: every name lower case in front of the balancer, though not all of them
    behind it.
    """
    there = (
        comparison.sides[0].responses.there[pairs.client]
        & comparison.sides[1].responses.there[pairs.backend]
    )
    answered = _heads(comparison, pairs.where(there), responses=True)
    return any(_has_upper(b) for _, b in answered) and not any(_has_upper(a) for a, _ in answered)


def _go_order(lines: Head) -> bool:
    """Host, User-Agent, framing, then the rest sorted, as Go's net/http writes them; every name in
    canonical case.
    """
    names = [line.name for line in lines]
    rest = sorted_by_go(names)
    return (
        all(map(is_canonical, names))
        and [lowered(name) for name in names[:1]] == [HOST]
        and len(rest) > 1
        and rest == sorted(rest)
    )


def _spelling_kept(sent: Head, arrived: Head) -> bool:
    """Every name of the client's that is still there is spelled as the client spelled it."""
    spelled = {line.name.lower(): line.name for line in arrived}
    return all(spelled.get(line.name.lower(), line.name) == line.name for line in sent)


def _hosts(comparison: Comparison, pairs: Pairs) -> Iterator[str]:
    sent, arrived, hosts = field_values(comparison, HOST).of(pairs)
    backend = comparison.sides[1]
    asked = set(
        zip(
            arrived.tolist(),
            backend.server_address[pairs.backend_connection].tolist(),
            strict=True,
        )
    )
    if (sent == arrived).all():
        yield HOST_KEPT
    elif all(
        _names_backend(hosts[host], backend.words.text_list[address]) for host, address in asked
    ):
        yield HOST_BACKEND


def _names_backend(host: str | None, address: str) -> bool:
    return host is not None and (
        host == address or host.startswith((f"{address}:", f"[{address}]"))
    )


def _connections(pairs: Pairs) -> Iterator[str]:
    if len(pairs) > 1:
        yield ONE_EACH if len(distinct(pairs.backend_connection)) == len(pairs) else REUSED
