"""One capture taken on the balancer, which holds both sides → its two sides."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import accumulate

from lbtrace.match.legs import part_of, without_middle
from lbtrace.model.net import Side
from lbtrace.model.stream import Connection
from lbtrace.model.trace import PacketDirection, Trace

Span = tuple[int, int]  # begin and end of an exchange, ns

AROUND = 0.8
MOST_SERVERS = 8


def split(
    trace: Trace, balancer: Sequence[str] = (), ports: Collection[int] = ()
) -> tuple[Trace, Trace] | None:
    """One capture taken on the balancer → what it shows of the client side and of the backend side,
    with one clock (their offset is 0). None when nothing tells the two apart.

    `balancer` and `ports` are the addresses and the ports it takes connections on, as stated: what
    goes to such a port is in front. Otherwise the first of these tells:

    - A capture of Linux's "any" interface says of each packet whether the balancer received or
      sent it: who was received from is in front, whom it opened a connection to is behind. Where
      it opened none, nothing is behind: it may have answered or refused everybody itself.
    - A balancer that passes packets on: most connections that carried something are there twice,
      with the same sequence numbers, first as they came in. No address is needed then.
    - The addresses that some connections go to and others come from.
    - The address or, where all is on one host, the port whose exchanges have others inside them.
    """
    connections = trace.connections
    if ports:
        front = {
            c.id
            for c in connections
            if c.server.port in ports and (not balancer or c.server.address in balancer)
        }
        back = {c.id for c in connections if c.id not in front}
    else:
        front, back, local = _travelled(trace)
        apart = without_middle(trace, local & back, back - local)
        if apart is not trace:
            return split(apart, balancer)
        received = front if not back else set()
        if not (front and back):
            front, back = _told_apart(trace, set(balancer))
        if received and not (front and back):
            return part_of(trace, received, Side.CLIENT), part_of(trace, set(), Side.BACKEND)
    if not front or not back:
        return None
    return part_of(trace, front, Side.CLIENT), part_of(trace, back, Side.BACKEND)


def _told_apart(trace: Trace, balancer: set[str]) -> tuple[set[int], set[int]]:
    """The connections in front and behind, by their sequence numbers, their addresses, or what is
    inside what.
    """
    connections = trace.connections
    if not balancer:
        # those that carried nothing (a scan, turned back by a NAT) decide only where all did
        carried = [c for c in connections if _carried(c)] or connections
        front, back = _twice(carried)
        if AROUND * len(carried) <= len(front) + len(back):
            return _twice(connections)
        balancer = _hubs(connections)
        if not balancer and front:
            return front, back
    if balancer:
        front = {
            c.id
            for c in connections
            if c.server.address in balancer and c.client.address not in balancer
        }
    else:
        outer = _outer(trace)
        front = {c.id for c in connections if {c.server.address, str(c.server)} & outer}
    return front, {c.id for c in connections if c.id not in front}


def _travelled(trace: Trace) -> tuple[set[int], set[int], set[int]]:
    """Connections whose client's packets the machine received, those whose client's packets it
    sent, and which of both it had with itself.

    What went over its loopback interface was both sent and received: it is in front when it goes to
    a port where others were received too.
    """
    front: set[int] = set()
    back: set[int] = set()
    local: list[Connection] = []
    if trace.packet_directions:
        for c in trace.connections:
            asked = _direction_of(trace, c.syn_frame or c.from_client.first_payload_frame)
            answered = _direction_of(trace, c.from_server.first_payload_frame)
            if (
                asked is answered
                or asked is PacketDirection.UNKNOWN
                or c.client.address == c.server.address
            ):
                local.append(c)
            else:
                (back if asked is PacketDirection.SENT else front).add(c.id)
        ports = {trace.connections[i].server.port for i in front}
        for c in local:
            (front if c.server.port in ports else back).add(c.id)
    return front, back, {c.id for c in local}


def _direction_of(trace: Trace, frame: int | None) -> PacketDirection:
    return (
        PacketDirection.UNKNOWN
        if frame is None
        else PacketDirection(trace.packet_directions[frame - 1])
    )


def _carried(c: Connection) -> bool:
    """Whether a connection carried bytes of either end."""
    return bool(c.from_client.bytes or c.from_server.bytes)


def _hubs(connections: Sequence[Connection]) -> set[str]:
    carried = list(filter(_carried, connections))
    servers = Counter(c.server.address for c in carried)
    clients = Counter(c.client.address for c in carried)
    both = {
        a: min(servers[a], clients[a])
        for a in servers.keys() & clients.keys()
        if a not in ("127.0.0.1", "::1")
    }
    most = max(both.values(), default=0)
    return {a for a, n in both.items() if n * 4 >= most}


def _twice(connections: Sequence[Connection]) -> tuple[set[int], set[int]]:
    first: dict[tuple[int, int], int] = {}
    front: set[int] = set()
    back: set[int] = set()
    for c in connections:
        if c.from_client.isn is None or c.from_server.isn is None:
            continue
        key = (c.from_client.isn, c.from_server.isn)
        if key in first:
            front.add(first[key])
            back.add(c.id)
        else:
            first[key] = c.id
    return front, back


def _outer(trace: Trace) -> set[str]:
    """The server address whose exchanges have those of other servers inside them: who waits for
    others is in front. On one host it is the port.

    Nearly all of its own hold another, or (a cache answers many by itself) nearly all others are
    held by one of its own.
    """
    of: dict[str, list[Span]] = defaultdict(list)
    one_host = len({c.server.address for c in trace.connections}) == 1
    for e in trace.exchanges:
        if e.request is not None and e.response is not None:
            server = trace.connections[e.connection].server
            of[str(server) if one_host else server.address].append(
                (e.request.first_ns, e.response.last_ns)
            )
    shares: dict[str, float] = {}
    for place in sorted(of, key=lambda a: -len(of[a]))[:MOST_SERVERS]:
        others = [span for other, spans in of.items() if other != place for span in spans]
        if others:
            shares[place] = max(_holding(of[place], others), _held(others, of[place]))
    best = max(shares.values(), default=0.0)
    found = {a for a, share in shares.items() if share == best}
    return found if best >= AROUND and len(found) == 1 else set()


def _holding(spans: list[Span], others: list[Span]) -> float:
    """The share of `spans` that have one of `others` inside them."""
    others = sorted(others)
    begins = [begin for begin, _ in others]
    earliest_end = list(accumulate((end for _, end in reversed(others)), min))[
        ::-1
    ]  # of each one and all that begin later
    at = [bisect_left(begins, begin) for begin, _ in spans]
    return sum(
        i < len(others) and earliest_end[i] <= end for i, (_, end) in zip(at, spans, strict=True)
    ) / len(spans)


def _held(spans: list[Span], others: list[Span]) -> float:
    """The share of `spans` that are inside one of `others`."""
    others = sorted(others)
    begins = [begin for begin, _ in others]
    latest_end = list(
        accumulate((end for _, end in others), max)
    )  # of each one and all that begin earlier
    at = [bisect_right(begins, begin) - 1 for begin, _ in spans]
    return sum(
        i >= 0 and latest_end[i] >= end for i, (_, end) in zip(at, spans, strict=True)
    ) / len(spans)
