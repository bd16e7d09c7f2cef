"""The rounds: candidates → pairs → what they show of clocks and balancer → the same again with
that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lbtrace.machine_memory import trim
from lbtrace.match import (
    attempts,
    by_connection,
    by_value,
    client_identity,
    clock,
    connection_times,
    connections,
    fingerprint,
    id_conflict,
    repeats,
    rewritten_bodies,
    unrelated_captures,
    whole_connections,
)
from lbtrace.match.classes import Class, classes
from lbtrace.match.clock import Clocks
from lbtrace.match.clock_constraints import (
    bootstrap,
    clocks,
    sure,
    take_back,
    without_doubt,
)
from lbtrace.match.completeness import Strays, completeness, every_client, lossless
from lbtrace.match.confidence import Known, weigh
from lbtrace.match.exchange_times import read
from lbtrace.match.pairing import Pairing
from lbtrace.match.rare_values import Candidates, candidates
from lbtrace.match.same_packets import same_packets
from lbtrace.match.sets import SharedValue, resolve
from lbtrace.match.timeline import Timeline, long_enough, timeline
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, Completeness, ConnectionBasis, ConnectionPair
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import both_sides

Tables = tuple[SideTable, SideTable]  # of the client side and of the backend side, in one numbering
ROUNDS = 2
HOLDING = 3  # pairs: one or two that are alike bound any clock


@dataclass(slots=True)
class Matching:
    """What belongs together, and by which clock."""

    pairs: Pairing
    clocks: Clocks
    line: Timeline
    connection_pairs: list[ConnectionPair]  # by packets, ClientHello or a PROXY header
    stated: list[connections.Stated | None]  # per backend exchange, who asked
    completeness: Completeness


def match(
    clients: Sequence[Trace],
    backends: Sequence[Trace],
    options: Options,
    tables: Tables | None = None,
) -> Matching:
    """Client traces and backend traces → Matching. `tables`: their exchanges, when they are at
    hand.
    """
    front, back = both_sides(clients, backends) if tables is None else tables
    changed = rewritten_bodies.find(front, back)
    if changed is not None:
        found = _matched(
            (rewritten_bodies.without(front, changed.client), changed.client),
            (rewritten_bodies.without(back, changed.backend), changed.backend),
            options,
        )
        if rewritten_bodies.hold(found.pairs, found.clocks, front, back):
            return found
    return _matched((front, None), (back, None), options)


def _matched(
    front_side: tuple[SideTable, Column | None],
    back_side: tuple[SideTable, Column | None],
    options: Options,
) -> Matching:
    """Both sides, each with its answers whose bodies are unknown → Matching."""
    (front, _), (back, _) = front_side, back_side
    client, backend = read(Side.CLIENT, *front_side), read(Side.BACKEND, *back_side)
    pairs = Pairing(client, backend)
    found = _telling(same_packets(client, backend), front, back)
    by_connection.same_packets(pairs, found)
    stated = connections.stated(
        backend, connections.sent_statements(client), connections.remote_only(client)
    )
    passed_on = any(
        p.basis is ConnectionBasis.SAME_PACKETS for p in found
    ) and not _some_go_another_way(pairs, found)
    found += by_connection.stated_lines(pairs, found)
    by_connection.stated_address(pairs, stated)
    pairs.passed_on = connection_times.bounds(front, back, found)
    return _Model(pairs, options.clock_offset_ns, found, stated, passed_on).run()


def _telling(
    found: list[ConnectionPair], front: SideTable, back: SideTable
) -> list[ConnectionPair]:
    """Connections with the same packets, without those that carried nothing, where both sides
    carried something and none of that is the same: a SYN that a NAT turned back, say, tells nothing
    of how the balancer handles traffic.
    """
    carried = [
        (table.of_ends("bytes", server=False) > 0) | (table.of_ends("bytes", server=True) > 0)
        for table in (front, back)
    ]
    mine = front.numbers_of_connections([p.client for p in found])
    if not len(mine) or carried[0][mine].any() or not (carried[0].any() and carried[1].any()):
        return found
    return [p for p in found if p.basis is not ConnectionBasis.SAME_PACKETS]


def _some_go_another_way(pairs: Pairing, found: Sequence[ConnectionPair]) -> bool:
    """Whether other requests may have gone through a balancer that passes no packets on: they went
    to servers that none of the connections with the same packets goes to, and so did requests on
    the backend side. Packets whose ends are the same on both sides met no balancer: then those of
    the client side are enough.
    """
    front, back = pairs.client.table, pairs.backend.table
    c = front.numbers_of_connections([p.client for p in found])
    b = back.numbers_of_connections([p.backend for p in found])
    if among(front.servers[front.connection], front.servers[c]).all():
        return False
    if (front.servers[c] == back.servers[b]).all() and (front.sources[c] == back.sources[b]).all():
        return True
    return not among(back.servers[back.connection], back.servers[b]).all()


class _Shape(NamedTuple):
    """What the balancer passes on of a message: the form of targets, the fields of requests (None
    where too many heads were cut), the fields of answers.
    """

    form: fingerprint.TargetForm
    asked: fingerprint.Kept | None
    answered: fingerprint.Kept

    @classmethod
    def of(cls, learned: Pairing, pairs: Pairing) -> _Shape:
        """As the pairs in `learned` show it."""
        return cls(
            fingerprint.target_form(learned),
            None if fingerprint.cut(pairs) else fingerprint.kept_fields(learned, request=True),
            fingerprint.kept_fields(learned, request=False),
        )


@dataclass(slots=True)
class _Round:
    """What a round used. `shape`: None where it left no backend exchange that needs one."""

    shape: _Shape | None
    clocks: Clocks
    line: Timeline
    pair_large: Callable[[], None]  # the large sets


def _nothing() -> None:
    """There are no large sets."""


@dataclass(slots=True)
class _Model:
    """One matching while it is being made. `given`: the pairs that no other evidence can move."""

    given: Pairing
    clock_offset_ns: int | None
    connection_pairs: list[ConnectionPair]
    stated: list[connections.Stated | None]
    passed_on: bool  # the balancer passes packets on: what no sequence number pairs is another's
    values: Candidates | None = field(init=False, default=None)
    open: Candidates | None = field(init=False, default=None)  # those that time must tell

    def run(self) -> Matching:
        """Round after round, then the attempts that only a finished round shows, and how sure each
        pair is.
        """
        given = self.given
        if not self.passed_on:
            self.values = candidates(given.client, given.backend)
            trim()  # their columns are as large as the captures' heads
        pairs = given.copy()
        self._pair_by_value(pairs)
        known = clocks(pairs, self.clock_offset_ns)
        if take_back(pairs, timeline(pairs, known)):
            known = clocks(pairs, self.clock_offset_ns)
        made = self._pair_by_fingerprint(pairs, pairs, known)
        for _ in range(1, ROUNDS):
            known = self._bounded(pairs, made)
            if known == made.clocks:
                break  # the same again
            learned, pairs = pairs, given.copy()
            take_back(pairs, timeline(pairs, known))
            self._pair_by_value(pairs)
            take_back(pairs, timeline(pairs, known))
            made = self._pair_by_fingerprint(pairs, learned, known)
        made.pair_large()
        self.values = self.open = None  # what they are made from is as large as the captures' heads
        whole_connections.resolve(pairs, made.line)
        known = self._with_attempts(pairs, made)
        return self._weighed(pairs, known)

    def _pair_by_value(self, pairs: Pairing) -> None:
        if self.values is not None:
            self.open = by_value.shared_values(pairs, self.stated, self.values)

    def _pair_by_fingerprint(self, pairs: Pairing, learned: Pairing, known: Clocks) -> _Round:
        """Pair what is left by fingerprint and time. `learned`: the pairs that show what the
        balancer passes on.
        """
        shape = _Shape.of(learned, pairs) if pairs.free_backends() else None
        made = [] if self.passed_on or shape is None else self._classes(pairs, shape)
        known = bootstrap(pairs, known, made)
        line = timeline(pairs, known)
        pair_large = _nothing
        if shape is not None:
            pair_large = resolve(pairs, made, line, shape.answered, self._open_values(pairs, line))
        wrong = id_conflict.wrong(pairs)
        if wrong and shape is None:
            shape = _Shape.of(learned, pairs)
        for c in wrong:
            pairs.remove(c)
        return _Round(shape, known, line, pair_large)

    def _open_values(self, pairs: Pairing, line: Timeline) -> list[SharedValue]:
        """The shared values that do not tell by themselves, of exchanges that time allows."""
        found = self.open
        if found is None:
            return []
        columns = found.client.tolist(), found.backend.tolist(), found.bits.tolist()
        return [
            SharedValue(c, b, bits, reason)
            for c, b, bits, reason in zip(*columns, found.reasons(), strict=True)
            if (line.inside(c, b) if line.timed(c, b) else long_enough(pairs, c, b))
        ]

    def _classes(self, pairs: Pairing, shape: _Shape) -> list[Class]:
        """The classes of what is left, apart by who asked where that is known."""
        form, kept, _ = shape
        told = [s.address if s is not None else "" for s in self.stated]
        known = client_identity.known(pairs, told)
        if not known and lossless(pairs.client) and lossless(pairs.backend):
            shared = set(pairs.shared)
            whole = classes(pairs, form, kept, ({}, told))
            known = client_identity.fitting(pairs, whole, told)
            if not known:
                return whole
            pairs.shared = shared
        return classes(pairs, form, kept, (known, told))

    def _bounded(self, pairs: Pairing, made: _Round) -> Clocks:
        """The clocks of a round, as its pairs bound them. A pair must not be timed by a clock that
        it bounds alone.
        """
        found = clocks(pairs, self.clock_offset_ns)
        return made.clocks | {
            points: clock.tightened(made.clocks[points], k)
            for points, k in found.items()
            if not k.refused and self._holds(pairs, points, k)
        }

    def _holds(self, pairs: Pairing, points: tuple[int, int], k: Clock) -> bool:
        """Whether a clock is known by more than a likeness or two."""
        return k.stated or k.pairs >= HOLDING or sure(pairs, points)

    def _with_attempts(self, pairs: Pairing, made: _Round) -> Clocks:
        """Attach the attempts and copies that are left; clocks that they alone bound are added."""
        if self.passed_on:
            return made.clocks
        more = []
        if made.shape is not None:
            more = attempts.attach(pairs, made.shape.form, made.shape.asked, made.line)
        if more and every_client(pairs, made.clocks):
            attempts.settle(pairs, more)
        else:
            attempts.detach(pairs, more)
        repeats.copies(pairs, made.line)
        late = clocks(pairs, self.clock_offset_ns)
        return {
            points: late[points] if k.refused and not k.outliers else k
            for points, k in made.clocks.items()
        }

    def _weighed(self, pairs: Pairing, known: Clocks) -> Matching:
        """How sure each pair and each clock is."""
        contradicted = {
            points: 2 * k.outliers >= k.pairs
            for points, k in known.items()
            if k.refused and k.outliers and not clock.stepped(k)
        }
        contradicted |= dict.fromkeys(unrelated_captures.contradicted(pairs), True)
        held = {points: k for points, k in known.items() if self._holds(pairs, points, k)}
        line = timeline(pairs, known)
        whole = completeness(pairs, held)
        named = connections.named(pairs, self.stated, private=all(side.complete for side in whole))
        weigh(pairs, Known(whole, held, contradicted, Strays.of(pairs), line, named))
        known = {points: without_doubt(pairs, points, k) for points, k in known.items()}
        line = timeline(pairs, known)
        return Matching(pairs, known, line, self.connection_pairs, self.stated, whole)
