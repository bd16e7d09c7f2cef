"""Connections of both sides → the ones that are one conversation, and the exchange pairs that follow from it.

Strongest first: equal initial sequence numbers of both ends under other addresses (the balancer passed the packets on), the same TLS
ClientHello random, an address the balancer states in a PROXY header or in X-Forwarded-For / Forwarded with a port. Equality of
a single initial
sequence number is 2⁻³² by chance for one pair of connections, but with 10⁵ connections a side it happens: both ends' numbers
are asked for,
or, where one end's was rewritten or not captured, the source port or the TCP timestamp too.
A stated address that the client itself sent (a spoofed X-Forwarded-For) is no statement of the balancer: the last element
counts, and never a value
that appears on the client side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbtrace.correlate import midstream
from lbtrace.correlate.facts import Facts, may_be_answer, may_be_caused
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref, Tier
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace

STATED_IN = ("x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-envoy-external-address", "x-client-ip")


def same_packets(clients: Sequence[Trace], backends: Sequence[Trace]) -> list[ConnectionPair]:
    """Connection pairs with equal initial sequence numbers, or an equal ClientHello random."""
    found: list[ConnectionPair] = []
    taken: set[Ref] = set()
    used: set[Ref] = set()

    def take(basis: ConnectionBasis, key_of: object, left: dict[object, list[Ref]], right: dict[object, list[Ref]]) -> None:
        for key, mine in left.items():
            theirs = [r for r in right.get(key, ()) if r not in used]
            mine = [r for r in mine if r not in taken]
            if key_of is _same_ends:
                mine = [
                    r
                    for r in mine
                    if theirs
                    and (not clients[r.point].connections[r.id].syns or not backends[theirs[0].point].connections[theirs[0].id].syns)
                ]
            if len(mine) == len(theirs):  # more on one side: a capture that shows packets twice, or chance
                for c, b in zip(mine, theirs, strict=True):
                    if _contradicted(clients[c.point], c.id, backends[b.point], b.id):
                        continue
                    found.append(ConnectionPair(c, b, basis, Confidence.CERTAIN))
                    taken.add(c)
                    used.add(b)

    for keys in (_both_numbers, _one_number, _hello, _same_ends):
        basis = ConnectionBasis.TLS_CLIENT_HELLO if keys is _hello else ConnectionBasis.SAME_PACKETS
        take(basis, keys, _index(clients, keys), _index(backends, keys))
    return found + midstream.pairs(clients, backends, taken, used)


def _contradicted(front: Trace, c: int, back: Trace, b: int) -> bool:
    """Whether connections that begin in both captures begin with different requests: made-up traffic repeats sequence numbers."""
    first, other = front.exchanges_of(c)[:1], back.exchanges_of(b)[:1]
    if not (first and other and front.connections[c].syns and back.connections[b].syns):
        return False
    q, p = front.exchanges[first[0]].request, back.exchanges[other[0]].request
    if q is None or p is None or q.offset or p.offset or Mark.HEAD_TRUNCATED in (*q.marks, *p.marks):
        return False
    return (q.method, q.target, q.lines) != (p.method, p.target, p.lines)


def _index(traces: Sequence[Trace], keys: object) -> dict[object, list[Ref]]:
    out: dict[object, list[Ref]] = defaultdict(list)
    for point, trace in enumerate(traces):
        for connection in trace.connections:
            key = keys(trace, connection)  # type: ignore[operator]
            if key is not None:
                out[key].append(Ref(point, connection.id))
    return out


def _both_numbers(_trace: Trace, c: Connection) -> object:
    if c.from_client.isn is None or c.from_server.isn is None:
        return None
    return c.from_client.isn, c.from_server.isn


def _one_number(_trace: Trace, c: Connection) -> object:
    if c.from_client.isn is None or c.from_client.syn is None:
        return None
    stamp = c.from_client.syn.timestamp
    return c.from_client.isn, stamp if stamp is not None else ("port", c.client.port)


def _same_ends(_trace: Trace, c: Connection) -> object:
    """Both ends, for connections whose start was captured on one side at most: with both starts the numbers have spoken."""
    return (c.client, c.server, c.network if c.client.address == c.server.address else "")


def _hello(trace: Trace, c: Connection) -> object:
    tls = trace.applications[c.id].tls
    return tls.random if tls is not None else None


@dataclass(slots=True)
class Stated:
    """The endpoint a balancer stated for a backend exchange (`port` 0: none given), and where."""

    address: str
    port: int
    where: str


def stated(backends: Facts, sent_by_clients: set[str]) -> list[Stated | None]:
    """What the balancer said about who asked, per backend exchange. `sent_by_clients`: values that clients sent themselves, no
    statement of it."""
    out: list[Stated | None] = []
    read: dict[HeaderLine, Stated | None] = {}
    for b, e in enumerate(backends.items):
        point = backends.refs[b].point
        trace = backends.traces[point]
        proxy = trace.applications[e.connection].proxy
        named = next((p.source for p in proxy if p.source), None)
        found = _endpoint(named, "PROXY") if named else None
        if found is None and e.request is not None:
            for line in reversed(e.request.lines):
                if line not in read:
                    read[line] = _statement(line) if line.name.lower() in STATED_IN and line.value not in sent_by_clients else None
                said = read[line]
                if said is not None and (found is None or (said.port and not found.port)):
                    found = said
        out.append(found)
    return out


def askers(state: Pairing, said: Sequence[Stated | None]) -> list[str]:
    """Who asked, per backend exchange: the address the balancer states; else the source of the connection, where clients keep theirs
    (another address is then another client's, not the balancer's); "" where nothing says it."""
    hosts = {c.client.address for t in state.client.traces for c in t.connections}
    pairs = [(c, bs[-1]) for c, bs in state.caused.items()]
    kept = bool(pairs) and all(
        state.tier[c] is Tier.SAME_PACKETS or _connection(state.backend, b).client.address in hosts for c, b in pairs
    )
    return [
        told.address if told is not None else _connection(state.backend, b).client.address if kept else "" for b, told in enumerate(said)
    ]


def sent_statements(clients: Facts) -> set[str]:
    """Values of address-stating fields that clients sent themselves."""
    return {line.value for e in clients.items if e.request is not None for line in e.request.lines if line.name.lower() in STATED_IN}


def _statement(line: HeaderLine) -> Stated | None:
    value = line.value
    if line.name.lower() == "forwarded":
        last = value.rsplit(",", 1)[-1]
        element = next((part.strip()[4:] for part in last.split(";") if part.strip().lower().startswith("for=")), "")
        value = element.strip('"')
    return _endpoint(value.rsplit(",", 1)[-1].strip(), line.name)


def _endpoint(text: str, where: str) -> Stated | None:
    """ "1.2.3.4", "1.2.3.4:5", "[::1]:5", "::1" → address and port."""
    text = (
        text.strip().replace("::ffff:", "") if "." in text else text.strip()
    )  # an IPv4-mapped address (RFC 4291 §2.5.5.2) is that address
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return Stated(address.lower(), int(port[1:]) if port[1:].isdigit() else 0, where)
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return Stated(address, int(port), where) if port.isdigit() and len(port) <= 5 else None
    if text.count(":") > 1:
        return Stated(text.lower(), 0, where)
    return Stated(text, 0, where) if text.count(".") == 3 else None


def by_proxy_header(clients: Sequence[Trace], backends: Sequence[Trace]) -> list[ConnectionPair]:
    """Backend connections whose PROXY header names a client connection; through a NAT by the port, as `by_stated_port` has it."""
    said: list[Stated | None] = []
    refs: list[Ref] = []
    for point, trace in enumerate(backends):
        for c in trace.connections:
            named = next((p.source for p in trace.applications[c.id].proxy if p.source), None)
            if named:
                said.append(_endpoint(named, "PROXY"))
                refs.append(Ref(point, c.id))
    found = by_stated_port(clients, said)
    once = Counter(found.values())
    out = []
    for i, ref in found.items():
        stated_as = said[i]
        if once[ref] == 1 and stated_as is not None:
            exact = clients[ref.point].connections[ref.id].client.address == stated_as.address
            out.append(ConnectionPair(ref, refs[i], ConnectionBasis.STATED_ADDRESS, Confidence.CERTAIN if exact else Confidence.HIGH))
    return out


def by_stated_port(clients: Sequence[Trace], said: Sequence[Stated | None]) -> dict[int, Ref]:
    """Backend exchange → the client connection its stated address and port name.

    Exactly named, it is that connection when only one incarnation of it was captured. When a NAT stands before the balancer
    the address is another:
    then the port decides if the NAT kept it, and that is believed only when every stated port of that address is one of one
    client host's.
    """
    exact: dict[Endpoint, list[Ref]] = defaultdict(list)
    hosts: dict[str, dict[int, list[Ref]]] = defaultdict(lambda: defaultdict(list))
    for point, trace in enumerate(clients):
        for c in trace.connections:
            exact[c.client].append(Ref(point, c.id))
            hosts[c.client.address][c.client.port].append(Ref(point, c.id))
    ports: dict[str, set[int]] = defaultdict(set)
    for s in said:
        if s is not None and s.port:
            ports[s.address].add(s.port)
    behind: dict[str, str] = {}
    for address, named in ports.items():
        if address in hosts or len(named) < 3:
            continue
        fitting = [host for host, own in hosts.items() if named <= own.keys()]
        if len(fitting) == 1:
            behind[address] = fitting[0]
    out: dict[int, Ref] = {}
    for b, s in enumerate(said):
        if s is None or not s.port:
            continue
        refs = exact.get(Endpoint(s.address, s.port)) or hosts.get(behind.get(s.address, ""), {}).get(s.port, [])
        if len(refs) == 1:
            out[b] = refs[0]
    return out


def by_offset(client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]) -> list[tuple[int, int]]:
    """Exchanges of two connections with the same bytes: a message lies at the same offset of its stream."""
    if any(not _connection(facts, n[0]).syns for facts, n in ((client, mine), (backend, theirs)) if n):
        known = _by_number(client, backend, mine, theirs)
    else:
        there = {_offset(backend, b): b for b in theirs}
        known = [(c, there[_offset(client, c)]) for c in mine if _offset(client, c) in there]
    return [(c, b) for c, b in known if _fits(client, backend, c, b)]


def _by_number(client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]) -> list[tuple[int, int]]:
    """The same by sequence numbers, of the requests or, where one was not captured, of the responses."""
    there = {(way, n): b for b in theirs for way, n in enumerate(_numbers(backend, b)) if n is not None}
    found = [(c, [there[key] for key in enumerate(_numbers(client, c)) if key in there]) for c in mine]
    return [(c, bs[0]) for c, bs in found if bs and all(b == bs[0] for b in bs)]


def by_content(client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]) -> list[tuple[int, int]]:
    """Exchanges of one conversation whose start was not captured: equal requests that occur once on each side. Time must agree."""
    keys: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for c in mine:
        keys[_content(client, c)][0].append(c)
    for b in theirs:
        keys[_content(backend, b)][1].append(b)
    return [(c[0], b[0]) for c, b in keys.values() if len(c) == len(b) == 1 and _fits(client, backend, c[0], b[0])]


def in_order(client: Facts, backend: Facts, mine: Sequence[int], theirs: Sequence[int]) -> list[tuple[int, int]]:
    """Exchanges of one client connection, each side in order → pairs that cannot be otherwise; what is doubtful is left to time.

    Equal counts pair in order, when no packet is missing from either capture and every exchange was answered: then nothing can hide a shift
    by one.
    """
    whole = all(_whole(client, c) for c in mine) and all(_whole(backend, b) for b in theirs)
    pairs = list(zip(mine, theirs, strict=False))
    return pairs if whole and len(mine) == len(theirs) and all(_fits(client, backend, c, b) for c, b in pairs) else []


def _whole(facts: Facts, number: int) -> bool:
    """Whether the exchange was answered, and its connection captured from the start without a missing byte."""
    e = facts.items[number]
    c = _connection(facts, number)
    return e.request is not None and e.response is not None and c.syns > 0 and not c.from_client.missing and not c.from_server.missing


def _fits(client: Facts, backend: Facts, c: int, b: int) -> bool:
    return may_be_caused(client.items[c], backend.items[b]) and may_be_answer(client.items[c], backend.items[b])


def _connection(facts: Facts, number: int) -> Connection:
    return facts.traces[facts.refs[number].point].connections[facts.items[number].connection]


def _numbers(facts: Facts, number: int) -> tuple[int | None, int | None]:
    return midstream.numbers(facts.traces[facts.refs[number].point], facts.items[number])


def _offset(facts: Facts, number: int) -> object:
    """Where the message lies in its stream, after a PROXY header; unlike any other when the stream's start was not captured."""
    e = facts.items[number]
    trace = facts.traces[facts.refs[number].point]
    if not trace.connections[e.connection].syns or e.request is None:
        return (facts.side, number)
    return e.request.offset - sum(p.length for p in trace.applications[e.connection].proxy)


def _content(facts: Facts, number: int) -> object:
    e = facts.items[number]
    q = e.request
    return (q.method, q.target, q.lines, q.body.digest) if q is not None else number


def exchanges_of(facts: Facts, refs: Iterable[Ref]) -> dict[Ref, list[int]]:
    """Connection → its exchange numbers, in order."""
    return {ref: [facts.first_of[ref.point] + i for i in facts.traces[ref.point].exchanges_of(ref.id)] for ref in refs}
