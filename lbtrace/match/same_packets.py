"""Connections of both sides → those that a balancer passed on, by what it cannot have made up.

Strongest first: equal initial sequence numbers of both ends under other addresses, the same TLS
ClientHello random. Equality of a single initial sequence number is 2⁻³² by chance for one pair of
connections, but with 10⁵ connections a side it happens: both ends' numbers are asked for, or, where
one end's was rewritten or not captured, the source port or the TCP timestamp too. A connection is
in one pair at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lbtrace.match import midstream
from lbtrace.match.exchange_times import Facts, may_be_answer_each, may_be_caused_each
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair
from lbtrace.tables.connections import NONE
from lbtrace.tables.messages import Messages
from lbtrace.tables.packets import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint, numbering, numbers

_Alike = tuple[Column, list[Column]]  # connections, and the columns of what they are asked for


def same_packets(client: Facts, backend: Facts) -> list[ConnectionPair]:
    """Connection pairs with equal initial sequence numbers, or an equal ClientHello random."""
    sides = (client.table, backend.table)
    hellos = _hellos(sides)
    work = _Work(*sides, hellos)
    work.take(ConnectionBasis.SAME_PACKETS, [_both_numbers(t) for t in sides])
    work.take(ConnectionBasis.SAME_PACKETS, [_one_number(t) for t in sides])
    work.take(ConnectionBasis.TLS_CLIENT_HELLO, hellos)
    if all(bool(t.of_connections("syns").all()) for t in sides):
        return work.found  # every start was captured: the numbers have spoken
    work.take(ConnectionBasis.SAME_PACKETS, [_ends(t) for t in sides], one_open=True)
    known = ({p.client for p in work.found}, {p.backend for p in work.found})
    return work.found + midstream.pairs(client, backend, *known)


@dataclass(slots=True)
class _Work:
    """The pairs found so far."""

    client: SideTable
    backend: SideTable
    hellos: Sequence[_Alike]  # of each side
    found: list[ConnectionPair] = field(default_factory=list)
    free: tuple[Column, Column] = field(init=False)  # bool per connection of each side

    def __post_init__(self) -> None:
        self.free = (
            np.ones(len(self.client.client_address), bool),
            np.ones(len(self.backend.client_address), bool),
        )

    def take(self, basis: ConnectionBasis, sides: Sequence[_Alike], one_open: bool = False) -> None:
        """Pair the free connections that are alike, as many on one side as on the other: more on
        one side show packets twice, or chance. `one_open`: only those whose start one side lacks.
        """
        (mine, one), (theirs, other) = sides
        code = joint(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))
        count = int(code.max(initial=-1)) + 1
        key_c, key_b = code[: len(mine)], code[len(mine) :]
        place = np.full(count, len(mine))
        place[key_c[::-1]] = np.arange(len(mine))[::-1]  # keys in the order of the client side
        may_c, may_b = self.free[0][mine], self.free[1][theirs]
        if one_open:
            begun = np.zeros(count, bool)  # the start of the first one behind was captured
            begun[key_b[may_b][::-1]] = (self.backend.of_connections("syns") > 0)[theirs][may_b][
                ::-1
            ]
            may_c &= ~(begun[key_c] & (self.client.of_connections("syns") > 0)[mine])
        mine, theirs, key_c, key_b = mine[may_c], theirs[may_b], key_c[may_c], key_b[may_b]
        even = np.bincount(key_c, minlength=count) == np.bincount(key_b, minlength=count)
        c, b = (
            at[even[key]][np.argsort(place[key[even[key]]], kind="stable")]
            for at, key in ((mine, key_c), (theirs, key_b))
        )
        fine = ~_contradicted(self.client, c, self.backend, b) & ~self._greet_otherwise(c, b)
        c, b = c[fine], b[fine]
        self.free[0][c] = self.free[1][b] = False
        refs = (table.connection_refs(at) for table, at in ((self.client, c), (self.backend, b)))
        self.found += rows_of(
            ConnectionPair, (*refs, [basis] * len(c), [Confidence.CERTAIN] * len(c))
        )

    def _greet_otherwise(self, c: Column, b: Column) -> Column:
        """Pair by pair, whether the two begin with different ClientHellos: equal numbers are chance
        then.
        """
        said = []
        for table, (at, (random,)) in zip((self.client, self.backend), self.hellos, strict=True):
            said.append(np.full(len(table.client_address), NONE))
            said[-1][at] = random
        mine, theirs = said[0][c], said[1][b]
        other: Column = (mine != NONE) & (theirs != NONE) & (mine != theirs)
        return other


def _contradicted(client: SideTable, c: Column, backend: SideTable, b: Column) -> Column:
    """Pair by pair, whether connections that begin in both captures begin with different requests:
    made-up traffic repeats sequence numbers.
    """
    (q, i, begun), (p, j, begun_there) = (
        _first_requests(table, at) for table, at in ((client, c), (backend, b))
    )
    out = np.zeros(len(c), bool)
    both = np.flatnonzero(begun & begun_there)
    i, j = i[both], j[both]
    out[both] = (
        (q.method[i] != p.method[j]) | (q.start[i] != p.start[j]) | ~q.heads.equal(i, p.heads, j)
    )
    return out


def _first_requests(table: SideTable, connections: Column) -> tuple[Messages, Column, Column]:
    """(the requests of a side, the first exchange of each of these connections, whether that begins
    the connection with a whole head).
    """
    held, first = np.unique(table.connection, return_index=True)
    begins = np.full(len(table.client_address), len(table))
    begins[held] = first
    at, requests = begins[connections], table.requests
    fine = requests.whole_heads & requests.from_client & (requests.offset == 0)
    fine = np.append(fine, False)
    return requests, at, fine[at] & (table.of_connections("syns")[connections] > 0)


def _both_numbers(table: SideTable) -> _Alike:
    """The initial sequence numbers of both ends."""
    one, other = table.of_ends("isn", server=False), table.of_ends("isn", server=True)
    at = np.flatnonzero((one != NONE) & (other != NONE))
    return at, [(one[at] << 32) | other[at]]


def _one_number(table: SideTable) -> _Alike:
    """The client's initial sequence number with the timestamp of its SYN, else with its port."""
    isn, syn_row = table.of_ends("isn", server=False), table.of_ends("syn_row", server=False)
    stamps = [held.syn_options.timestamp for held in table.connections]
    begins = np.cumsum([0, *map(len, stamps)])[:-1]
    stamp = np.concatenate(stamps or [np.zeros(0, np.int64)])
    shift = np.repeat(begins, [len(held) for held in table.connections])
    at = np.flatnonzero((isn != NONE) & (syn_row != NONE))
    stamp = stamp[(syn_row + shift)[at]] if len(stamp) else np.zeros(len(at), np.int64)
    port = table.of_connections("client_port")[at].astype(np.int64)
    return at, [isn[at], stamp, np.where(stamp == NONE, port, NONE)]


def _ends(table: SideTable) -> _Alike:
    """Both ends, for connections whose start was captured on one side at most; on one address, the
    network too.
    """
    client, server = table.client_address, table.server_address
    network = np.concatenate(
        [numbers(table.words.texts, held.networks)[held.network] for held in table.connections]
        or [np.zeros(0, np.int64)]
    )
    ports = [table.of_connections(name).astype(np.int64) for name in ("client_port", "server_port")]
    return np.arange(len(client)), [
        client << 32 | server,
        *ports,
        np.where(client == server, network, -1),
    ]


def _hellos(sides: Sequence[SideTable]) -> list[_Alike]:
    """The random of each ClientHello, on both sides."""
    known = numbering()
    found: list[_Alike] = []
    for table in sides:
        every = [application.tls for trace in table.traces for application in trace.applications]
        at = [i for i, hello in enumerate(every) if hello is not None]
        found.append(
            (
                np.array(at, np.int64),
                [numbers(known, [hello.random for hello in every if hello is not None])],
            )
        )
    return found


def by_offset(
    client: Facts, backend: Facts, connections: tuple[Column, Column]
) -> tuple[Column, Column, Column]:
    """Connection pairs, as the numbers of their connections, that begin in both captures → (place
    among them, client exchange, backend exchange) of their exchanges with the same bytes, in order:
    a message lies at the same offset of the same stream, after a PROXY header.
    """
    sides = []
    for facts, held in zip((client, backend), connections, strict=True):
        table = facts.table
        which = np.full(len(table.client_address), NONE)
        which[held] = np.arange(len(held))
        which[table.of_connections("syns") == 0] = NONE
        pair = which[table.connection]
        at = np.flatnonzero((pair != NONE) & table.requests.there)
        own = table.requests.from_client[at]
        proxied = np.where(own, table.proxied[table.connection[at]], 0)
        sides.append((at, pair[at], own, table.requests.offset[at] - proxied))
    (mine, pair, *_), (theirs, *_) = sides
    code = joint(
        *(np.concatenate(columns) for columns in zip(*(side[1:] for side in sides), strict=True))
    )
    partner = np.full(int(code.max(initial=-1)) + 1, NONE)
    partner[code[len(mine) :]] = theirs
    found = partner[code[: len(mine)]]
    c, b, pair = mine[found != NONE], found[found != NONE], pair[found != NONE]
    fine = may_be_caused_each(client, backend, c, b) & may_be_answer_each(client, backend, c, b)
    order = np.flatnonzero(fine)[np.argsort(pair[fine], kind="stable")]
    return pair[order], c[order], b[order]
