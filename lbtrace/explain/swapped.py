"""Two sides as they were given → whether they were given in the wrong order, and whether anything
shows the order at all.

Four things tell, none of which needs a clock or a certain pair:

    durations   a client waits longer than the backend takes. Of pairs one by one; of
                interchangeable sets in order of duration: when every one of n waits is at least as
                long as its own service, so is the k-th longest wait as the k-th longest service.
                Who got another status than the backend gave did not wait for it. Where no exchange
                is paired, connections that carried the same bytes tell: the client's first byte
                leaves earlier, and the server's last byte arrives later, in front than behind.
                A clock that was set tells no duration, nor does a connection whose SYN-ACK is
                stamped before its SYN: its packets waited in several queues
    nesting     a clock was found under which the exchanges behind lie inside those in front: the
                other way round none would fit
    fields      what balancers add (a PROXY header, X-Forwarded-For, Via, …) stands in the requests
                of one side and in none of the other's
    host        a host that is the server in one capture and the client in the other stands between
                them; where the ports alone tell who is which, it is a guess and shows nothing

Captures were swapped when something says so and nothing speaks against it. Requests that only look
alike say nothing by their fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lbtrace.http_fields import ADDED_BY_PROXIES
from lbtrace.match.exchange_times import Facts
from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Clock, Confidence, ConnectionBasis, ConnectionPair, Ref, Tier
from lbtrace.model.stream import RoleSource
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER, SOURCES
from lbtrace.tables.side_table import SideTable

REVERSED = 0.8  # share of what was compared that decides
LOOKED_AT = 200  # pairs whose fields are read
NESTED = 3  # pairs that a clock needs to show the order


@dataclass(frozen=True, slots=True)
class Order:
    """`swapped`: the captures look as if given in the wrong order. `shown`: something shows the
    order, this or the other.
    """

    swapped: bool
    shown: bool


def judge(
    state: Pairing, clocks: Iterable[Clock], connections: Sequence[ConnectionPair] = ()
) -> Order:
    """The pairs as given, of exchanges and of connections → what they say about the order. A
    positive vote is for the order as given, a negative one against it.

    By durations alone most of the exchanges must have been compared: a cache, say, makes backend
    exchanges that nobody waits for.
    """
    if not state.caused:
        durations = _vote(*_reversed_connections(state, connections))
        stands = _host(state) if durations else 0
        return Order(durations < 0 and stands <= 0, shown=bool(durations))
    shorter, seen = reversed_share(state)
    durations = _vote(shorter, seen)
    nested = any(not k.refused and not k.stated and k.pairs >= NESTED for k in clocks)
    marks = (_fields(state), _host(state))
    votes = (durations, int(nested), *marks)
    known = bool(state.strong or state.weak) or any(
        k is not Confidence.LOW for k in state.confidence.values()
    )
    enough = known and seen * 2 >= len(state.backend) and seen * 3 >= len(state.client)
    swapped = max(votes) <= 0 and (min(marks) < 0 or (durations < 0 and enough))
    return Order(swapped, shown=swapped or max(votes) > 0)


def _vote(shorter: int, seen: int) -> int:
    """What durations say of the order, of which so many are shorter in front."""
    if seen and shorter >= REVERSED * seen:
        return -1
    return int(seen > 0 and shorter <= (1 - REVERSED) * seen)


def _reversed_connections(state: Pairing, connections: Sequence[ConnectionPair]) -> tuple[int, int]:
    """(connections with the same bytes that took less time in front than behind, those whose times
    were seen): from the client's first byte to the server's last.
    """
    shorter = seen = 0
    for pair in connections:
        if pair.basis is not ConnectionBasis.SAME_BYTES:
            continue
        front, back = _took(state.client, pair.client), _took(state.backend, pair.backend)
        if front is not None and back is not None:
            seen, shorter = seen + 1, shorter + (front < back)
    return shorter, seen


def _took(facts: Facts, ref: Ref) -> int | None:
    """From the client's first byte to the server's last, in ns; None where bytes were sent again,
    or where the server said nothing after the client.
    """
    held = facts.traces[ref.point].connections[ref.id]
    up, down = held.from_client, held.from_server
    if not times_tell(facts)[facts.table.first_connection[ref.point] + ref.id]:
        return None
    if up.first_payload_ns is None or down.last_payload_ns is None:
        return None
    again = any(end.retransmissions or end.out_of_order for end in (up, down))
    took = down.last_payload_ns - up.first_payload_ns
    return None if again or took <= 0 else took


def times_tell(facts: Facts) -> Column:
    """Per connection whether its times can be compared with those of the other side."""
    table = facts.table
    sizes = [len(connections) for connections in table.connections]
    steady = np.repeat([trace.steady for trace in facts.traces], sizes).astype(bool)
    asked, answered = table.of_connections("syn_ns"), table.of_connections("synack_ns")
    tell: Column = steady & ((asked == NEVER) | (answered == NEVER) | (asked <= answered))
    return tell


def reversed_share(state: Pairing) -> tuple[int, int]:
    """(pairs whose client exchange is shorter than the backend's, pairs whose times were seen), of
    those that more than their times made, and whose statuses are equal: a hit that a cache answers
    at once may be paired with the fetch it left behind, and a balancer that waits no longer answers
    504 before the backend does.
    """
    client, backend = state.client, state.backend
    clients, sizes, backends = state.flat()
    single = (sizes == 1) & (state.tiers() != Tier.TIME)
    if not single.any():
        return 0, 0
    c, b = clients[single], backends[np.cumsum(sizes)[single] - 1]
    group = np.fromiter((state.group.get(n, -1) for n in c.tolist()), np.int64, len(c))
    seen = (
        client.solid_start[c]
        & client.solid_reply[c]
        & backend.solid_start[b]
        & backend.solid_reply[b]
        & times_tell(client)[client.table.connection[c]]
        & times_tell(backend)[backend.table.connection[b]]
        & (client.table.responses.start[c] == backend.table.responses.start[b])
    )
    wait, service, group = (
        (client.reply - client.start)[c][seen],
        (backend.reply - backend.start)[b][seen],
        group[seen],
    )
    alone = group < 0
    shorter = int((wait < service)[alone].sum())
    wait, service, group = wait[~alone], service[~alone], group[~alone]
    shorter += int((wait[np.lexsort((wait, group))] < service[np.lexsort((service, group))]).sum())
    return shorter, int(seen.sum())


def _fields(state: Pairing) -> int:
    """Whose requests bear what balancers add: the backend's (as it should be), the client's, or
    nobody's alone. Only requests that both sides show whole can tell.
    """
    mine, theirs = (f.table.requests.whole_heads for f in (state.client, state.backend))
    read = ((c, bs[-1]) for c, bs in state.caused.items() if mine[c] and theirs[bs[-1]])
    pairs = list(islice(read, LOOKED_AT))
    if not pairs:
        return 0
    fronts = sum(_added(state.client, c) for c, _ in pairs)
    backs = sum(_added(state.backend, b) for _, b in pairs)
    if fronts >= REVERSED * len(pairs) and not backs:
        return -1
    return int(backs >= REVERSED * len(pairs) and not fronts)


def _added(facts: Facts, number: int) -> bool:
    if facts.trace_of(number).applications[facts.connection_ref(number).id].proxy:
        return True
    return any(
        line.name.lower() in ADDED_BY_PROXIES
        for line in facts.table.requests.heads.lines(facts.table.words, number)
    )


def _host(state: Pairing) -> int:
    """Which way a host that is a server on one side and a client on the other stands between the
    captures.
    """
    c_servers, c_clients = _hosts(state.client.table)
    b_servers, b_clients = _hosts(state.backend.table)
    between, reverse = (
        c_servers & b_clients - c_clients - b_servers,
        c_clients & b_servers - c_servers - b_clients,
    )
    return bool(between) - bool(reverse)


def _hosts(table: SideTable) -> tuple[set[int], set[int]]:
    """The servers and the clients of connections that carried bytes, by number. Who is which is no
    guess by the ports.
    """
    spoken = (table.of_ends("bytes", server=False) > 0) | (table.of_ends("bytes", server=True) > 0)
    spoken &= table.of_connections("role_source") != SOURCES.index(RoleSource.PORT)
    return set(table.server_address[spoken].tolist()), set(table.client_address[spoken].tolist())
