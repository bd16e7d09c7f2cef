"""Connections of no HTTP: equal lengths by chance, and equal lengths because the bytes were
copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.explain import connection_pairs, outcomes
from lbtrace.explain.unmatched import EDGE_NS
from lbtrace.match import match
from lbtrace.model.http import Protocol
from lbtrace.model.pairing import Clock, ClockRefusal, Confidence, ConnectionBasis, Ref
from lbtrace.model.stream import Direction
from lbtrace.options import DEFAULT
from lbtrace.tables.pairs import ANSWERED as ANSWERED_
from tests.simulator import Simulation
from tests.simulator.scenarios import SCENARIOS

CLOCK = {(0, 0): Clock(0, 0, pairs=9)}


def flows(*lengths: int, begins: Sequence[int] = ()) -> list[connection_pairs._Flow]:
    """Whole connections that sent so much; they begin one after another, or as told."""
    starts = begins or [1000 * i for i in range(len(lengths))]
    return [
        connection_pairs._Flow(Ref(0, i), Protocol.OTHER, starts[i], starts[i] + 10, up, 50, True)
        for i, up in enumerate(lengths)
    ]


def known(front: list[connection_pairs._Flow], back: list[connection_pairs._Flow]) -> list[int]:
    return [
        p.client.id
        for p in connection_pairs._equal(front, back, CLOCK)
        if p.confidence is not Confidence.LOW
    ]


def test_who_copies_bytes_copies_all_of_them() -> None:
    assert known(flows(100, 200, 300), flows(100, 200, 300)) == [0, 1, 2]
    assert known(flows(100, 200, 300, 400, 500), flows(100, 201, 301, 401, 501)) == []


def test_connections_of_one_backend_of_several_are_known() -> None:
    """The others went where nothing was captured; or others were served there too."""
    assert known(flows(100, 200, 300, 400, 500), flows(100, 300, begins=[0, 2000])) == [0, 2]
    assert known(flows(100, 300, begins=[0, 2000]), flows(100, 200, 300, 400, 500)) == [0, 1]


def test_a_clock_that_leaves_most_without_a_partner_tells_nothing() -> None:
    front, back = (
        flows(100, 100, 100, 100, 100),
        flows(100, 100, 100, 100, 100, begins=[0, 1500, 2500, 3500, 4500]),
    )
    assert known(front, back) == []
    assert known(front, flows(100, 100, 100, 100, 100)) == [0, 1, 2, 3, 4]


def speaking(*digests: str | None) -> list[connection_pairs._Flow]:
    """Connections one after another that all sent and got as many bytes; and which ones."""
    return [
        replace(flow, digests=(digest, digest))
        for flow, digest in zip(flows(*[100] * len(digests)), digests, strict=True)
    ]


def test_of_equal_lengths_the_bytes_decide() -> None:
    backwards = speaking("c", "b", "a")
    assert [
        (p.client.id, p.backend.id)
        for p in connection_pairs._equal(speaking("a", "b", "c"), backwards, {})
    ] == [(0, 2), (1, 1), (2, 0)]
    assert known(speaking("a", "b", "c"), speaking("d", "e", "f")) == []


def test_the_same_bytes_said_twice_need_a_clock() -> None:
    assert connection_pairs._equal(speaking("a", "a"), speaking("a", "a"), {}) == []
    assert known(speaking("a", "a"), speaking("a", "a")) == [0, 1]


def in_turn(*spoke: tuple[int, int, int, int] | None) -> list[connection_pairs._Flow]:
    """Connections that all carried the same bytes, at these times."""
    return [
        replace(flow, spoke=times)
        for flow, times in zip(speaking(*"a" * len(spoke)), spoke, strict=True)
    ]


FIRST, SECOND = (0, 10, 5, 20), (100, 110, 105, 120)  # client first, last; server first, last
BEHIND = [(503, 511, 504, 516), (603, 611, 604, 616)]


def _later(spoke: tuple[int, int, int, int] | None, by_ns: int) -> tuple[int, int, int, int] | None:
    if spoke is None:
        return None
    a, b, c, d = spoke
    return a + by_ns, b + by_ns, c + by_ns, d + by_ns


def test_what_is_said_again_and_again_may_be_said_on_another_day() -> None:
    day_ns = 86_400_000_000_000
    for later_ns, sure in ((0, [0, 1]), (EDGE_NS // 2, [0, 1]), (day_ns, []), (-day_ns, [])):
        back = [
            replace(
                flow,
                begin=flow.begin + later_ns,
                answer=flow.answer + later_ns,
                spoke=_later(flow.spoke, later_ns),
            )
            for flow in in_turn(*BEHIND)
        ]
        found = connection_pairs._equal(in_turn(FIRST, SECOND), back, {})
        assert [p.client.id for p in found] == sure


@pytest.mark.parametrize(
    ("front", "back", "sure"),
    [
        ([FIRST, SECOND], BEHIND, [(0, 0), (1, 1)]),
        ([SECOND, FIRST], BEHIND, [(0, 1), (1, 0)]),
        ([FIRST, (20, 25, 24, 29)], [(3, 11, 4, 16), (22, 26, 23, 27)], [(0, 0), (1, 1)]),
        # they overlap on one side
        ([FIRST, (19, 25, 24, 29)], [(3, 11, 4, 16), (22, 26, 23, 27)], []),
        ([FIRST, SECOND], [(3, 11, 4, 99), (23, 31, 24, 36)], []),
        # not as many on both sides
        ([FIRST, SECOND], BEHIND[:1], []),
        ([FIRST], BEHIND, []),
        # bytes were sent again
        ([FIRST, None], BEHIND, []),
        # no offset of the clocks fits both
        ([FIRST, SECOND], [BEHIND[0], (653, 661, 654, 666)], []),
    ],
)
def test_as_many_that_follow_one_another_are_each_others_in_turn(
    front: list[tuple[int, int, int, int] | None],
    back: list[tuple[int, int, int, int] | None],
    sure: list[tuple[int, int]],
) -> None:
    found = connection_pairs._equal(in_turn(*front), in_turn(*back), {})
    known = [(p.client.id, p.backend.id) for p in found if p.confidence is Confidence.MEDIUM]
    assert sorted(known) == sure


def test_a_short_conversation_is_told_by_its_bytes_not_by_its_length() -> None:
    short = [connection_pairs._Flow(Ref(0, 0), Protocol.OTHER, 0, 10, 20, 20, True)]
    told = [replace(flow, digests=("a", "b")) for flow in short]
    assert connection_pairs._equal(short, short, {})[0].basis is ConnectionBasis.TIME
    assert connection_pairs._equal(told, told, {})[0].basis is ConnectionBasis.SAME_BYTES


def test_one_script_run_twice_is_not_one_connection() -> None:
    """No offset puts the backend's client behind the client's and its server before."""
    front, back = speaking("a", "b"), speaking("a", "b")

    def timed(
        flows: list[connection_pairs._Flow], *spoke: tuple[int, int, int, int]
    ) -> list[connection_pairs._Flow]:
        return [replace(flow, spoke=times) for flow, times in zip(flows, spoke, strict=True)]

    mine = timed(front, (0, 10, 20, 30), (100, 110, 120, 130))
    for theirs, sure in (
        (timed(back, (5, 15, 18, 28), (105, 115, 118, 128)), [0, 1]),
        (timed(back, (905, 915, 918, 928), (1005, 1015, 1018, 1028)), [0, 1]),
        (timed(back, (5, 15, 18, 28), (155, 165, 168, 178)), []),
        (timed(back, (5, 15, 30, 40), (105, 115, 130, 140)), []),
    ):
        found = connection_pairs._equal(mine, theirs, {})
        assert [p.client.id for p in found if p.confidence is not Confidence.LOW] == sure


def test_a_clock_that_is_known_is_not_sought_in_the_times_of_connections() -> None:
    front, back = flows(*[100] * 9), flows(*[100] * 9)
    assert connection_pairs._from_times(front, back, CLOCK) == {}
    refused = {(0, 0): Clock(0, 0, refused=ClockRefusal.NO_PAIR)}
    assert set(connection_pairs._from_times(front, back, refused)) == {(0, 0)}
    assert connection_pairs._from_times(front[:2], back[:2], refused) == {}, "two show nothing"
    assert connection_pairs._from_times(front, back[:8], refused) == {}, "one is missing"


ANSWERED = (200, 300)


@pytest.mark.parametrize(
    ("asked", "answered", "begin"),
    [((100, 150), ANSWERED, 100), (None, ANSWERED, 200), ((100, 150), None, 100)],
)
@pytest.mark.parametrize("syns", [0, 1])
def test_a_connection_begins_with_what_is_said_first(
    asked: tuple[int, int] | None, answered: tuple[int, int] | None, begin: int, syns: int
) -> None:
    """In front, with its SYN where that was captured: the balancer may connect at once."""
    simulation = Simulation(seed=1)
    simulation.client("192.168.0.5").asks("GET", "/")
    trace = simulation.run().clients[0]
    c = trace.connections[0]

    def spoke(end: Direction, times: tuple[int, int] | None) -> Direction:
        first, last = times or (None, None)
        return end._replace(first_payload_ns=first, last_payload_ns=last)

    c = c._replace(
        syns=syns,
        first_ns=50,
        last_ns=400,
        from_client=spoke(c.from_client, asked),
        from_server=spoke(c.from_server, answered),
    )
    for backend in (False, True):
        found = connection_pairs._flow(Ref(0, 0), c, trace.applications[0], backend)
        assert found.begin == (50 if syns and not backend else begin)
        assert found.answer == (400 if not backend or answered is None else 300)


@pytest.mark.parametrize("what", ["low", "in a set", "not answered", ""])
def test_a_connection_with_a_doubtful_exchange_is_paired_with_none(what: str) -> None:
    recorded = SCENARIOS["founding-nlb"]().run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    pairs = outcomes.pairs(found.pairs, found.line, {})
    if what == "low":
        pairs.confidence[0] = Confidence.LOW.rank
    elif what == "in a set":
        pairs.group[0] = 7
    elif what == "not answered":
        pairs.outcome[pairs.last[0]] = ANSWERED_ + 1
    paired = [p.client.id for p in connection_pairs.carried(found.pairs, pairs, ())]
    first = found.pairs.client.connection_ref(int(pairs.client[0])).id
    everyone = sorted(c.id for c in recorded.clients[0].connections)
    assert sorted(paired) == [i for i in everyone if not what or i != first]


@given(st.integers(0, 60_000), st.integers(0, 60_000), st.integers(-1, 1), st.integers(-1, 1))
def test_plain_bytes_are_fewer_by_a_handshake_and_a_tenth_at_most(
    up: int, down: int, beyond_up: int, beyond_down: int
) -> None:
    """Exactly at the limit, one byte within it, and one byte beyond it; of both directions."""
    (front,) = flows(0)
    front = replace(front, up=up, down=down)
    most = [size - (connection_pairs.OVERHEAD + size // 10) for size in (up, down)]
    for least, fits in ((most, (beyond_up >= 0, beyond_down >= 0)), ([up, down], None)):
        sizes = least[0] + beyond_up, least[1] + beyond_down
        plain = replace(front, up=sizes[0], down=sizes[1])
        expected = fits or (beyond_up <= 0, beyond_down <= 0)
        assert connection_pairs._fits_records(front, plain) == all(expected)


def test_a_connection_behind_may_carry_the_requests_of_many_in_front() -> None:
    """Each exchange counts for itself: its lines and its body, from its first byte to the first of
    its answer.
    """
    recorded = SCENARIOS["tls-ends-kept"]().run()
    (back,) = recorded.backends[:1]
    everyone = {Ref(0, c.id) for c in back.connections}
    asked = connection_pairs._requests([back], everyone)
    assert len(asked) == len(back.exchanges)
    for flow, e in zip(asked, back.exchanges, strict=True):
        assert e.request is not None
        assert e.response is not None
        assert flow.ref == Ref(0, e.connection)
        assert (flow.begin, flow.answer) == (e.request.first_ns, e.response.first_ns)
        for size, message in ((flow.up, e.request), (flow.down, e.response)):
            assert size == sum(len(x.raw) + 2 for x in message.lines) + message.body.length
    some = {Ref(0, back.connections[0].id)}
    assert {f.ref for f in connection_pairs._requests([back], some)} == some
    unanswered = [e._replace(response=None) for e in back.exchanges]
    assert connection_pairs._requests([replace(back, exchanges=unanswered)], everyone) == []
