"""Control frames are told with the connection and the exchange that they are about."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.findings._streams import AGAIN_NS, _on_streams, _one_within, steered, was_reset
from lbtrace.model.http2 import ControlKind
from lbtrace.model.net import Side
from lbtrace.pipeline import compare
from lbtrace.tables.exchanges import NO_STREAM
from lbtrace.tables.rows import OnDemand
from lbtrace.tables.side_table import SideTable
from tests.findings.http2_talks import Http2Talk
from tests.laws import examples
from tests.tcp.wire import pcap


def resets_some(port: int, asked: int, *streams: int) -> Http2Talk:
    """So many requests, of which the client gives some up."""
    talk = Http2Talk(port)
    for n in range(asked):
        stream = talk.asks(f"/{port}/{n}")
        if stream not in streams:
            talk.answers(stream, b"ok")
    for stream in streams:
        talk.resets(stream)
    return talk


def test_a_frame_is_of_the_exchange_on_its_stream_of_its_own_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two captures with two connections each; streams have the same numbers on all of them."""
    captures = [
        [resets_some(40_001, 2, 3), resets_some(40_002, 3, 1, 5)],
        [resets_some(40_003, 1), resets_some(40_004, 3, 3)],
    ]
    paths = []
    for n, talks in enumerate([*captures, [resets_some(40_009, 1)]]):
        path = tmp_path / f"{n}.pcap"
        path.write_bytes(pcap(*(talk.wire for talk in talks)))
        paths.append([str(path)])
    report = compare(paths[:2], paths[2:])
    comparison = Comparison(report.clients, report.backends, report.correlation)
    table = comparison.table(Side.CLIENT)
    with monkeypatch.context() as patched:
        # a table that has made its objects is a circle, which nothing collects before the end
        patched.delattr(OnDemand, "all")
        found = steered(comparison, Side.CLIENT, ControlKind.RST_STREAM)
    asked = []
    for each in found:
        exchange = table.exchange(each.row)
        assert exchange.request is not None
        asked.append((exchange.request.target, each.frame.stream))
        connection = table.connection_ref(each.number)
        assert (connection.point, connection.id) == (each.trace.point, each.frame.connection)
    assert asked == [
        ("/40001/1", 3),
        ("/40002/0", 1),
        ("/40002/2", 5),
        ("/40004/1", 3),
    ]
    rows = [row for row, reset in enumerate(was_reset(comparison, Side.CLIENT)) if reset]
    assert sorted(each.row for each in found) == rows


STREAMS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=12)


@examples(100)
@given(STREAMS, STREAMS, st.integers(0, 5))
def test_the_exchange_on_a_stream_is_the_last_one_there(
    held: list[tuple[int, int]], wanted: list[tuple[int, int]], without: int
) -> None:
    """As a dictionary says; exchanges of HTTP/1 have no stream."""
    rows = [*held, *[(1, NO_STREAM)] * without]
    connection, stream = (
        np.array(each, np.int64) for each in zip(*(rows or [(9, 9)]), strict=True)
    )
    table = cast("SideTable", SimpleNamespace(connection=connection, stream=stream))
    known = {key: row for row, key in enumerate(rows)}
    asked = [np.array([key[k] for key in wanted], np.int64) for k in range(2)]
    found = _on_streams(table, asked[0], asked[1].astype(np.uint32))
    assert found.tolist() == [known.get(key, -1) for key in wanted]


@pytest.mark.parametrize(
    ("times", "left"),
    [
        ([], None),
        ([100], None),  # it came no later
        ([101], []),
        ([100 + AGAIN_NS], []),
        ([101 + AGAIN_NS], None),
        ([50, 200, 300], [50, 300]),
    ],
)
def test_what_came_again_counts_once(times: list[int], left: list[int] | None) -> None:
    """After the time 100, within ten seconds; the first such time is taken away."""
    before = times[:]
    assert _one_within(times, 100) == (left is not None)
    assert times == (before if left is None else left)
