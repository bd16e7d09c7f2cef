"""The exchanges of a trace: what is asked for one by one is what a walk over all of them shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.pipeline import inspect
from lbtrace.tables.exchanges import Exchanges, by_connection, request_lines, request_parts

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("*/client.pcap")), ids=lambda path: path.parent.name
)
def test_one_is_made_as_all_are(path: Path) -> None:
    one_by_one, walked = (inspect([str(path)]).exchanges for _ in range(2))
    assert isinstance(one_by_one, Exchanges)
    assert isinstance(walked, Exchanges)
    count = len(walked)
    asked = [one_by_one[i] for i in reversed(range(count))][::-1]
    assert asked == list(walked)
    assert [e.id for e in asked] == list(range(count))
    assert one_by_one.connections.tolist() == [e.connection for e in walked]
    assert one_by_one[1:3] == list(walked)[1:3]


def test_the_exchanges_of_a_connection_are_those_that_name_it() -> None:
    trace = inspect([str(SAMPLES / "alb-like" / "backend.pcap")])
    for made in (trace, replace(trace, exchanges=list(trace.exchanges))):
        rows = by_connection(made)
        assert [rows[c.id] for c in trace.connections] == [
            [e.id for e in trace.exchanges if e.connection == c.id] for c in trace.connections
        ]


def test_the_table_stays_when_one_is_asked_for() -> None:
    exchanges = inspect([str(SAMPLES / "alb-like" / "client.pcap")]).exchanges
    assert isinstance(exchanges, Exchanges)
    rows = len(exchanges.table)
    assert rows
    assert exchanges[0].id == 0
    assert len(exchanges.table) == rows


token = st.text("GETPOSTget!", min_size=1, max_size=4)
targets = st.text("/a?=&%:é", min_size=1, max_size=6)


@given(st.lists(st.tuples(token, st.one_of(targets, st.just("/masked (8 bytes, #90aa)")))))
def test_many_request_lines_are_read_as_each_of_them_is(lines: list[tuple[str, str]]) -> None:
    """A masked target may hold blanks."""
    sent = [f"{method} {target} HTTP/1.1".encode("latin-1") for method, target in lines]
    parts = [[texts[i] for i in of.tolist()] for texts, of in request_lines(sent)]
    read = list(zip(*parts, strict=True))
    assert read == [request_parts(line, {}) for line in sent]
    assert read == [(method, target, "HTTP/1.1") for method, target in lines]
