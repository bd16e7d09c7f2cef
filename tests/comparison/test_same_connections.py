"""Which connections of two captures are the same: by their ends, or in every number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.model.stream import Connection
from tests.comparison.test_frames import comparison
from tests.laws import examples
from tests.verdict.recorded import comparisons


@examples(40)
@given(comparisons())
def test_the_same_ends_are_the_same_addresses_and_ports(given_: Comparison) -> None:
    fronts, backs = (
        [c for trace in given_.traces(side) for c in trace.connections] for side in Side
    )
    a, b = (grid.ravel() for grid in np.indices((len(fronts), len(backs))))
    found = given_.same_endpoints(a, b).tolist()
    ends = [(c.client, c.server) for c in fronts], [(c.client, c.server) for c in backs]
    assert found == [ends[0][i] == ends[1][j] for i, j in zip(a.tolist(), b.tolist(), strict=True)]


@examples(40)
@given(comparisons())
def test_joined_connections_are_each_two_once(given_: Comparison) -> None:
    expected = {(p.client_ref, p.backend_ref) for p in given_.connection_pairs} | {
        (
            pair.client_ref._replace(id=pair.client.connection),
            pair.backend_ref._replace(id=pair.backend.connection),
        )
        for pair in given_.distinct_pairs
    }
    found = [(p.client_ref, p.backend_ref) for p in given_.joined_connections]
    assert set(found) == expected
    assert len(found) == len(expected)


def changed(c: Connection, what: str) -> Connection:
    """The same connection, but for one thing."""
    match what:
        case "client port":
            return c._replace(client=c.client._replace(port=1))
        case "server port":
            return c._replace(server=c.server._replace(port=1))
        case "client":
            return c._replace(client=c.client._replace(address="10.9.9.9"))
        case "server":
            return c._replace(server=c.server._replace(address="10.9.9.9"))
        case "time":
            return c._replace(first_ns=c.first_ns + 1)
        case "isn":
            return c._replace(from_client=c.from_client._replace(isn=5))
        case "packets":
            return c._replace(from_server=c.from_server._replace(packets=99))
    return c


@pytest.mark.parametrize(
    "what", ["client port", "server port", "client", "server", "time", "isn", "packets", ""]
)
def test_a_capture_that_differs_in_one_number_is_another(what: str) -> None:
    (front,) = comparison(4).clients
    first, *rest = front.connections
    twin = replace(front, side=Side.BACKEND, connections=[changed(first, what), *rest])
    assert bool(Comparison([front], [twin], Correlation()).same_captures) == (not what)


@pytest.mark.parametrize("name", ["first_ns", "last_ns"])
def test_a_capture_of_another_time_is_another(name: str) -> None:
    (front,) = comparison(4).clients
    twin = replace(front, side=Side.BACKEND, **{name: getattr(front, name) + 1})
    assert Comparison([front], [twin], Correlation()).same_captures == []
