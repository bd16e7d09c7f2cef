"""Case → traits: sentences about the traffic as a whole, in a fixed wording, so that a profile's rule can match them like any line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lbtrace.case import Case, Match
from lbtrace.fields import field_value, is_canonical
from lbtrace.model.http import HeaderLine, Request, Response

LOOKED_AT = 2000  # pairs; a trait that holds for so many holds

LOWER_CASE = "request field names: lower case"
GO_ORDER = "request field names: Go canonical, sorted"
AS_SENT = "request field names: as the client wrote them"
HAPROXY_LINE = "heads: lower case both ways, x-forwarded-for in a line of its own after the client's, no other forwarding field"
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

Both = tuple[Match, Request, Request]


def traits(case: Case, modifiers: Sequence[str], own: Sequence[Response]) -> Iterator[str]:
    """Every trait that the traffic has."""
    yield from (f"modifier: {modifier}" for modifier in modifiers)
    yield from _addresses(case, modifiers)
    yield from _tunnels(case)
    if own and all(_bare(response) for response in own):
        yield BARE_ANSWER
    both = case.request_heads[:LOOKED_AT]
    if both:
        yield from _names(both)
        yield from _hosts(both)
        yield from _connections(both)


def _addresses(case: Case, modifiers: Sequence[str]) -> Iterator[str]:
    if case.joined:
        kept = all(a.client.address == b.client.address or case.behind_nat(a, b) for a, b, _ in case.joined)
        yield SOURCE["snat" in modifiers or not kept]
        yield DESTINATION[any(a.server != b.server for a, b, _ in case.joined)]


def _tunnels(case: Case) -> Iterator[str]:
    front = {name.lower() for trace in case.clients for name, _ in trace.packets.peeled}
    back = {name.lower() for trace in case.backends for name, _ in trace.packets.peeled}
    if any("ipip" in name or "ip-in-ip" in name for name in back - front):
        yield "tunnel: ipip behind the balancer"


def _bare(response: Response) -> bool:
    names = [line.name for line in response.lines]
    plain = all(n == n.lower() for n in names) and "server" not in names and "date" not in names
    return plain and (field_value(response, "cache-control") or "").lower() == "no-cache"


def _names(both: Sequence[Both]) -> Iterator[str]:
    if any(_has_upper(a.lines) for _, a, _ in both) and not any(_has_upper(b.lines) for _, _, b in both):
        yield LOWER_CASE
        if all(_only_xff_added(a, b) for _, a, b in both) and _answers_in_lower_case(both):
            yield HAPROXY_LINE
    elif all(_go_order(b.lines) for _, _, b in both) and any(not _go_order(a.lines) for _, a, _ in both):
        yield GO_ORDER
    elif all(_spelling_kept(a, b) for _, a, b in both):
        yield AS_SENT
    if all(b.version == "HTTP/1.0" for _, _, b in both) and any(a.version == "HTTP/1.1" for _, a, _ in both):
        yield OLD_VERSION


def _has_upper(lines: Iterable[HeaderLine]) -> bool:
    return any(line.name != line.name.lower() for line in lines)


def _only_xff_added(front: Request, back: Request) -> bool:
    """The client's lines come first, in their order; an x-forwarded-for line follows, and no other field that states the client
    or the proxy."""
    hop = ("connection", "keep-alive", "proxy-connection", "te", "upgrade", "transfer-encoding", "content-length")
    before = [line.name.lower() for line in front.lines if line.name.lower() not in hop]
    after = [line.name for line in back.lines if line.name not in hop]
    added = after[len(before) :]
    others = [n for n in added if n != "x-forwarded-for" and n.startswith(("x-forwarded-", "x-envoy-", "x-real-ip", "via", "forwarded"))]
    return after[: len(before)] == before and added.count("x-forwarded-for") == 1 and not others


def _answers_in_lower_case(both: Sequence[Both]) -> bool:
    """The responses too: every name lower case in front of the balancer, though not all of them behind it."""
    answered = [(m.front.response, m.back.response) for m, _, _ in both if m.front.response is not None and m.back.response is not None]
    return any(_has_upper(b.lines) for _, b in answered) and not any(_has_upper(a.lines) for a, _ in answered)


def _go_order(lines: Sequence[HeaderLine]) -> bool:
    """Host, User-Agent, framing, then the rest sorted, as Go's net/http writes them; every name in canonical case."""
    names = [line.name for line in lines]
    rest = [n for n in names if n not in ("Host", "User-Agent", "Content-Length", "Transfer-Encoding")]
    if rest and rest[-1] == "Accept-Encoding":
        rest = rest[:-1]
    return all(map(is_canonical, names)) and names[:1] == ["Host"] and len(rest) > 1 and rest == sorted(rest)


def _spelling_kept(front: Request, back: Request) -> bool:
    """Every name of the client's that is still there is spelled as the client spelled it."""
    spelled = {line.name.lower(): line.name for line in back.lines}
    return all(spelled.get(line.name.lower(), line.name) == line.name for line in front.lines)


def _hosts(both: Sequence[Both]) -> Iterator[str]:
    if all(field_value(a, "Host") == field_value(b, "Host") for _, a, b in both):
        yield HOST_KEPT
    elif all(_names_backend(field_value(b, "Host"), m.back_connection.server.address) for m, _, b in both):
        yield HOST_BACKEND


def _names_backend(host: str | None, address: str) -> bool:
    return host is not None and (host == address or host.startswith((f"{address}:", f"[{address}]")))


def _connections(both: Sequence[Both]) -> Iterator[str]:
    connections = {(m.backend.point, m.back.connection) for m, _, _ in both}
    if len(both) > 1:
        yield ONE_EACH if len(connections) == len(both) else REUSED
