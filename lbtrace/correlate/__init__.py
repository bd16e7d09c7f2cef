"""Two sides → what belongs together: the order in which the evidence is asked, strongest first.

    same packets · ClientHello ─▶ stated address ─▶ rare tokens ─▶ clock ─▶ shape classes in time ─▶ attempts ─▶ why the rest
    has no partner

Every kind of evidence only pairs what the ones before it left. A pair found by tokens that the clock contradicts is taken back.
Every client exchange ends in exactly one pair or in `unpaired`, and so does every backend exchange.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lbtrace.correlate import (
    alike,
    askers,
    attempts,
    certainty,
    clock,
    connections,
    foreign,
    health,
    mirrors,
    order,
    repeats,
    shape,
    streams,
    tokens,
    unpaired,
)
from lbtrace.correlate.classes import Class, Timeline, classes, long_enough, resolve
from lbtrace.correlate.diff import changes
from lbtrace.correlate.facts import FAR, Facts, may_be_answer, may_be_caused, read
from lbtrace.correlate.pairing import Pairing
from lbtrace.correlate.places import split
from lbtrace.correlate.topology import topology
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    AttemptOutcome,
    Clock,
    Confidence,
    ConnectionBasis,
    ConnectionPair,
    Correlation,
    ExchangePair,
    Ref,
    Tier,
)
from lbtrace.model.trace import Trace
from lbtrace.options import Options


def correlate(clients: Sequence[Trace], backends: Sequence[Trace], options: Options) -> Correlation:
    """Client traces and backend traces → Correlation."""
    return _Work(clients, backends, options).run()


STAMPED_LATE_NS = 5_000_000
FEW = 3  # client exchanges: fewer say nothing of the clocks by their times alone
SAID_OF = {
    ConnectionBasis.SAME_PACKETS: ("sequence numbers", "the same on both sides"),
    ConnectionBasis.TLS_CLIENT_HELLO: ("TLS ClientHello", "the same random on both sides"),
}
Clocks = dict[tuple[int, int], Clock]


@dataclass(slots=True)
class _Work:
    """One correlation while it is being made."""

    clients: Sequence[Trace]
    backends: Sequence[Trace]
    options: Options
    state: Pairing = field(init=False)
    lines: list[ConnectionPair] = field(default_factory=list)
    said: list[connections.Stated | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = Pairing(read(Side.CLIENT, self.clients), read(Side.BACKEND, self.backends))

    def run(self) -> Correlation:
        """The stages in order."""
        state = self.state
        self.lines = connections.same_packets(self.clients, self.backends)
        self._by_connection(self.lines, Tier.SAME_PACKETS)
        passed_on = any(p.basis is ConnectionBasis.SAME_PACKETS for p in self.lines)
        self.said = connections.stated(state.backend, connections.sent_statements(state.client))
        self._by_stated_address()
        if not passed_on:
            self._by_tokens()
        clocks = self._clocks()
        if self._take_back(self._timeline(clocks)):
            clocks = self._clocks()
        form, kept = shape.target_form(state), None if shape.cut(state) else shape.kept_fields(state, request=True)
        # A balancer that passes packets on: what no sequence number pairs is another's.
        made = [] if passed_on else self._classes(form, kept)
        clocks = self._bootstrap(clocks, made)
        line = self._timeline(clocks)
        resolve(state, made, line, shape.kept_fields(state, request=False))
        clocks = {**clocks, **{points: k for points, k in self._clocks().items() if not k.refused}}
        line = self._timeline(clocks)
        if not passed_on:
            more = attempts.attach(state, form, kept, line)
            if more and not certainty.every_client(state, clocks):
                attempts.detach(state, more)
            repeats.copies(state, line)
            clocks = {
                points: late if clocks[points].refused and not clocks[points].outliers else clocks[points]
                for points, late in self._clocks().items()
            }
        for c in foreign.wrong(state):
            state.remove(c)
        contradicted = {points for points, k in clocks.items() if k.refused and k.outliers}
        certainty.weigh(state, {points: k for points, k in clocks.items() if k.stated or k.pairs >= 3 or self._sure(points)}, contradicted)
        return self._correlation({points: self._without_doubt(points, k) for points, k in clocks.items()})

    def _without_doubt(self, points: tuple[int, int], known: Clock) -> Clock:
        """A clock that few pairs of low confidence bound, or more exchanges than were paired in the end, is no clock."""
        state = self.state
        if known.refused or known.stated:
            return known
        sure = [
            state.confidence[c]
            for c, bs in state.caused.items()
            if int(state.client.point[c]) == points[0] and any(int(state.backend.point[b]) == points[1] for b in bs)
        ]
        doubtful = len(sure) * 2 < known.pairs or (known.pairs < 3 and all(k is Confidence.LOW for k in sure))
        return Clock(*points, refused="only doubtful pairs bound it") if doubtful else known

    def _by_connection(self, pairs: Sequence[ConnectionPair], tier: Tier) -> None:
        mine = connections.exchanges_of(self.state.client, (p.client for p in pairs))
        theirs = connections.exchanges_of(self.state.backend, (p.backend for p in pairs))
        for p in pairs:
            ends = (self.state.client, self.state.backend, mine[p.client], theirs[p.backend])
            exact = connections.by_offset(*ends)
            for c, b in exact or connections.by_content(*ends):
                if c not in self.state.caused and self.state.owner[b] < 0:
                    confidence = p.confidence if exact else Confidence.MEDIUM
                    self.state.add(c, [b], tier, confidence, (SAID_OF[p.basis],))
                    (self.state.strong if exact else self.state.weak).add(c)

    def _by_stated_address(self) -> None:
        """Backend exchanges that name their client's connection, aligned with the exchanges of it."""
        state = self.state
        named = state.pinned = connections.by_stated_port(self.clients, self.said)
        of: dict[Ref, list[int]] = defaultdict(list)
        for b, ref in named.items():
            if state.owner[b] < 0:
                of[ref].append(b)
        self._stated_lines()
        mine = connections.exchanges_of(state.client, of)
        for ref, numbers in of.items():
            numbers.sort(key=lambda b: int(state.backend.start[b]))
            address = self.clients[ref.point].connections[ref.id].client
            for c, b in connections.in_order(state.client, state.backend, mine[ref], numbers):
                said = self.said[b]
                if c not in state.caused and state.owner[b] < 0 and said is not None:
                    exact = said.address == address.address
                    confidence = Confidence.CERTAIN if exact else Confidence.HIGH
                    state.add(c, [b], Tier.STATED_ADDRESS, confidence, ((said.where, f"{said.address}:{said.port}"),))
                    state.strong.add(c)

    def _stated_lines(self) -> None:
        """Connection pairs that a PROXY header names, one client connection each."""
        known = {p.backend for p in self.lines} | {p.client for p in self.lines}
        for pair in connections.by_proxy_header(self.clients, self.backends):
            if pair.client not in known and pair.backend not in known:
                self.lines.append(pair)

    def _by_tokens(self) -> None:
        state = self.state
        client, backend = state.client, state.backend

        def allowed(c: int, b: int) -> bool:
            if c in state.caused or state.owner[b] >= 0 or not may_be_caused(client.items[c], backend.items[b]):
                return False
            if client.cached[c] and not backend.cached[b]:
                return False
            return b not in state.pinned or state.pinned[b] == Ref(client.refs[c].point, client.items[c].connection)

        matched = tokens.match(client, backend, tokens.collect(client, backend), allowed)
        bodies = repeats.telling_bodies(state, matched)
        rewritten = shape.rewritten(state, [(m.client, m.backends[0]) for m in matched])
        for found in matched:
            fitting = [b for b in found.backends if may_be_answer(client.items[found.client], backend.items[b])]
            answer = client.items[found.client].response
            if not found.by_value and not fitting and (answer is None or answer.status not in attempts.OWN_ERRORS):
                continue
            # Several share it: tries of one request, when all but one failed; else a session's values, and time must tell.
            backends = found.backends
            if len(backends) > 1:
                backends = (
                    (self._tries(fitting, backends) or repeats.repeated(state, found, self.said, bodies)) if found.by_request else fitting
                )
            if not backends or (len(backends) > 1 and not found.by_request):
                continue
            if not found.strong and shape.conflicts(state, found.client, backends[-1]) - rewritten:
                continue
            tier = Tier.RARE_TOKEN if found.by_value else Tier.SHAPE
            confidence = Confidence.HIGH if fitting else Confidence.MEDIUM
            state.add(found.client, sorted(backends, key=lambda b: int(backend.start[b])), tier, confidence, found.reasons)
            if found.strong:
                state.strong.add(found.client)
            else:
                state.weak.add(found.client)

    def _tries(self, fitting: list[int], backends: list[int]) -> list[int]:
        """The backend exchanges that are tries of one request, one answered at most; none when they do not look like that."""
        backend = self.state.backend
        answered = [b for b in fitting if backend.items[b].response is not None]
        failed = [b for b in backends if b not in answered]
        if len(answered) > 1 or not all(attempts.failed(backend, b) for b in failed):
            return []
        last = answered[0] if answered else max(failed, key=lambda b: int(backend.start[b]))
        before = [b for b in failed if b != last and backend.point[b] == backend.point[last]]
        return backends if all(int(backend.end[b]) <= int(backend.start[last]) for b in before) else []

    def _bounds(self) -> dict[tuple[int, int], tuple[list[int], clock.Bounds]]:
        """Per pair of points: the client exchanges that bound its clock, and the bounds."""
        state = self.state
        rows: dict[tuple[int, int], list[tuple[int, int, int, int]]] = defaultdict(list)
        c_facts, b_facts = state.client, state.backend
        for c, bs in sorted(state.caused.items()):
            if c in state.group or not (c_facts.solid_start[c] and c_facts.solid_reply[c]):
                continue
            of_point: dict[int, list[int]] = defaultdict(list)
            for b in bs:
                of_point[b_facts.refs[b].point].append(b)
            for point, here in of_point.items():
                high = self._latest(c, here, alone=len(bs) == 1)
                if b_facts.solid_start[here[0]] and high is not None:
                    start = int(b_facts.start[here[0]])
                    rows[c_facts.refs[c].point, point].append((c, start, int(c_facts.start[c]) - start, high))
        return {
            points: ([r[0] for r in held], clock.Bounds(*(np.array([r[k] for r in held], np.int64) for k in (1, 2, 3))))
            for points, held in rows.items()
        }

    def _latest(self, c: int, here: list[int], alone: bool) -> int | None:
        """The upper bound on δ from the attempts for c that one point shows: whichever answered, the client's answer came no earlier than
        the first of their answers; and a try that failed was begun before the client was answered."""
        state = self.state
        client, backend = state.client, state.backend
        answered = [b for b in here if backend.solid_reply[b] and may_be_answer(client.items[c], backend.items[b])]
        if answered:
            return int(client.reply[c]) - min(int(backend.reply[b]) for b in answered)
        if alone or client.items[c].response is None or not all(backend.solid_start[b] and b not in state.copied for b in here):
            return None
        return int(client.reply[c]) - max(int(backend.start[b]) for b in here)

    def _clocks(self) -> Clocks:
        bounds = self._bounds()
        empty = clock.Bounds(*(np.zeros(0, np.int64) for _ in range(3)))
        return {
            (i, j): clock.estimate(i, j, bounds[i, j][1] if (i, j) in bounds else empty, self.options.clock_offset_ns)
            for i in range(len(self.clients))
            for j in range(len(self.backends))
        }

    def _askers(self) -> tuple[dict[str, str], list[str]]:
        """Client addresses → the address the balancer states for them, where that is known; and the stated address per backend exchange.

        It is known when clients are stated by their own addresses, or when pairs found by content agree on another (a NAT in front).
        """
        state = self.state
        told = [s.address if s is not None else "" for s in self.said]
        hosts = {c.client.address for t in self.clients for c in t.connections}
        known = {a: a for a in hosts & set(told)}
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        for c, bs in state.caused.items():
            item = state.client.items[c]
            host = self.clients[state.client.refs[c].point].connections[item.connection].client.address
            if told[bs[-1]]:
                votes[host][told[bs[-1]]] += 1
        for host, counted in votes.items():
            if len(counted) == 1 and counted.total() >= 3:
                known[host] = next(iter(counted))
        return known, told

    def _classes(self, form: shape.TargetForm, kept: shape.Kept | None) -> list[Class]:
        """The classes of what is left, apart by who asked where that is known."""
        state = self.state
        known, told = self._askers()
        if not known and certainty.lossless(state.client) and certainty.lossless(state.backend):
            shared = set(state.shared)
            known = askers.fitting(state, classes(state, form, kept, ({}, told)), told)
            state.shared = shared
        return classes(state, form, kept, (known, told))

    def _bootstrap(self, clocks: Clocks, made: Sequence[Class]) -> Clocks:
        """Clocks that no pair bounds, from the times of what nothing tells apart."""
        out = dict(clocks)
        c_facts, b_facts = self.state.client, self.state.backend
        whole = certainty.lossless(c_facts) and certainty.lossless(b_facts)
        complete = whole and len(self.clients) == 1 and all(len(k.clients) == len(k.backends) for k in made)
        for (i, j), known in clocks.items():
            if not known.refused or known.stated or known.outliers:
                continue  # known; or pairs contradict every offset, so none that times alone suggest is true
            sets = []
            alone = True
            for k in made:
                # A time that was not seen is a bound on the safe side (facts), so retransmitted messages may take part here.
                mine = np.array([c for c in k.clients if c_facts.point[c] == i], np.int64)
                theirs = np.array([b for b in k.backends if b_facts.point[b] == j], np.int64)
                alone &= len(mine) == len(k.clients) and len(theirs) == len(k.backends)
                if len(mine) and len(theirs):
                    sets.append((c_facts.start[mine], c_facts.reply[mine], b_facts.start[theirs], b_facts.reply[theirs]))
            if sum(len(s[0]) for s in sets) < FEW:
                continue  # one or two likenesses would bound any clock
            found = alike.surrounded(sets) if complete and not alone else clock.from_order(sets, whole and alone)
            if found is not None:
                out[i, j] = clock.estimate(i, j, found)
        return out

    def _sure(self, points: tuple[int, int]) -> bool:
        """Whether a pair of the first two tiers, or a value that can hardly be shared by chance, holds these points together."""
        state = self.state
        return any(
            c in state.strong for c, bs in state.caused.items() if (int(state.client.point[c]), int(state.backend.point[bs[-1]])) == points
        )

    def _take_back(self, line: Timeline) -> bool:
        """Remove the pairs that the clock contradicts; the same packets are beyond its reach."""
        if not line.known:
            return False
        state = self.state
        wrong = [
            c
            for c, bs in state.caused.items()
            if not (state.tier[c] is Tier.SAME_PACKETS and c in state.strong) and not self._all_fit(line, c, bs)
        ]
        for c in wrong:
            state.remove(c)
        return bool(wrong)

    def _all_fit(self, line: Timeline, c: int, bs: list[int]) -> bool:
        """Whether time allows all of them; of several, one must have been answered in time, the others need only have begun."""
        if len(bs) == 1:
            return self._fits(line, c, bs[0])
        slack = STAMPED_LATE_NS if c in self.state.strong else 0
        began = all(line.a[c] <= line.x[b] + slack and line.z[b] <= line.p[c] + slack for b in bs)
        return began and any(self._fits(line, c, b) for b in bs)

    def _fits(self, line: Timeline, c: int, b: int) -> bool:
        """Whether time allows b to be an attempt for c; an answer the client did not get may come after the client's.

        What can hardly be shared by chance stands against a small contradiction: packets are stamped late, and out of order.
        """
        slack = STAMPED_LATE_NS if c in self.state.strong else 0
        if line.a[c] > line.x[b] + slack:
            return False
        answers = may_be_answer(self.state.client.items[c], self.state.backend.items[b])
        if answers and not line.timed(c, b):
            return long_enough(self.state, c, b, slack)
        end = line.y[b] if answers else line.z[b]
        return end <= line.p[c] + slack

    def _timeline(self, clocks: Clocks) -> Timeline:
        """All times on the clock of the first client point."""
        state = self.state
        x, y, z = state.backend.start.copy(), state.backend.reply.copy(), state.backend.start.copy()
        a, p = state.client.start.copy(), state.client.reply.copy()
        shifts = clock.common(clocks, len(self.clients), len(self.backends))
        for i, shift in enumerate(shifts.clients):
            here = state.client.point == i
            a[here] = a[here] + shift[0] if shift else -FAR
            p[here] = p[here] + shift[1] if shift else FAR
        for j, drifting in enumerate(shifts.backends):
            here = state.backend.point == j
            if drifting is None:
                x[here], y[here], z[here] = FAR, -FAR, -FAR
            else:
                low, high = clock.span_of(drifting, state.backend.start[here])
                x[here] += high
                z[here] += low
                y[here] += clock.span_of(drifting, state.backend.reply[here])[0]
        return Timeline(a.tolist(), p.tolist(), x.tolist(), y.tolist(), any(shifts.clients) and any(shifts.backends), z.tolist())

    def _correlation(self, clocks: Clocks) -> Correlation:
        state = self.state
        line = self._timeline(clocks)
        pairs = self._pairs(line)
        topo = topology(state, self.lines, self.said)
        checks = health.find(state) + health.connects(self.backends, set(topo.balancer_back))
        checked = {state.backend.first_of[k.point] + i for k in checks for i in k.exchanges}
        asked = connections.askers(state, self.said)
        copied = mirrors.find(state, line, asked, checked)
        hosts = {c.client.address for t in self.clients for c in t.connections}
        rest = unpaired.client_reasons(state, clocks) + unpaired.backend_reasons(state, clocks, checked, asked, hosts, copied)
        lines = self.lines + self._carried(pairs)
        lines += streams.pair(self.clients, self.backends, lines, clocks)
        taken = order.judge(state, clocks.values())
        return Correlation(
            pairs=pairs,
            connection_pairs=tuple(lines),
            unpaired=tuple(rest),
            clocks=tuple(clocks.values()),
            topology=topo,
            changes=changes(self.clients, self.backends, pairs),
            health_checks=tuple(checks),
            swapped=taken.swapped,
            order_shown=taken.shown,
        )

    def _pairs(self, line: Timeline) -> tuple[ExchangePair, ...]:
        state = self.state
        return tuple(
            ExchangePair(
                state.client.refs[c],
                attempts.outcomes(state, c, line),
                state.tier[c],
                state.confidence[c],
                state.group.get(c),
                state.reasons[c],
            )
            for c in sorted(state.caused)
        )

    def _carried(self, pairs: Sequence[ExchangePair]) -> list[ConnectionPair]:
        """Connections whose exchanges pair one to one, all of them, and with no other connection."""
        forth: dict[Ref, set[Ref]] = defaultdict(set)
        back: dict[Ref, set[Ref]] = defaultdict(set)
        doubtful: set[Ref] = set()
        for p in pairs:
            mine = Ref(p.client.point, self.clients[p.client.point].exchanges[p.client.id].connection)
            for t in p.attempts:
                theirs = Ref(t.backend.point, self.backends[t.backend.point].exchanges[t.backend.id].connection)
                forth[mine].add(theirs)
                back[theirs].add(mine)
            if p.group is not None or p.confidence is Confidence.LOW or p.attempts[-1].outcome is not AttemptOutcome.ANSWERED:
                doubtful.add(mine)
        known = {p.client for p in self.lines}
        out = []
        for mine, partners in forth.items():
            if mine in known or mine in doubtful or len(partners) != 1:
                continue
            theirs = next(iter(partners))
            if len(back[theirs]) == 1:
                out.append(ConnectionPair(mine, theirs, ConnectionBasis.EXCHANGES, Confidence.MEDIUM))
        return out


__all__ = ["Facts", "correlate", "split"]
