"""Two sides → what belongs together: the order in which the evidence is asked, strongest first.

    same packets · ClientHello ─▶ stated address ─▶ rare tokens ─▶ clock ─▶ shape classes in time ─▶
    attempts ─▶ why the rest has no partner

Every kind of evidence only pairs what the ones before it left. A pair found by tokens that the
clock contradicts is taken back. Every client exchange ends in exactly one pair or in `unpaired`,
and so does every backend exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lbtrace.correlate import (
    askers,
    attempts,
    by_connection,
    by_value,
    certainty,
    clock,
    connections,
    doubled,
    foreign,
    health,
    mirrors,
    order,
    outcome,
    repeats,
    shape,
    strangers,
    streams,
    unpaired,
)
from lbtrace.correlate.bounds import (
    Clocks,
    bootstrap,
    clocks,
    sure,
    take_back,
    timeline,
    without_doubt,
)
from lbtrace.correlate.classes import Class, classes, resolve
from lbtrace.correlate.diff import changes
from lbtrace.correlate.facts import Facts, read
from lbtrace.correlate.pairing import Pairing
from lbtrace.correlate.places import split
from lbtrace.correlate.same_packets import same_packets
from lbtrace.correlate.topology import topology
from lbtrace.model.net import Side
from lbtrace.model.pairing import ConnectionBasis, ConnectionPair, Correlation
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from lbtrace.tables.columns import among
from lbtrace.tables.sides import SideTable, both_sides

Tables = tuple[SideTable, SideTable]  # of the client side and of the backend side, in one numbering


def correlate(
    clients: Sequence[Trace],
    backends: Sequence[Trace],
    options: Options,
    tables: Tables | None = None,
) -> Correlation:
    """Client traces and backend traces → Correlation. `tables`: their exchanges, when they are at
    hand.
    """
    front, back = both_sides(clients, backends) if tables is None else tables
    state = Pairing(read(Side.CLIENT, front), read(Side.BACKEND, back))
    return _Work(clients, backends, options, state).run()


@dataclass(slots=True)
class _Work:
    """One correlation while it is being made."""

    clients: Sequence[Trace]
    backends: Sequence[Trace]
    options: Options
    state: Pairing
    lines: list[ConnectionPair] = field(default_factory=list)
    said: list[connections.Stated | None] = field(default_factory=list)

    def run(self) -> Correlation:
        """The stages in order."""
        state = self.state
        self.lines = same_packets(state.client, state.backend)
        by_connection.same_packets(state, self.lines)
        passed_on = (
            any(p.basis is ConnectionBasis.SAME_PACKETS for p in self.lines)
            and not self._some_go_straight()
        )
        self.said = connections.stated(state.backend, connections.sent_statements(state.client))
        self.lines += by_connection.stated_lines(state, self.lines)
        by_connection.stated_address(state, self.said)
        if not passed_on:
            by_value.rare_values(state, self.said)
        known = clocks(state, self.options.clock_offset_ns)
        if take_back(state, timeline(state, known)):
            known = clocks(state, self.options.clock_offset_ns)
        form, kept = (
            shape.target_form(state),
            None if shape.cut(state) else shape.kept_fields(state, request=True),
        )
        # A balancer that passes packets on: what no sequence number pairs is another's.
        made = [] if passed_on else self._classes(form, kept)
        known = bootstrap(state, known, made)
        line = timeline(state, known)
        resolve(state, made, line, shape.kept_fields(state, request=False))
        known = {
            **known,
            **{
                points: k
                for points, k in clocks(state, self.options.clock_offset_ns).items()
                if not k.refused
            },
        }
        line = timeline(state, known)
        if not passed_on:
            more = attempts.attach(state, form, kept, line)
            if more and not certainty.every_client(state, known):
                attempts.detach(state, more)
            repeats.copies(state, line)
            late = clocks(state, self.options.clock_offset_ns)
            known = {
                points: late[points] if k.refused and not k.outliers else k
                for points, k in known.items()
            }
        for c in foreign.wrong(state):
            state.remove(c)
        contradicted = {
            points: 2 * k.outliers >= k.pairs
            for points, k in known.items()
            if k.refused and k.outliers and not clock.stepped(k)
        }
        contradicted |= dict.fromkeys(strangers.contradicted(state), True)
        held = {
            points: k
            for points, k in known.items()
            if k.stated or k.pairs >= 3 or sure(state, points)
        }
        certainty.weigh(state, held, contradicted)
        return self._correlation(
            {points: without_doubt(state, points, k) for points, k in known.items()}
        )

    def _some_go_straight(self) -> bool:
        """Whether the packets that both sides share never met a balancer (their ends are the same
        on both), while other requests went to other servers: those may have gone through one.
        """
        front, back = self.state.client.table, self.state.backend.table
        c = front.numbers_of_connections([p.client for p in self.lines])
        b = back.numbers_of_connections([p.backend for p in self.lines])
        if (front.servers[c] != back.servers[b]).any() or (
            front.sources[c] != back.sources[b]
        ).any():
            return False
        return not among(front.servers[front.connection], front.servers[c]).all()

    def _classes(self, form: shape.TargetForm, kept: shape.Kept | None) -> list[Class]:
        """The classes of what is left, apart by who asked where that is known."""
        state = self.state
        told = [s.address if s is not None else "" for s in self.said]
        known = askers.known(state, told)
        if not known and certainty.lossless(state.client) and certainty.lossless(state.backend):
            shared = set(state.shared)
            known = askers.fitting(state, classes(state, form, kept, ({}, told)), told)
            state.shared = shared
        return classes(state, form, kept, (known, told))

    def _correlation(self, known: Clocks) -> Correlation:
        state = self.state
        line = timeline(state, known)
        state.answered = doubled.answers(state, line)
        pairs = outcome.pairs(state, line)
        topo = topology(state, self.lines, self.said)
        checks = health.find(state) + health.connects(
            self.clients, self.backends, set(topo.balancer_back), {p.backend for p in self.lines}
        )
        checked = {state.backend.first_of[k.point] + i for k in checks for i in k.exchanges}
        asked = connections.askers(state, self.said)
        copied = mirrors.find(state, line, asked, checked)
        hosts = state.client.table.hosts
        rest = unpaired.client_reasons(state, known, {p.client for p in self.lines})
        rest += unpaired.backend_reasons(state, known, checked, asked, hosts, copied)
        lines = self.lines + outcome.carried(state, pairs, self.lines)
        lines += streams.pair(self.clients, self.backends, lines, known)
        taken = order.judge(state, known.values())
        return Correlation(
            pairs=pairs,
            connection_pairs=tuple(lines),
            unpaired=tuple(rest),
            clocks=tuple(known.values()),
            topology=topo,
            changes=changes(state.client.table, state.backend.table, pairs),
            health_checks=tuple(checks),
            swapped=taken.swapped,
            order_shown=taken.shown,
        )


__all__ = ["Facts", "correlate", "split"]
