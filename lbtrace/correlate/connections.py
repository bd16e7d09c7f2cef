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
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lbtrace.connection_table import NONE
from lbtrace.correlate import midstream
from lbtrace.correlate.facts import Facts, may_be_answer, may_be_caused
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.side_table import SideTable, numbers
from lbtrace.tables import Column

STATES = 0.9  # share of the pairs in which a balancer that states addresses does so
STATED_IN = ("x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-envoy-external-address", "x-client-ip")


Keys = dict[object, list[Ref]]  # what connections are alike in → those that have it


def same_packets(client: Facts, backend: Facts) -> list[ConnectionPair]:
    """Connection pairs with equal initial sequence numbers, or an equal ClientHello random."""
    found: list[ConnectionPair] = []
    taken: set[Ref] = set()
    used: set[Ref] = set()

    def take(basis: ConnectionBasis, left: Keys, right: Keys, one_open: bool = False) -> None:
        for key, mine in left.items():
            theirs = [r for r in right.get(key, ()) if r not in used]
            mine = [r for r in mine if r not in taken]
            if one_open:
                mine = [r for r in mine if theirs and not (_syns(client, r) and _syns(backend, theirs[0]))]
            if len(mine) == len(theirs):  # more on one side: a capture that shows packets twice, or chance
                for c, b in zip(mine, theirs, strict=True):
                    if _contradicted(client, c, backend, b):
                        continue
                    found.append(ConnectionPair(c, b, basis, Confidence.CERTAIN))
                    taken.add(c)
                    used.add(b)

    sides = (client.table, backend.table)
    take(ConnectionBasis.SAME_PACKETS, *_alike([_both_numbers(t) for t in sides], sides))
    take(ConnectionBasis.SAME_PACKETS, *_alike([_one_number(t, refs) for t, refs in zip(sides, (taken, used), strict=True)], sides))
    take(ConnectionBasis.TLS_CLIENT_HELLO, _hellos(sides[0]), _hellos(sides[1]))
    if all(bool(t.of_connections("syns").all()) for t in sides):
        return found  # every start was captured: the numbers have spoken
    take(ConnectionBasis.SAME_PACKETS, *_alike([_ends(t) for t in sides], sides), one_open=True)
    return found + midstream.pairs(client.traces, backend.traces, taken, used)


def _syns(facts: Facts, ref: Ref) -> int:
    return int(facts.table.connections[ref.point].syns[ref.id])


def _contradicted(client: Facts, c: Ref, backend: Facts, b: Ref) -> bool:
    """Whether connections that begin in both captures begin with different requests: made-up traffic repeats sequence numbers."""
    if not (_syns(client, c) and _syns(backend, b)):
        return False
    first, other = client.traces[c.point].exchanges_of(c.id)[:1], backend.traces[b.point].exchanges_of(b.id)[:1]
    if not (first and other):
        return False
    q, p = client.items[client.first_of[c.point] + first[0]].request, backend.items[backend.first_of[b.point] + other[0]].request
    if q is None or p is None or q.offset or p.offset or Mark.HEAD_TRUNCATED in (*q.marks, *p.marks):
        return False
    return (q.method, q.target, q.lines) != (p.method, p.target, p.lines)


_Numbered = tuple[Column, list[Column]]  # connections, and the columns of what they are asked for


def _alike(sides: Sequence[_Numbered], tables: Sequence[SideTable]) -> tuple[Keys, Keys]:
    """The connections of both sides by the values of the columns, in order; those whose first value the other side has not are left out."""
    (mine, left), (theirs, right) = sides
    out: list[Keys] = []
    for at, columns, other, table in ((mine, left, right, tables[0]), (theirs, right, left, tables[1])):
        shared = np.isin(columns[0], other[0])
        held: Keys = defaultdict(list)
        ref = table.connection_ref
        for key in zip(*(column[shared].tolist() for column in (*columns, at)), strict=True):
            held[key[:-1]].append(ref(key[-1]))
        out.append(held)
    return out[0], out[1]


def _both_numbers(table: SideTable) -> _Numbered:
    """The initial sequence numbers of both ends."""
    one, other = table.of_ends("isn", server=False), table.of_ends("isn", server=True)
    at = np.flatnonzero((one != NONE) & (other != NONE))
    return at, [(one[at] << 32) | other[at]]


def _one_number(table: SideTable, known: Set[Ref]) -> _Numbered:
    """The client's initial sequence number with the timestamp of its SYN, else with its port; of connections that are not known yet."""
    isn, offer = table.of_ends("isn", server=False), table.of_ends("offer", server=False)
    stamps = [held.offers.timestamp for held in table.connections]
    begins = np.cumsum([0, *map(len, stamps)])[:-1]
    stamp = np.concatenate(stamps or [np.zeros(0, np.int64)])
    shift = np.repeat(begins, [len(held) for held in table.connections])
    free = np.ones(len(isn), bool)
    free[[table.first_connection[ref.point] + ref.id for ref in known]] = False
    at = np.flatnonzero((isn != NONE) & (offer != NONE) & free)
    stamp = stamp[(offer + shift)[at]] if len(stamp) else np.zeros(len(at), np.int64)
    port = table.of_connections("client_port")[at].astype(np.int64)
    return at, [isn[at], stamp, np.where(stamp == NONE, port, NONE)]


def _ends(table: SideTable) -> _Numbered:
    """Both ends, for connections whose start was captured on one side at most; on one address, the network too."""
    client, server = table.client_address, table.server_address
    network = np.concatenate(
        [numbers(table.words.texts, held.networks)[held.network] for held in table.connections] or [np.zeros(0, np.int64)]
    )
    ports = [table.of_connections(name).astype(np.int64) for name in ("client_port", "server_port")]
    return np.arange(len(client)), [client << 32 | server, *ports, np.where(client == server, network, -1)]


def _hellos(table: SideTable) -> Keys:
    """The random of each ClientHello."""
    out: Keys = defaultdict(list)
    for point, trace in enumerate(table.traces):
        for i, application in enumerate(trace.applications):
            if application.tls is not None:
                out[application.tls.random].append(Ref(point, i))
    return out


@dataclass(slots=True)
class Stated:
    """The endpoint a balancer stated for a backend exchange (`port` 0: none given), and where."""

    address: str
    port: int
    where: str


def stated(backends: Facts, sent_by_clients: set[str]) -> list[Stated | None]:
    """What the balancer said about who asked, per backend exchange. `sent_by_clients`: values that clients sent themselves, no
    statement of it."""
    table = backends.table
    lines, heads = table.words.line_list, table.requests.heads
    read: list[Stated | None] = [None] * len(lines)
    for n in np.flatnonzero(_stating(table)).tolist():
        if lines[n].value not in sent_by_clients:
            read[n] = _statement(lines[n])
    out: list[Stated | None] = [None] * len(backends)
    owner, line = heads.which(np.fromiter((said is not None for said in read), bool, len(read)))
    for b, n in zip(owner[::-1].tolist(), line[::-1].tolist(), strict=True):  # the last line counts, or the last that has a port
        found, said = out[b], read[n]
        if found is None or (said is not None and said.port and not found.port):
            out[b] = said
    for point, i, source in _proxied(backends.traces):
        named = _endpoint(source, "PROXY")
        for e in backends.traces[point].exchanges_of(i) if named is not None else ():
            out[backends.first_of[point] + e] = named
    return out


def _stating(table: SideTable) -> Column:
    """Per line, whether it stands in a request of this side and its field states an address."""
    there = np.zeros(len(table.words.line_list), bool)
    there[table.requests.heads.line] = True
    return there & table.words.fields_named(STATED_IN.__contains__)


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
    """Who asked, per backend exchange: the address the balancer states, where it does so of nearly all (else it may be the client's own
    word); else the source of the connection, where clients keep theirs (another address is then another client's, not the balancer's); ""
    where nothing says it."""
    client, backend = state.client, state.backend
    source_of = backend.table.client_address[backend.connection]
    asked = [bs[-1] for bs in state.caused.values()]
    if sum(said[b] is not None for b in asked) < STATES * len(asked):
        said = [None] * len(said)
    kept = bool(asked) and bool(np.isin(source_of[asked], client.table.client_address).all())
    if not kept:
        return [told.address if told is not None else "" for told in said]
    sources = map(client.table.words.text_list.__getitem__, source_of.tolist())
    return [told.address if told is not None else source for source, told in zip(sources, said, strict=True)]


def sent_statements(clients: Facts) -> set[str]:
    """Values of address-stating fields that clients sent themselves."""
    lines = clients.table.words.line_list
    return {lines[n].value for n in np.flatnonzero(_stating(clients.table)).tolist()}


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
        return Stated(address.lower(), int(port[1:]) if port[1:].isdecimal() and len(port) <= 6 else 0, where)
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return Stated(address, int(port), where) if port.isdecimal() and len(port) <= 5 else None
    if text.count(":") > 1:
        return Stated(text.lower(), 0, where)
    return Stated(text, 0, where) if text.count(".") == 3 else None


def by_proxy_header(client: Facts, backend: Facts) -> list[ConnectionPair]:
    """Backend connections whose PROXY header names a client connection; through a NAT by the port, as `by_stated_port` has it."""
    named = _proxied(backend.traces)
    said = [_endpoint(source, "PROXY") for _, _, source in named]
    found = by_stated_port(client, said)
    once = Counter(found.values())
    out = []
    for i, ref in found.items():
        stated_as = said[i]
        if once[ref] == 1 and stated_as is not None:
            exact = client.traces[ref.point].connections[ref.id].client.address == stated_as.address
            back = Ref(named[i][0], named[i][1])
            out.append(ConnectionPair(ref, back, ConnectionBasis.STATED_ADDRESS, Confidence.CERTAIN if exact else Confidence.HIGH))
    return out


def by_stated_port(client: Facts, said: Sequence[Stated | None]) -> dict[int, Ref]:
    """Backend exchange → the client connection its stated address and port name.

    Exactly named, it is that connection when only one incarnation of it was captured. When a NAT stands before the balancer
    the address is another:
    then the port decides if the NAT kept it, and that is believed only when every stated port of that address is one of one
    client host's.
    """
    if not any(s is not None and s.port for s in said):
        return {}
    hosts: dict[str, dict[int, list[Ref]]] = defaultdict(lambda: defaultdict(list))
    for point, table in enumerate(client.table.connections):
        addresses = map(table.addresses.__getitem__, table.client.tolist())
        for i, (address, port) in enumerate(zip(addresses, table.client_port.tolist(), strict=True)):
            hosts[address][port].append(Ref(point, i))
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
        refs = hosts.get(s.address, {}).get(s.port) or hosts.get(behind.get(s.address, ""), {}).get(s.port, [])
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

    Equal counts pair in order, when no packet is missing from either capture, every exchange was answered, and the client's connection was
    captured to its end: then nothing can hide a shift by one. A client capture that ended before the connection did may lack as many later
    exchanges as a backend capture that began late lacks earlier ones.
    """
    whole = all(_whole(client, c) for c in mine) and all(_whole(backend, b) for b in theirs)
    whole = whole and all(_ended(_connection(client, c)) for c in mine)
    pairs = list(zip(mine, theirs, strict=False))
    whole = whole and all(not client.cached[c] or backend.cached[b] for c, b in pairs)
    # A client that waits for each answer causes one after another: what runs at once are copies, and others were answered without any.
    whole = whole and all(backend.start[b] >= backend.reply[a] for a, b in pairwise(theirs) if backend.point[a] == backend.point[b])
    return pairs if whole and len(mine) == len(theirs) and all(_fits(client, backend, c, b) for c, b in pairs) else []


def _whole(facts: Facts, number: int) -> bool:
    """Whether the exchange was answered, and its connection captured from the start without a missing byte."""
    e = facts.items[number]
    c = _connection(facts, number)
    return e.request is not None and e.response is not None and c.syns > 0 and not c.from_client.missing and not c.from_server.missing


def _ended(c: Connection) -> bool:
    """Whether the capture shows the connection's end."""
    return any(way.fins or way.rsts for way in (c.from_client, c.from_server))


def _fits(client: Facts, backend: Facts, c: int, b: int) -> bool:
    return may_be_caused(client.items[c], backend.items[b]) and may_be_answer(client.items[c], backend.items[b])


def _connection(facts: Facts, number: int) -> Connection:
    return facts.connection_of(number)


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
