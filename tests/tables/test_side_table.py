"""When an end of a connection ended it: held against one connection at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison.sides import Sides
from lbtrace.model.pairing import Correlation
from lbtrace.tables.connections import LATER
from tests.laws import examples
from tests.simulator import Balancer, Simulation

TIMES = st.none() | st.integers(0, 1 << 62)


def recorded() -> Simulation:
    simulation = Simulation(seed=2, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for n in range(3):
        client.asks("GET", f"/{n}", at_ms=100 * n)
    return simulation


TRACE = recorded().run().clients[0]


@examples(60)
@given(st.lists(st.tuples(TIMES, TIMES, TIMES, TIMES), min_size=3, max_size=3))
def test_an_end_ended_its_connection_by_what_came_first(
    times: list[tuple[int | None, int | None, int | None, int | None]],
) -> None:
    connections = [
        c._replace(
            from_client=c.from_client._replace(fin_ns=fin, rst_ns=rst, answers_fin=False),
            from_server=c.from_server._replace(
                fin_ns=other_fin, rst_ns=other_rst, answers_fin=False
            ),
        )
        for c, (fin, rst, other_fin, other_rst) in zip(TRACE.connections, times, strict=True)
    ]
    trace = replace(TRACE, connections=connections)
    table = Sides([trace], [], Correlation()).sides[0]
    for server in (False, True):
        ends = [(ends[2 * server], ends[2 * server + 1]) for ends in times]
        first = [min((at for at in end if at is not None), default=LATER) for end in ends]
        assert table.ended_ns(server).tolist() == first
        for k, by in enumerate(("fin", "rst")):
            one = [LATER if end[k] is None else end[k] for end in ends]
            assert table.ended_ns(server, by).tolist() == one


@pytest.mark.parametrize(
    ("own_ns", "other_ns", "ended_ns"), [(5, 7, 7), (9, 7, 9), (None, 7, LATER)]
)
def test_what_acknowledges_the_fin_of_the_other_end_came_no_sooner(
    own_ns: int | None, other_ns: int, ended_ns: int
) -> None:
    first = TRACE.connections[0]
    second = first.from_client._replace(fin_ns=own_ns, rst_ns=None, answers_fin=own_ns is not None)
    other = first.from_server._replace(fin_ns=other_ns, rst_ns=None, answers_fin=False)
    connection = first._replace(from_client=second, from_server=other)
    table = Sides([replace(TRACE, connections=[connection], exchanges=[])], [], Correlation())
    assert table.sides[0].ended_ns(server=False).tolist() == [ended_ns]
    assert table.sides[0].ended_ns(server=True).tolist() == [other_ns]
