"""Numbers in the columns of a side, and what follows on a connection."""

from __future__ import annotations

import numpy as np
import pytest

from lbtrace.comparison import Comparison
from lbtrace.comparison.sides import NO_EXCHANGE, following
from lbtrace.correlate import correlate
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref
from lbtrace.options import Options
from tests.simulator.scenarios import SCENARIOS


def case_of(scenario: str) -> Comparison:
    recorded = SCENARIOS[scenario]().run()
    return Comparison(
        recorded.clients,
        recorded.backends,
        correlate(recorded.clients, recorded.backends, Options()),
    )


@pytest.mark.parametrize("scenario", ["founding-alb", "several-client-captures", "two-nodes"])
def test_a_ref_and_its_number_are_one_exchange(scenario: str) -> None:
    comparison = case_of(scenario)
    for side in Side:
        refs = [
            Ref(point, e.id)
            for point, trace in enumerate(comparison.traces(side))
            for e in trace.exchanges
        ]
        assert comparison.numbers(side, refs).tolist() == list(range(len(refs)))
        assert [comparison.table(side).ref(n) for n in range(len(refs))] == refs


@pytest.mark.parametrize("scenario", ["shared-backend-connection", "loss-2", "two-nodes"])
def test_what_follows_on_a_connection(scenario: str) -> None:
    """The next one that is wanted, as a walk along the connection finds it."""
    comparison = case_of(scenario)
    for table in comparison.sides:
        wanted = np.arange(len(table)) % 3 == 0
        for exchange, found in enumerate(following(table, wanted).tolist()):
            later = [
                e
                for e in range(exchange + 1, len(table))
                if table.connection[e] == table.connection[exchange] and wanted[e]
            ]
            assert found == (later[0] if later else NO_EXCHANGE)
    assert NO_EXCHANGE < 0, "it is the number of none"


@pytest.mark.parametrize("scenario", ["two-nodes", "tls-ends", "keep-alive-race"])
def test_a_connection_is_used_when_it_carries_an_exchange(scenario: str) -> None:
    comparison = case_of(scenario)
    for side in Side:
        carrying = {
            (point, e.connection)
            for point, trace in enumerate(comparison.traces(side))
            for e in trace.exchanges
        }
        refs = [
            (point, c.id)
            for point, trace in enumerate(comparison.traces(side))
            for c in trace.connections
        ]
        assert comparison.used(side).tolist() == [ref in carrying for ref in refs]


def test_an_end_is_an_address_and_a_port() -> None:
    comparison = case_of("two-nodes")
    for side in Side:
        table, connections = (
            comparison.table(side),
            [c for trace in comparison.traces(side) for c in trace.connections],
        )
        assert [table.endpoint(end) for end in table.sources.tolist()] == [
            c.client for c in connections
        ]
        assert [table.endpoint(end) for end in table.servers.tolist()] == [
            c.server for c in connections
        ]
