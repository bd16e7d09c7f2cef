"""Connections of both sides that are one conversation, by what a balancer states of them → the
exchange pairs that follow from it.

An address is stated in a PROXY header or in X-Forwarded-For / Forwarded with a port. One that the
client itself sent (a spoofed X-Forwarded-For) is no statement of the balancer: the last element
counts, and never a value that appears on the client side. A loopback address is none of a client on
another machine, but of a proxy that runs beside the one that states it: the element before it
counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lbtrace.http_fields import Meaning, fields_of
from lbtrace.http_fields.addresses import Node, is_loopback, is_public, node, nodes
from lbtrace.http_fields.lines import lowered
from lbtrace.match import midstream
from lbtrace.match.exchange_times import Facts, may_be_answer, may_be_caused
from lbtrace.match.pairing import Pairing
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import among
from lbtrace.tables.packets import Column
from lbtrace.tables.side_table import SideTable

STATES = 0.9  # share of the pairs in which a balancer that states addresses does so

Hosts = dict[str, dict[int, list[Ref]]]  # connections, by address and port of the client


@dataclass(slots=True)
class Stated:
    """The endpoint a balancer stated for a backend exchange (`port` 0: none given), and where."""

    address: str
    port: int
    where: str


def stated(backends: Facts, sent_by_clients: set[str], remote: bool = True) -> list[Stated | None]:
    """What the balancer said about who asked, per backend exchange. `sent_by_clients`: values that
    clients sent themselves, no statement of it. `remote`: no client is on the balancer's machine.
    """
    table = backends.table
    lines, heads = table.words.line_list, table.requests.heads
    read: list[Stated | None] = [None] * len(lines)
    for n in np.flatnonzero(_stating(table)).tolist():
        if lines[n].value not in sent_by_clients:
            read[n] = _statement(lines[n], remote)
    out: list[Stated | None] = [None] * len(backends)
    owner, line = heads.which(np.fromiter((said is not None for said in read), bool, len(read)))
    for b, n in zip(
        owner[::-1].tolist(), line[::-1].tolist(), strict=True
    ):  # the last line counts, or the last that has a port
        found, said = out[b], read[n]
        if found is None or (said is not None and said.port and not found.port):
            out[b] = said
    proxied = list(_proxied(backends.traces))
    at = table.numbers_of_connections([Ref(point, i) for point, i, _ in proxied])
    for (_, _, source), numbers in zip(proxied, table.by_connection.lists(at), strict=True):
        named = _stated(node(source), "PROXY")
        for b in numbers if named is not None else ():
            out[b] = named
    return out


def _stating(table: SideTable) -> Column:
    """Per line, whether it stands in a request of this side and its field states an address."""
    there = np.zeros(len(table.words.line_list), bool)
    there[table.requests.heads.line] = True
    return there & table.words.fields_named(fields_of(Meaning.CLIENT_ADDRESS).__contains__)


def _proxied(traces: Sequence[Trace]) -> list[tuple[int, int, str]]:
    """Point, connection and first named source, of connections that begin with a PROXY header."""
    found = (
        (point, i, next((p.source for p in application.proxy if p.source), None))
        for point, trace in enumerate(traces)
        for i, application in enumerate(trace.applications)
        if application.proxy
    )
    return [(point, i, source) for point, i, source in found if source]


def askers(state: Pairing, said: Sequence[Stated | None]) -> list[str]:
    """Who asked, per backend exchange: the address the balancer states, where it does so of nearly
    all (else it may be the client's own word); else the source of the connection, where clients
    keep theirs (another address is then another client's, not the balancer's); "" where nothing
    says it.
    """
    client, backend = state.client, state.backend
    source_of = backend.table.client_address[backend.connection]
    asked = [bs[-1] for bs in state.caused.values()]
    if sum(said[b] is not None for b in asked) < STATES * len(asked):
        said = [None] * len(said)
    kept = bool(asked) and bool(among(source_of[asked], client.table.client_address).all())
    if not kept:
        return [told.address if told is not None else "" for told in said]
    sources = map(client.table.words.text_list.__getitem__, source_of.tolist())
    return [
        told.address if told is not None else source
        for source, told in zip(sources, said, strict=True)
    ]


def named(state: Pairing, said: Sequence[Stated | None], private: bool) -> set[int]:
    """The client exchanges whose client the balancer names, by its own address, in every backend
    exchange that they caused; none where an exchange of a client's is left over.

    `private`: private addresses too, which many networks share.
    """
    left = state.free_clients() or any(b in state.shared for b in state.free_backends())
    if left or not any(said):
        return set()  # the client's, but perhaps another of its requests
    table, texts = state.client.table, state.client.table.words.texts
    hosts = [texts[host] for host in table.hosts if private or is_public(host)]
    known: dict[str, int] = {}  # stated addresses, by their numbers
    told = np.fromiter(
        (
            -1
            if s is None
            else known[s.address]
            if s.address in known
            else known.setdefault(s.address, texts.get(s.address, -1))
            for s in said
        ),
        np.int64,
        len(said),
    )
    clients, sizes, backends = state.flat()
    address = table.client_address[table.connection[clients]]
    other = told[backends] != np.repeat(address, sizes)
    wrong = np.repeat(np.arange(len(clients)), sizes)[other]
    fine = among(address, np.array(hosts, np.int64))
    fine[wrong] = False
    return set(clients[fine].tolist())


def sent_statements(clients: Facts) -> set[str]:
    """Values of address-stating fields that clients sent themselves."""
    lines = clients.table.words.line_list
    return {lines[n].value for n in np.flatnonzero(_stating(clients.table)).tolist()}


def _statement(line: HeaderLine, remote: bool) -> Stated | None:
    """What the last proxy before the backend states in a forwarding field; of remote clients, what
    the last one states that was not asked from its own machine.
    """
    named = [n for n in nodes(lowered(line.name), line.value) if not (remote and _is_local(n))]
    *_, last = (None, *named)
    return _stated(last, line.name)


def _is_local(found: Node | None) -> bool:
    return found is not None and is_loopback(found.address)


def remote_only(clients: Facts) -> bool:
    """Whether no client asks over the loopback interface of its own machine."""
    return not any(map(is_loopback, clients.table.hosts))


def _stated(found: Node | None, where: str) -> Stated | None:
    return Stated(found.address, found.port, where) if found is not None else None


def by_proxy_header(client: Facts, backend: Facts) -> list[ConnectionPair]:
    """Backend connections whose PROXY header names a client connection; through a NAT by the port,
    as `by_stated_port` has it.
    """
    named = _proxied(backend.traces)
    said = [_stated(node(source), "PROXY") for _, _, source in named]
    found = by_stated_port(client, said)
    once = Counter(found.values())
    out = []
    for i, ref in found.items():
        stated_as = said[i]
        if once[ref] == 1 and stated_as is not None:
            exact = client.traces[ref.point].connections[ref.id].client.address == stated_as.address
            back = Ref(named[i][0], named[i][1])
            out.append(
                ConnectionPair(
                    ref,
                    back,
                    ConnectionBasis.STATED_ADDRESS,
                    Confidence.CERTAIN if exact else Confidence.HIGH,
                )
            )
    return out


def by_stated_port(client: Facts, said: Sequence[Stated | None]) -> dict[int, Ref]:
    """Backend exchange → the client connection its stated address and port name.

    Exactly named, it is that connection when only one incarnation of it was captured. When a NAT
    stands before the balancer the address is another: then the port decides if the NAT kept it, and
    that is believed only when every stated port of that address is one of one client host's.
    """
    stated = [(b, s.address, s.port) for b, s in enumerate(said) if s is not None and s.port]
    if not stated:
        return {}
    hosts = _client_hosts(client)
    ports: dict[str, set[int]] = defaultdict(set)
    for _, address, port in stated:
        ports[address].add(port)
    behind = _behind_nat(hosts, ports)
    out: dict[int, Ref] = {}
    for b, address, port in stated:
        own = hosts.get(address, {}).get(port)
        refs = own or hosts.get(behind.get(address, ""), {}).get(port, [])
        if len(refs) == 1:
            out[b] = refs[0]
    return out


def _client_hosts(client: Facts) -> Hosts:
    """The connections of the client side."""
    hosts: Hosts = defaultdict(lambda: defaultdict(list))
    for point, table in enumerate(client.table.connections):
        addresses = map(table.addresses.__getitem__, table.client.tolist())
        for i, (address, port) in enumerate(
            zip(addresses, table.client_port.tolist(), strict=True)
        ):
            hosts[address][port].append(Ref(point, i))
    return hosts


def _behind_nat(hosts: Hosts, stated: Mapping[str, Set[int]]) -> dict[str, str]:
    """Address that no client has → the one client host that has every port stated with it, three
    at least.
    """
    behind: dict[str, str] = {}
    for address, named in stated.items():
        if address in hosts or len(named) < 3:
            continue
        fitting = [host for host, own in hosts.items() if named <= own.keys()]
        if len(fitting) == 1:
            behind[address] = fitting[0]
    return behind


def by_number(
    client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]
) -> list[tuple[int, int]]:
    """Exchanges of two connections with the same packets: by the sequence numbers of the requests
    or, where one was not captured, of the responses.
    """
    there = {
        (way, n): b for b in theirs for way, n in enumerate(_numbers(backend, b)) if n is not None
    }
    found = [
        (c, [there[key] for key in enumerate(_numbers(client, c)) if key in there]) for c in mine
    ]
    return [
        (c, bs[0])
        for c, bs in found
        if bs and all(b == bs[0] for b in bs) and _fits(client, backend, c, bs[0])
    ]


def by_content(
    client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]
) -> list[tuple[int, int]]:
    """Exchanges of one conversation whose start was not captured: equal requests that occur once on
    each side. Time must agree.
    """
    keys: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for c in mine:
        keys[_content(client, c)][0].append(c)
    for b in theirs:
        keys[_content(backend, b)][1].append(b)
    return [
        (c[0], b[0])
        for c, b in keys.values()
        if len(c) == len(b) == 1 and _fits(client, backend, c[0], b[0])
    ]


def in_order(
    client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]
) -> list[tuple[int, int]]:
    """Exchanges of one client connection, each side in order → pairs that cannot be otherwise; what
    is doubtful is left to time.

    Equal counts pair in order, when no packet is missing from either capture, every exchange was
    answered, and the client's connection was captured to its end: then nothing can hide a shift by
    one. A client capture that ended before the connection did may lack as many later exchanges as a
    backend capture that began late lacks earlier ones.
    """
    whole = all(_whole(client, c) for c in mine) and all(_whole(backend, b) for b in theirs)
    whole = whole and all(_ended(_connection(client, c)) for c in mine)
    pairs = list(zip(mine, theirs, strict=False))
    whole = whole and all(not client.cached[c] or backend.cached[b] for c, b in pairs)
    # A client that waits for each answer causes one after another: what runs at once are copies,
    # and others were answered without any.
    whole = whole and all(
        backend.start[b] >= backend.reply[a]
        for a, b in pairwise(theirs)
        if backend.point[a] == backend.point[b]
    )
    return (
        pairs
        if whole
        and len(mine) == len(theirs)
        and all(_fits(client, backend, c, b) for c, b in pairs)
        else []
    )


def _whole(facts: Facts, number: int) -> bool:
    """Whether the exchange was answered, and its connection captured from the start without a
    missing byte.
    """
    e = facts.exchange(number)
    c = _connection(facts, number)
    return (
        e.request is not None
        and e.response is not None
        and c.syns > 0
        and not c.from_client.missing
        and not c.from_server.missing
    )


def _ended(c: Connection) -> bool:
    """Whether the capture shows the connection's end."""
    return any(way.fins or way.rsts for way in (c.from_client, c.from_server))


def _fits(client: Facts, backend: Facts, c: int, b: int) -> bool:
    return may_be_caused(client.exchange(c), backend.exchange(b)) and may_be_answer(
        client.exchange(c), backend.exchange(b)
    )


def _connection(facts: Facts, number: int) -> Connection:
    return facts.connection_of(number)


def _numbers(facts: Facts, number: int) -> tuple[int | None, int | None]:
    return midstream.numbers(facts.trace_of(number), facts.exchange(number))


def _content(facts: Facts, number: int) -> object:
    e = facts.exchange(number)
    q = e.request
    return (q.method, q.target, q.lines, q.body.digest) if q is not None else number


def exchanges_of(facts: Facts, refs: Iterable[Ref]) -> dict[Ref, list[int]]:
    """Connection → its exchange numbers, in order."""
    table, every = facts.table, list(refs)
    found = table.by_connection.lists(table.numbers_of_connections(every))
    return dict(zip(every, found, strict=True))
