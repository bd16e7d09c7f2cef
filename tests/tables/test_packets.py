"""Flows and streams as columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.tables.packets import FlowTable
from tests.http.streams import Talk, get, ok
from tests.http.streams import table as stream_table

endpoints = st.builds(Endpoint, st.sampled_from(["10.0.0.1", "::1"]), st.integers(0, 65535))
flows = st.lists(st.tuples(endpoints, endpoints), max_size=6)


@given(flows)
def test_flows_there_and_back(expected: list[tuple[Endpoint, Endpoint]]) -> None:
    table = FlowTable.of(expected)
    assert list(table) == expected
    assert [table[i] for i in range(len(expected))] == expected
    assert table.faults() == []
    assert len(set(table.addresses)) == len(table.addresses)
    assert list(table.taken(np.arange(len(expected))[::-1])) == expected[::-1]


def test_the_pieces_of_a_stream_are_its_items() -> None:
    talk = Talk()
    talk.client(get("/a")).server(ok(b"x")).client(get("/b")).server(ok(b"y"))
    streams = stream_table([Talk(), talk])
    assert [len(streams.pieces(s)) for s in range(4)] == [0, 0, 2, 2]
    assert len(streams) == 4
    assert streams.faults() == []
    behind = streams.taken(np.array([3]))
    assert behind.frame.tolist() == [int(streams.frame[k]) for k in streams.pieces(3)]
