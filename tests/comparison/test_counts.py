"""Both sides, counted: what a walk over connections and exchanges counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from lbtrace.comparison import Comparison
from lbtrace.comparison.counts import counted_once
from lbtrace.correlate import correlate
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.options import Options
from tests.findings.simulated import ALB, four
from tests.simulator.random_simulations import random_simulation


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("side", Side)
def test_a_side_is_counted_as_a_walk_counts_it(seed: int, side: Side) -> None:
    recorded = random_simulation(seed).run()
    found = correlate(recorded.clients, recorded.backends, Options())
    comparison = Comparison(recorded.clients, recorded.backends, found)
    table, once = comparison.table(side), counted_once(comparison.table(side)).tolist()
    checks = (
        {(check.point, e) for check in found.health_checks for e in check.exchanges}
        if side is Side.BACKEND
        else set()
    )
    numbers = [
        (table.first_connection[point] + e.connection, e, (point, e.id) in checks)
        for point, trace in enumerate(comparison.traces(side))
        for e in trace.exchanges
    ]
    ordinary = Counter(c for c, e, check in numbers if e.request and not check and once[c])
    counts = comparison.counts(side)
    assert counts.side is side
    assert counts.requests == ordinary.total()
    assert counts.http_connections == len(ordinary)
    assert dict(counts.requests_per_connection) == Counter(ordinary.values())
    assert counts.check_requests == sum(
        bool(e.request) and check and once[c] for c, e, check in numbers
    )
    assert counts.responses == sum(
        bool(e.response) and not check and once[c] for c, e, check in numbers
    )
    connections = [c for trace in comparison.traces(side) for c in trace.connections]
    assert counts.packets == sum(c.from_client.packets + c.from_server.packets for c in connections)
    assert counts.connections + counts.check_connections == sum(once)


def test_each_count_is_a_column_of_its_own() -> None:
    recorded = four(ALB).run()
    (client,) = recorded.clients
    first, second, *others = client.connections
    changed = [
        first._replace(syns=0, opened=False, syn_retransmissions=0),
        second._replace(syns=1, opened=False, syn_retransmissions=3),
        *others,
    ]
    counts = Comparison([replace(client, connections=changed)], (), Correlation()).client_counts
    assert counts.connections == len(changed)
    assert (counts.syns, counts.already_open) == (len(changed) - 1, 1)
    assert (counts.opened, counts.syn_retransmissions) == (len(changed) - 2, 3)


def test_of_two_captures_of_a_connection_the_one_with_more_packets_counts() -> None:
    recorded = four(ALB).run()
    (client,) = recorded.clients
    few = [
        c._replace(from_client=c.from_client._replace(packets=c.from_client.packets - 1))
        for c in client.connections
    ]
    again = replace(client, point=1, connections=few)
    for captures, expected in (([client, again], (True, False)), ([again, client], (False, True))):
        table = Comparison(captures, (), Correlation()).sides[0]
        count = len(client.connections)
        assert counted_once(table).tolist() == [expected[0]] * count + [expected[1]] * count


def test_connections_whose_start_was_not_captured_are_not_taken_for_one() -> None:
    recorded = four(ALB).run()
    (client,) = recorded.clients
    unknown = [
        c._replace(from_client=c.from_client._replace(isn=None, start_seq=None))
        for c in client.connections
    ]
    captures = [replace(client, point=i, connections=unknown) for i in range(2)]
    assert counted_once(Comparison(captures, (), Correlation()).sides[0]).all()
