"""When an end of a connection ended it: held against one connection at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison.sides import Sides
from lbtrace.model.pairing import Correlation
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import LATER
from tests.laws import examples
from tests.simulator import Balancer, Simulation

TIMES = st.none() | st.integers(0, 1 << 61).map(lambda half: 2 * half)


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
        assert without_ties(table.ended_ns(server)) == first
        for k, by in enumerate(("fin", "rst")):
            one = [LATER if end[k] is None else end[k] for end in ends]
            assert without_ties(table.ended_ns(server, by)) == one


def without_ties(ended_ns: Column) -> list[int]:
    """The times are even: what is odd is behind another one of the same time."""
    return [at - (at % 2 and at != LATER) for at in ended_ns.tolist()]


@pytest.mark.parametrize("answers", [None, False, True])
@pytest.mark.parametrize("server_first", [False, True])
def test_of_two_ends_of_one_time_the_one_later_in_the_file_ended_later(
    server_first: bool, answers: bool | None
) -> None:
    """But for one that acknowledges the FIN of the other. `answers`: whether the server does."""
    first, at = TRACE.connections[0], 1000
    client, server = (
        end._replace(fin_ns=at, fin_frame=frame, rst_ns=None, answers_fin=answers is answering)
        for end, frame, answering in (
            (first.from_client, 8 + server_first, False),
            (first.from_server, 8 + (not server_first), True),
        )
    )
    connection = first._replace(from_client=client, from_server=server)
    trace = replace(TRACE, connections=[connection], exchanges=[])
    table = Sides([trace], [], Correlation()).sides[0]
    server_later = (not server_first) if answers is None else answers
    assert table.ended_ns(server=False).tolist() == [at + (not server_later)]
    assert table.ended_ns(server=True).tolist() == [at + server_later]


@pytest.mark.parametrize(
    ("own_ns", "other_ns", "ended_ns"), [(5, 7, 8), (9, 7, 9), (None, 7, LATER)]
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
