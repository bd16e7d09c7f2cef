"""A matching → everything that is told of it: attempts and how they ended, why the rest has no
partner, who is who, which connections belong together, what happened to header fields, which
traffic is the balancer's own.

Everything here reads the matching and nothing here changes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.explain import (
    answering_copies,
    connection_pairs,
    health_checks,
    mirrored_traffic,
    outcomes,
    swapped,
    trailers,
    unmatched,
)
from lbtrace.explain.header_changes import changes
from lbtrace.explain.interchangeable import sets
from lbtrace.explain.single_capture import split
from lbtrace.explain.topology import topology
from lbtrace.match import Matching
from lbtrace.match.connections import askers
from lbtrace.model.pairing import Correlation
from lbtrace.model.trace import Trace


def explain(clients: Sequence[Trace], backends: Sequence[Trace], found: Matching) -> Correlation:
    """The traces of both sides and what matches → Correlation."""
    state, line, known = found.pairs, found.line, found.clocks
    pairs = outcomes.pairs(state, line, answering_copies.answers(state, line))
    who = topology(state, found.connection_pairs, found.stated)
    paired = {p.backend for p in found.connection_pairs}
    checks = health_checks.find(state)
    checks += health_checks.connects(clients, backends, set(who.balancer_back), paired)
    checked = {state.backend.first_of[k.point] + i for k in checks for i in k.exchanges}
    asked = askers(state, found.stated)
    copied = mirrored_traffic.find(state, line, known, asked, checked)
    rest = unmatched.client_reasons(
        state, known, {p.client for p in found.connection_pairs}, checked
    )
    rest += unmatched.backend_reasons(
        state, known, checked, asked, state.client.table.hosts, copied
    )
    rest = unmatched.open_questions(state, rest)
    whole = found.connection_pairs
    whole = whole + connection_pairs.carried(state, pairs, whole)
    whole += connection_pairs.pair(clients, backends, whole, known)
    order = swapped.judge(state, known.values(), whole)
    return Correlation(
        pairs=pairs,
        connection_pairs=tuple(whole),
        unpaired=tuple(rest),
        clocks=tuple(known.values()),
        topology=who,
        changes=changes(state.client.table, state.backend.table, pairs),
        trailer_changes=trailers.changes(state.client.table, state.backend.table, pairs),
        health_checks=tuple(checks),
        sets=sets(state, pairs),
        completeness=found.completeness,
        swapped=order.swapped,
        order_shown=order.shown,
    )


__all__ = ["explain", "split"]
