"""The frames behind a claim: a few of each side, of one file for each Evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, evidence, first_frames, frame_filter
from lbtrace.correlate import correlate
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Correlation, Ref
from lbtrace.options import Options
from tests.findings.simulated import with_exchanges
from tests.simulator import Balancer, Simulation


def comparison(count: int = 7) -> Comparison:
    made = Simulation(seed=7, balancer=Balancer(add=[("X-Forwarded-For", "{client}")]))
    client = made.client("192.168.0.5")
    for n in range(count):
        client.asks("GET", f"/page/{n}", at_ms=60 * n, answer=b"%d" % n)
    recorded = made.run()
    found = correlate(recorded.clients, recorded.backends, Options())
    return Comparison(recorded.clients, recorded.backends, found)


refs = st.lists(
    st.builds(
        FrameRef,
        side=st.sampled_from(Side),
        point=st.integers(0, 1),
        file=st.integers(0, 1),
        number=st.integers(1, 9),
        time_ns=st.just(0),
    ),
    max_size=30,
)


@given(refs)
def test_each_evidence_names_one_file_a_side_and_a_few_frames(frames: list[FrameRef]) -> None:
    found = evidence(frames, "note")
    shown = [f for e in found for f in e.frames]
    assert set(shown) <= set(frames)
    assert len(shown) == len(set(shown))
    for side in Side:
        files = [{(f.point, f.file) for f in e.frames if f.side is side} for e in found]
        assert all(len(of) <= 1 for of in files)
        named = [file for of in files for file in of]
        assert len(named) == len(set(named)), "each file once"
        for file in {(f.point, f.file) for f in frames if f.side is side}:
            of_file = [f for f in frames if f.side is side and (f.point, f.file) == file]
            first = list(dict.fromkeys(of_file))[:FRAMES_PER_SIDE]
            here = [f for f in shown if f.side is side and (f.point, f.file) == file]
            assert here == sorted(first)
    for e in found:
        assert e.note == "note"
        for side, text in ((Side.CLIENT, e.client_filter), (Side.BACKEND, e.backend_filter)):
            assert text == frame_filter([f for f in e.frames if f.side is side])


def test_a_display_filter_names_each_frame_once() -> None:
    def at(*numbers: int) -> list[FrameRef]:
        return [FrameRef(Side.CLIENT, 0, 0, n, 0) for n in numbers]

    assert frame_filter([]) == ""
    assert frame_filter(at(3)) == "frame.number == 3"
    assert frame_filter(at(3, 1, 3)) == "frame.number in {1, 3}"


def test_messages_are_shown_by_the_frame_that_completes_their_head() -> None:
    given_ = comparison()
    for side in Side:
        (trace,) = given_.traces(side)
        for e in trace.exchanges:
            assert e.request is not None
            assert e.response is not None
            ref = Ref(0, e.id)
            asked, answered = given_.request_frame(side, ref), given_.response_frame(side, ref)
            assert (asked.number, asked.time_ns) == (e.request.head_frame, e.request.head_ns)
            assert (answered.number, answered.time_ns) == (
                e.response.head_frame,
                e.response.head_ns,
            )
    pairs = given_.request_frames(given_.pairs)
    assert len(pairs) == 2 * FRAMES_PER_SIDE
    assert pairs == [
        given_.request_frame(side, ref)
        for pair in list(given_.pairs)[:FRAMES_PER_SIDE]
        for side, ref in ((Side.CLIENT, pair.client_ref), (Side.BACKEND, pair.backend_ref))
    ]
    assert len(given_.response_frames(given_.pairs[:2])) == 4


def test_what_was_not_captured_is_shown_by_what_is_there() -> None:
    whole = comparison(1)
    (trace,) = whole.clients
    (exchange,) = trace.exchanges
    assert exchange.request is not None
    assert exchange.response is not None

    Place = tuple[int, int]

    def shown(request: bool = True, response: bool = True) -> tuple[Place, Place]:
        kept = exchange._replace(
            request=exchange.request if request else None,
            response=exchange.response if response else None,
        )
        made = replace(trace, exchanges=[kept])
        of = Comparison([made], whole.backends, Correlation())
        where = Side.CLIENT, Ref(0, 0)
        asked, answered = of.request_frame(*where), of.response_frame(*where)
        return (asked.number, asked.time_ns), (answered.number, answered.time_ns)

    asked, answered = ((m.head_frame, m.head_ns) for m in (exchange.request, exchange.response))
    first = trace.connections[0].first_frame, trace.connections[0].first_ns
    assert shown() == (asked, answered)
    assert shown(request=False) == (answered, answered)
    assert shown(response=False) == (asked, asked)
    assert shown(request=False, response=False) == (first, first)


def test_connections_are_shown_by_their_syn_or_their_first_frame() -> None:
    whole = comparison()
    (trace,) = whole.clients
    numbers = np.arange(len(trace.connections))
    later = [
        c._replace(first_frame=c.first_frame + 1, syn_frame=None if c.id % 2 else c.syn_frame)
        for c in trace.connections
    ]
    made = replace(trace, connections=later)
    of = Comparison([made], whole.backends, whole.correlation)
    expected = [
        (c.syn_frame, c.syn_ns) if c.syn_frame else (c.first_frame, c.first_ns)
        for c in later[:FRAMES_PER_SIDE]
    ]
    opened = of.opening_frames(Side.CLIENT, numbers)
    assert [(f.number, f.time_ns) for f in opened] == expected
    assert [(f.number, f.time_ns) for f in first_frames(made, numbers)] == [
        (c.first_frame, c.first_ns) for c in later[:FRAMES_PER_SIDE]
    ]
    [both] = of.connection_frames(of.joined_connections[:1])[::2]
    assert both.side is Side.CLIENT


def test_the_ends_of_connections() -> None:
    whole = comparison()
    (trace,) = whole.clients
    changed = [
        c._replace(
            from_server=c.from_server._replace(rst_frame=100 + c.id, rst_ns=5)
            if c.id != 1
            else c.from_server._replace(rst_frame=None, rst_ns=None),
            from_client=c.from_client._replace(
                rst_frame=50 if c.id == 2 else None, rst_ns=4 if c.id == 2 else None
            ),
        )
        for c in trace.connections
    ]
    of = Comparison([replace(trace, connections=changed)], whole.backends, whole.correlation)
    numbers = np.arange(len(changed))
    shown = of.end_frames(Side.CLIENT, numbers, "rst_frame", "rst_ns", (False, True))
    assert [(f.number, f.time_ns) for f in shown] == [
        (100, 5),
        (50, 4),
        (102, 5),
        (103, 5),
        (104, 5),
    ]
    servers = of.end_frames(Side.CLIENT, numbers[:2], "rst_frame", "rst_ns", (True,))
    assert [f.number for f in servers] == [100]
    clients = of.end_frames(Side.CLIENT, numbers, "rst_frame", "rst_ns", (False,))
    assert [f.number for f in clients] == [50]


@pytest.mark.parametrize(
    ("fin", "rst", "first"),
    [
        ((7, 3), (9, 5), (7, 3)),
        ((7, 5), (9, 3), (9, 3)),
        ((7, 3), None, (7, 3)),
        (None, (9, 5), (9, 5)),
    ],
)
def test_a_connection_is_closed_by_its_first_fin_or_rst(
    fin: tuple[int, int] | None, rst: tuple[int, int] | None, first: tuple[int, int]
) -> None:
    of = closed_by(fin, rst)
    shown = of.closing_frame(Side.CLIENT, 0, server=True)
    assert (shown.number, shown.time_ns) == first


def test_a_connection_that_was_not_closed_shows_no_frame() -> None:
    with pytest.raises(ValueError, match="empty"):
        closed_by(None, None).closing_frame(Side.CLIENT, 0, server=True)


def closed_by(fin: tuple[int, int] | None, rst: tuple[int, int] | None) -> Comparison:
    """A connection whose server sent these: (frame, time in ns)."""
    whole = comparison()
    (trace,) = whole.clients
    fin_frame, fin_ns = fin or (None, None)
    rst_frame, rst_ns = rst or (None, None)
    first, *others = trace.connections
    end = first.from_server._replace(
        fin_frame=fin_frame, fin_ns=fin_ns, rst_frame=rst_frame, rst_ns=rst_ns
    )
    changed = replace(trace, connections=[first._replace(from_server=end), *others])
    return Comparison([changed], whole.backends, whole.correlation)


def test_a_capture_as_a_whole_is_shown_by_its_first_frame() -> None:
    whole = comparison()
    both = whole.any_frame()
    assert [(f.side, f.number) for f in both] == [(Side.CLIENT, 1), (Side.BACKEND, 1)]
    assert [f.side for f in whole.any_frame(Side.BACKEND)] == [Side.BACKEND]
    (back,) = whole.backends
    empty = replace(back, connections=[], applications=[], exchanges=[])
    assert [f.side for f in Comparison(whole.clients, [empty], Correlation()).any_frame()] == [
        Side.CLIENT
    ]


def test_the_requests_of_exchanges_are_told_each_once() -> None:
    found = comparison(7)
    for side in Side:
        table = found.table(side)
        rows = np.tile(np.arange(len(table)), 2)
        expected = dict.fromkeys(
            f"{e.request.method} {e.request.target}"
            for row in rows.tolist()
            if (e := table.exchange(row)).request is not None
        )
        assert found.asked(side, rows) == tuple(expected)
        assert found.asked(side, rows[:0]) == ()


def test_more_requests_than_a_finding_keeps_are_not_told() -> None:
    found = comparison(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lbtrace.comparison.frames.MOST_REQUESTS", 6)
        assert found.asked(Side.CLIENT, np.arange(7)) == ()
        assert len(found.asked(Side.CLIENT, np.arange(6))) == 6


def test_of_exchanges_one_of_whose_requests_was_not_read_none_is_told() -> None:
    whole = comparison(3)
    (front,) = whole.clients
    cut = with_exchanges(front, e1=front.exchanges[1]._replace(request=None))
    found = Comparison([cut], whole.backends, whole.correlation)
    assert found.asked(Side.CLIENT, np.arange(3)) == ()
    assert len(found.asked(Side.CLIENT, np.array([0, 2]))) == 2
