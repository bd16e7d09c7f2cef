"""Two sides and their Correlation → the questions that findings and verdict ask, answered once.

A `Case` indexes what the stages measured: the exchanges of a pair with their connections, which exchanges and connections are health
checks, and the frames that prove a claim. It judges nothing. Pairs of LOW confidence are never counted as knowledge. Interchangeable
pairs are: what is said of the whole set does not depend on who is whose, and whoever asks about single pairs leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

from lbtrace.columns import Column
from lbtrace.fields import addresses_in, is_public
from lbtrace.model.http import Exchange, Request, Response
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import (
    AddressMapping,
    AttemptOutcome,
    Clock,
    Confidence,
    ConnectionBasis,
    ConnectionPair,
    Correlation,
    ExchangePair,
    Ref,
)
from lbtrace.model.report import Evidence
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.side_table import SideTable, Words, side_table

FRAMES_PER_SIDE = 5  # examples are examples: the counts are in the statement
Shown = TypeVar("Shown")
RANK = {Confidence.LOW: 0, Confidence.MEDIUM: 1, Confidence.HIGH: 2, Confidence.CERTAIN: 3}


class Match(NamedTuple):
    """A pair with both exchanges and their connections at hand. `back` is the attempt that was answered, else the last one."""

    place: int  # in Correlation.pairs
    pair: ExchangePair
    front: Exchange
    back: Exchange
    front_connection: Connection
    back_connection: Connection
    backend: Ref  # of `back`
    outcome: AttemptOutcome

    @property
    def answered(self) -> bool:
        """True when the response the client got is the one in `back`."""
        return self.outcome is AttemptOutcome.ANSWERED


Joined = tuple[Connection, Connection, tuple[Ref, Ref]]  # client connection, backend connection, and where they are


class ConnectionMatch(NamedTuple):
    """A pair of connections with both connections at hand."""

    pair: ConnectionPair
    front: Connection
    back: Connection


@dataclass(frozen=True)
class Case:
    """Everything the two sides show, with the indexes that several judges need."""

    clients: Sequence[Trace]
    backends: Sequence[Trace]
    correlation: Correlation
    tables: tuple[SideTable, SideTable] | None = field(default=None, compare=False, repr=False)  # when they are at hand

    @cached_property
    def sides(self) -> tuple[SideTable, SideTable]:
        """The exchanges of the client side and of the backend side as columns, in one numbering."""
        words = Words()
        return self.tables or (side_table(self.clients, words), side_table(self.backends, words))

    @cached_property
    def rows(self) -> tuple[Column, Column]:
        """Per match, the number of its client exchange and of its backend exchange in the columns."""
        client, backend = self.sides
        front = [client.first_of[m.pair.client.point] + m.front.id for m in self.matches]
        back = [backend.first_of[m.backend.point] + m.back.id for m in self.matches]
        return np.array(front, np.int64), np.array(back, np.int64)

    @cached_property
    def _whole_heads(self) -> tuple[Column, Column]:
        """Which matches (their indexes) have both requests, and, answered, both responses, with whole heads."""
        (client, backend), (front, back) = self.sides, self.rows
        answered = np.fromiter((m.outcome is AttemptOutcome.ANSWERED for m in self.matches), bool, len(front))
        pairs = ((client.requests, backend.requests), (client.responses, backend.responses))
        requests, responses = (before.whole_heads[front] & behind.whole_heads[back] for before, behind in pairs)
        return np.flatnonzero(requests), np.flatnonzero(responses & answered)

    @cached_property
    def request_rows(self) -> tuple[Column, Column]:
        """As `rows`, of `request_heads`."""
        at = self._whole_heads[0]
        return self.rows[0][at], self.rows[1][at]

    @cached_property
    def response_rows(self) -> tuple[Column, Column]:
        """As `rows`, of `response_heads`."""
        at = self._whole_heads[1]
        return self.rows[0][at], self.rows[1][at]

    def traces(self, side: Side) -> Sequence[Trace]:
        """The capture points of a side."""
        return self.clients if side is Side.CLIENT else self.backends

    def exchange(self, side: Side, ref: Ref) -> Exchange:
        """The exchange a Ref names."""
        return self.traces(side)[ref.point].exchanges[ref.id]

    def connection(self, side: Side, ref: Ref) -> Connection:
        """The connection a Ref of a connection names."""
        return self.traces(side)[ref.point].connections[ref.id]

    def connection_of(self, side: Side, ref: Ref) -> Connection:
        """The connection that carried the exchange a Ref names."""
        trace = self.traces(side)[ref.point]
        return trace.connections[trace.exchanges[ref.id].connection]

    @cached_property
    def matches(self) -> list[Match]:
        """Every pair that counts as knowledge and has a backend exchange, in the order of Correlation.pairs."""
        known = [n for n, p in enumerate(self.correlation.pairs) if p.confidence is not Confidence.LOW]
        return self._matches(known)

    @cached_property
    def weak_matches(self) -> list[Match]:
        """Every pair of LOW confidence: no knowledge of who is whose."""
        return self._matches([n for n, p in enumerate(self.correlation.pairs) if p.confidence is Confidence.LOW])

    def _matches(self, places: Iterable[int]) -> list[Match]:
        found = []
        pairs, clients, backends = self.correlation.pairs, self.clients, self.backends
        for place in places:
            pair = pairs[place]
            if not pair.attempts:
                continue
            attempt = pair.attempts[-1]
            if attempt.outcome is not AttemptOutcome.ANSWERED:
                attempt = next((a for a in pair.attempts if a.outcome is AttemptOutcome.ANSWERED), attempt)
            before, behind = clients[pair.client.point], backends[attempt.backend.point]
            front, back = before.exchanges[pair.client.id], behind.exchanges[attempt.backend.id]
            found.append(
                Match(
                    place,
                    pair,
                    front,
                    back,
                    before.connections[front.connection],
                    behind.connections[back.connection],
                    attempt.backend,
                    attempt.outcome,
                )
            )
        return found

    @cached_property
    def distinct_matches(self) -> list[Match]:
        """The matches that stand alone: nobody else could be their partner."""
        return [m for m in self.matches if m.pair.group is None]

    @cached_property
    def request_heads(self) -> list[tuple[Match, Request, Request]]:
        """(match, its request in front, its request behind) where both heads are whole: what was cut is unknown, never different."""
        both = ((m, m.front.request, m.back.request) for m in map(self.matches.__getitem__, self._whole_heads[0].tolist()))
        return [(m, a, b) for m, a, b in both if a is not None and b is not None]

    @cached_property
    def response_heads(self) -> list[tuple[Match, Response, Response]]:
        """(match, the response the client got, the one the backend gave) of answered matches, both heads whole."""
        both = ((m, m.front.response, m.back.response) for m in map(self.matches.__getitem__, self._whole_heads[1].tolist()))
        return [(m, a, b) for m, a, b in both if a is not None and b is not None]

    @cached_property
    def connection_matches(self) -> list[ConnectionMatch]:
        """Every pair of connections that counts as knowledge."""
        return [
            ConnectionMatch(p, self.connection(Side.CLIENT, p.client), self.connection(Side.BACKEND, p.backend))
            for p in self.correlation.connection_pairs
            if p.confidence is not Confidence.LOW
        ]

    @cached_property
    def check_exchanges(self) -> frozenset[Ref]:
        """Backend exchanges that are health checks."""
        return frozenset(Ref(check.point, i) for check in self.correlation.health_checks for i in check.exchanges)

    @cached_property
    def check_connections(self) -> frozenset[Ref]:
        """Backend connections that carried health checks and nothing else."""
        named = {Ref(check.point, i) for check in self.correlation.health_checks for i in check.connections}
        busy = set()
        for point, trace in enumerate(self.backends):
            for exchange in trace.exchanges:
                ref = Ref(point, exchange.connection)
                if ref in named and exchange.request is not None and Ref(point, exchange.id) not in self.check_exchanges:
                    busy.add(ref)
        return frozenset(named - busy)

    @cached_property
    def _paired_connections(self) -> frozenset[Ref]:
        """Backend connections of pairs, of whatever confidence."""
        tried = {a.backend for p in self.correlation.pairs for a in p.attempts}
        carried = {Ref(b.point, self.backends[b.point].exchanges[b.id].connection) for b in tried}
        return frozenset(carried | {p.backend for p in self.correlation.connection_pairs})

    @cached_property
    def sources(self) -> frozenset[str]:
        """Addresses that paired backend connections come from: the balancer's, or those of clients where they are kept."""
        return frozenset(self.connection(Side.BACKEND, ref).client.address for ref in self._paired_connections)

    @cached_property
    def strangers(self) -> frozenset[Ref]:
        """Backend connections from addresses that no paired connection comes from: another client's, perhaps straight to the backend.
        What was done there was not the balancer's doing, as far as is known."""
        return frozenset(
            Ref(point, c.id)
            for point, trace in enumerate(self.backends)
            for c in trace.connections
            if self.sources and c.client.address not in self.sources
        )

    @cached_property
    def check_sources(self) -> frozenset[str]:
        """Addresses that health checks come from: the balancer's own."""
        return frozenset(check.source for check in self.correlation.health_checks)

    def clock(self, client_point: int, backend_point: int) -> Clock | None:
        """The clock between two capture points, None when it was refused."""
        for clock in self.correlation.clocks:
            if clock.client_point == client_point and clock.backend_point == backend_point:
                return None if clock.refused else clock
        return None

    @cached_property
    def _believed(self) -> list[AddressMapping]:
        """The mappings that can be true: whoever reaches the backend under its own address has no other one behind a NAT."""
        own = {
            m.front_connection.client.address for m in self.matches if m.front_connection.client.address == m.back_connection.client.address
        }
        own |= {c.front.client.address for c in self.connection_matches if c.front.client.address == c.back.client.address}
        return [m for m in self.correlation.topology.mappings if m.client not in own or m.seen_as == m.client]

    @cached_property
    def seen_as(self) -> dict[str, frozenset[str]]:
        """Client address in its own capture → the addresses it is known by behind the balancer, its own included."""
        known: dict[str, set[str]] = {}
        for mapping in self._believed:
            known.setdefault(mapping.client, {mapping.client}).add(mapping.seen_as)
        return {client: frozenset(addresses) for client, addresses in known.items()}

    def addresses_of(self, client: str) -> frozenset[str]:
        """Every address a client is known by."""
        return self.seen_as.get(client, frozenset((client,)))

    def behind_nat(self, front: Connection, back: Connection) -> bool:
        """True when the source the backend sees can only be the client as a NAT in front of the balancer shows it.

        The client's own address is private, the source is public, and nothing says the source is the balancer: it is not the
        address the client connected to, no health check comes from it, and the backend itself is on a private address, so a
        balancer beside it would be too. A PROXY header or a forwarding field that names the same address says so directly."""
        source = back.client.address
        if source in (front.client.address, front.server.address) or source in self.check_sources:
            return False
        stated = (front.client.address, source) in self._stated
        return stated or (is_public(source) and not is_public(front.client.address) and not is_public(back.server.address))

    @cached_property
    def _stated(self) -> frozenset[tuple[str, str]]:
        """(client address, address the balancer states for it)."""
        return frozenset((m.client, m.seen_as) for m in self.correlation.topology.mappings if m.stated_by.lower() != "source address")

    @cached_property
    def same_captures(self) -> list[tuple[Trace, Trace]]:
        """Client captures that are given as backend captures too: the same packets at the same times."""
        return [
            (front, back)
            for front in self.clients
            for back in self.backends
            if (front.first_ns, front.last_ns) == (back.first_ns, back.last_ns)
            and len(front.connections) == len(back.connections) > 0
            and all(_identity(a) == _identity(b) for a, b in zip(front.connections, back.connections, strict=True))
        ]

    @cached_property
    def passes_packets(self) -> bool:
        """True when the packets of every paired connection were passed on: what closes a connection then is one of its ends,
        not the balancer."""
        pairs = self.connection_matches
        return bool(pairs) and all(c.pair.basis is ConnectionBasis.SAME_PACKETS for c in pairs)

    @cached_property
    def joined(self) -> list[Joined]:
        """Client connection, backend connection and their Refs, for every two connections known to belong together."""
        found: dict[tuple[Ref, Ref], tuple[Connection, Connection]] = {}
        for c in self.connection_matches:
            found[c.pair.client, c.pair.backend] = (c.front, c.back)
        for m in self.distinct_matches:
            key = (Ref(m.pair.client.point, m.front.connection), Ref(m.backend.point, m.back.connection))
            found.setdefault(key, (m.front_connection, m.back_connection))
        return [(front, back, refs) for refs, (front, back) in found.items()]

    def joined_frames(self, joined: Iterable[Joined]) -> list[FrameRef]:
        """Both beginnings of the first few pairs of connections that belong together."""
        return [self.connection_frame(side, ref) for _, _, refs in _first(joined) for side, ref in zip(Side, refs, strict=True)]

    @cached_property
    def nat_mappings(self) -> list[AddressMapping]:
        """The mappings that mean a NAT before the balancer: another address, and not one of the balancer's own."""
        own = {*self.correlation.topology.balancer_back, *(f.address for f in self.correlation.topology.fronts), *self.check_sources}
        found = []
        for mapping in self._believed:
            by_source = mapping.stated_by.lower() == "source address"
            if addresses_in(mapping.client) == addresses_in(mapping.seen_as) or (by_source and not self._source_is_client(mapping)):
                continue
            if by_source or mapping.seen_as not in own:
                found.append(mapping)
        return found

    def _source_is_client(self, mapping: AddressMapping) -> bool:
        """Whether any connection with this source is the client behind a NAT."""
        found = self._by_addresses.get((mapping.client, mapping.seen_as))
        return found is not None and self.behind_nat(*found)

    @cached_property
    def _by_addresses(self) -> dict[tuple[str, str], tuple[Connection, Connection]]:
        """(client address, source behind the balancer) → the first two connections that have them."""
        return {(front.client.address, back.client.address): (front, back) for front, back, _ in reversed(self.joined)}

    def may_be_behind_nat(self, client: str, stated: Iterable[str]) -> bool:
        """True when a stated address could be how a NAT shows this client: the client's own address is private and the stated
        one public."""
        return not is_public(client) and any(is_public(address) for address in stated)

    # the frames behind a claim

    def request_frame(self, side: Side, ref: Ref) -> FrameRef:
        """The frame that completes the request head (of the response, when the request is not in the capture)."""
        trace = self.traces(side)[ref.point]
        exchange = trace.exchanges[ref.id]
        message = exchange.request or exchange.response
        if message is None:
            connection = trace.connections[exchange.connection]
            return trace.ref(connection.first_frame, connection.first_ns)
        return trace.ref(message.head_frame, message.head_ns)

    def response_frame(self, side: Side, ref: Ref) -> FrameRef:
        """The frame that completes the response head (of the request, when there is no response)."""
        exchange = self.exchange(side, ref)
        if exchange.response is None:
            return self.request_frame(side, ref)
        return self.traces(side)[ref.point].ref(exchange.response.head_frame, exchange.response.head_ns)

    def connection_frame(self, side: Side, ref: Ref) -> FrameRef:
        """The SYN of a connection, or its first frame."""
        connection = self.connection(side, ref)
        trace = self.traces(side)[ref.point]
        if connection.syn_frame is not None and connection.syn_ns is not None:
            return trace.ref(connection.syn_frame, connection.syn_ns)
        return trace.ref(connection.first_frame, connection.first_ns)

    def request_frames(self, matches: Iterable[Match]) -> list[FrameRef]:
        """Both requests of the first few matches."""
        frames = []
        for match in _first(matches):
            frames.append(self.request_frame(Side.CLIENT, match.pair.client))
            frames.append(self.request_frame(Side.BACKEND, match.backend))
        return frames

    def response_frames(self, matches: Iterable[Match]) -> list[FrameRef]:
        """Both responses of the first few matches."""
        frames = []
        for match in _first(matches):
            frames.append(self.response_frame(Side.CLIENT, match.pair.client))
            frames.append(self.response_frame(Side.BACKEND, match.backend))
        return frames

    def connection_frames(self, matches: Iterable[ConnectionMatch]) -> list[FrameRef]:
        """Both beginnings of the first few pairs of connections."""
        frames = []
        for match in _first(matches):
            frames.append(self.connection_frame(Side.CLIENT, match.pair.client))
            frames.append(self.connection_frame(Side.BACKEND, match.pair.backend))
        return frames

    def first_frames(self, trace: Trace, connections: Iterable[Connection]) -> list[FrameRef]:
        """The beginnings of the first few connections of a trace."""
        return [trace.ref(c.first_frame, c.first_ns) for c in _first(connections)]

    def any_frame(self, side: Side | None = None) -> list[FrameRef]:
        """The first frame of each capture point that has connections: evidence for a statement about a capture as a whole."""
        frames = []
        for trace in (*self.clients, *self.backends):
            if trace.connections and side in (None, trace.side):
                first = min(trace.connections, key=lambda c: c.first_frame)
                frames.append(trace.ref(first.first_frame, first.first_ns))
        return frames


def _identity(c: Connection) -> tuple[object, ...]:
    return c.client, c.server, c.first_ns, c.from_client.isn, c.from_client.packets, c.from_server.packets


def _first(matches: Iterable[Shown]) -> list[Shown]:
    return list(islice(matches, FRAMES_PER_SIDE))


def evidence(frames: Iterable[FrameRef], note: str = "") -> tuple[Evidence, ...]:
    """Frames → Evidence with display filters. A frame number means something in one file only, so each Evidence names one file a side."""
    by_file: dict[tuple[Side, int, int], list[FrameRef]] = {}
    for frame in frames:
        group = by_file.setdefault((frame.side, frame.point, frame.file), [])
        if frame not in group and len(group) < FRAMES_PER_SIDE:
            group.append(frame)
    fronts = [sorted(group) for (side, _, _), group in by_file.items() if side is Side.CLIENT]
    backs = [sorted(group) for (side, _, _), group in by_file.items() if side is Side.BACKEND]
    made = []
    for i in range(max(len(fronts), len(backs))):
        front = fronts[i] if i < len(fronts) else []
        back = backs[i] if i < len(backs) else []
        made.append(Evidence(tuple(front + back), note, frame_filter(front), frame_filter(back)))
    return tuple(made)


def plural(count: int, noun: str) -> str:
    """The noun for a count: "connection" for 1, else "connections"."""
    return noun if count == 1 else f"{noun}s"


def frame_filter(frames: Sequence[FrameRef]) -> str:
    """A Wireshark display filter for frames of one file; "" for none."""
    numbers = sorted({f.number for f in frames})
    if not numbers:
        return ""
    return f"frame.number == {numbers[0]}" if len(numbers) == 1 else f"frame.number in {{{', '.join(map(str, numbers))}}}"


def confidence_of(matches: Sequence[Match]) -> Confidence:
    """What at least half of the pairs reach: the confidence of a statement about all of them. Interchangeable pairs count as
    MEDIUM at least."""
    if not matches:
        return Confidence.LOW
    ranks = [RANK[m.pair.confidence] or (1 if m.pair.group is not None else 0) for m in matches]
    half = (len(ranks) - 1) // 2
    for confidence, rank in sorted(RANK.items(), key=lambda item: -item[1]):
        half -= ranks.count(rank)
        if half < 0:
            return confidence
    return Confidence.LOW
