"""Ports that are reused → which connection each segment belongs to."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.packets import SYN
from lbtrace.tcp.incarnations import incarnations
from tests.laws import examples
from tests.tcp.wire import CLIENT, Wire

FAR = 0x20000000
OLD, NEW = "old", "new"
OURS = {OLD: -FAR, NEW: 0}  # ISNs of the client, on the ring: 0 is one like any other
THEIRS = {OLD: -FAR, NEW: 0}  # of the server


class Step(NamedTuple):
    """A segment of one of two connections that have the same ports."""

    what: str
    of: str


STEPS = [
    Step(what, of)
    for of in (OLD, NEW)
    for what in ("SYN", "SYN-ACK", "asks", "answers", "resets", "acknowledges")
]


def write(wire: Wire, step: Step) -> None:
    ours, theirs = OURS[step.of], THEIRS[step.of]
    match step.what:
        case "SYN":
            wire.c("SYN", ours)
        case "SYN-ACK":
            wire.s("SYN", theirs, ack=ours + 1)
        case "asks":
            wire.c("PSH", ours + 1, b"ask", ack=theirs + 1)
        case "answers":
            wire.s("PSH", theirs + 1, b"tell", ack=ours + 4)
        case "resets":
            wire.c("RST", ours + 4)
        case _:
            wire.c("", ours + 4, ack=theirs + 5)


def flows(conversations: list[tuple[Step, ...]]) -> Wire:
    """Each conversation on a flow of its own, one after the other."""
    wire = Wire()
    for number, steps in enumerate(conversations):
        wire.client = CLIENT._replace(address=f"10.0.{number >> 14}.9", port=1024 + number % 16384)
        for step in steps:
            write(wire, step)
    return wire


ALL = [
    steps for length in (1, 2, 3, 4) for steps in product(STEPS[:5] + STEPS[6:11], repeat=length)
]


def test_columns_tell_each_short_conversation_as_one_by_one() -> None:
    """All conversations of up to four segments, whatever came late, twice or never."""
    table = flows(ALL).table()
    quick, slow = incarnations(table), incarnations(table, careful=True)
    assert quick.count == slow.count
    assert quick.flow.tolist() == slow.flow.tolist()
    assert quick.of.tolist() == slow.of.tolist()


@pytest.mark.parametrize("more", list(product(STEPS[:2] + STEPS[6:8], repeat=2)))
def test_columns_tell_a_conversation_that_is_alone_as_one_by_one(more: tuple[Step, ...]) -> None:
    table = flows([(Step("SYN", OLD), Step("SYN", NEW), *more)]).table()
    quick, slow = incarnations(table), incarnations(table, careful=True)
    assert quick.of.tolist() == slow.of.tolist()


def opened_first(steps: tuple[Step, ...]) -> bool:
    """The SYN of each of its connections comes before all else of it, the old one's first."""
    seen: list[str] = []
    for step in steps:
        if step.of not in seen:
            if step.what != "SYN":
                return False
            seen.append(step.of)
    return seen == [OLD, NEW]


def test_a_segment_belongs_to_the_connection_whose_numbers_it_carries() -> None:
    conversations = [
        (*steps, *more)
        for steps in ALL
        if opened_first(steps)
        for more in product(STEPS, repeat=6 - len(steps) if len(steps) < 3 else 1)
    ][:9000]
    found = incarnations(flows(conversations).table())
    at = 0
    for steps in conversations:
        mine = found.of[at : at + len(steps)].tolist()
        at += len(steps)
        number = {step.of: connection for step, connection in zip(steps, mine, strict=True)}
        assert [number[step.of] for step in steps] == mine, steps
        assert number[OLD] < number[NEW]
    assert found.count == 2 * len(conversations)


@pytest.mark.parametrize(("after", "connections"), [(1, 1), (1 << 20, 1), ((1 << 20) + 1, 2)])
def test_a_segment_may_be_written_before_its_syn_if_it_lies_near(
    after: int, connections: int
) -> None:
    wire = Wire().c("PSH", 99 + after, b"ask").c("SYN", 99)
    assert incarnations(wire.table()).count == connections
    wire = Wire().s("PSH", 5, b"tell", ack=99 + after).c("SYN", 99)
    assert incarnations(wire.table()).count == connections


def test_what_acknowledges_nothing_of_a_syn_is_not_of_its_connection() -> None:
    assert incarnations(Wire().c("PSH", 99, b"ask").c("SYN", 99).table()).count == 2
    assert incarnations(Wire().s("PSH", 5, b"tell", ack=99).c("SYN", 99).table()).count == 2


@pytest.mark.parametrize(("beyond", "count"), [(-1, 2), (0, 1), ((1 << 20) - 1, 1), (1 << 20, 2)])
def test_a_synack_may_accept_the_data_on_the_syn(beyond: int, count: int) -> None:
    wire = Wire().c("SYN", 99, b"ask").s("SYN", 999, ack=100 + beyond)
    for careful in (False, True):
        assert incarnations(wire.table(), careful).count == count


@pytest.mark.parametrize("older", [1, 16, 17, 200])
def test_a_late_syn_is_of_the_connection_that_has_its_isn(older: int) -> None:
    wire = Wire()
    for number in range(older + 1):
        wire.c("SYN", 1000 + number * 10_000_000)
    found = incarnations(wire.c("SYN", 1000).table())
    assert int(found.of[-1]) == 0
    assert found.count == older + 1


NEAR = st.integers(0, 3000) | st.integers(0, 1 << 21) | st.integers(0, (1 << 32) - 1)


@examples(200)
@given(st.lists(NEAR, min_size=1, max_size=5, unique=True), st.data())
def test_a_conversation_is_that_of_the_syn_which_was_answered(
    isns: list[int], data: st.DataObject
) -> None:
    """Whatever SYNs stand around it, in whatever order, and however near their ISNs are."""
    won = data.draw(st.sampled_from(isns))
    sent = data.draw(st.permutations(isns)) + data.draw(st.lists(st.sampled_from(isns), max_size=4))
    late = data.draw(st.lists(st.sampled_from(isns), max_size=2))
    wire = Wire()
    for isn in sent:
        wire.c("SYN", isn)
    wire.s("SYN", 999, ack=won + 1)
    for isn in late:
        wire.c("SYN", isn)
    wire.c("", won + 1, ack=1000).c("PSH", won + 1, b"ask", ack=1000)
    wire.s("PSH", 1000, b"tell", ack=won + 4)
    for careful in (False, True):
        found = incarnations(wire.table(), careful)
        assert found.count == len(isns)
        of = found.of.tolist()
        assert {of[place] for place in range(len(of)) if isn_of(wire, place) == won} == {of[-1]}
        assert of[-3:] == [of[-1]] * 3
        assert of[len(sent)] == of[-1]


def isn_of(wire: Wire, place: int) -> int | None:
    """The ISN of a SYN; None of another segment."""
    segment = wire.segments[place]
    return segment.seq if segment.flags == SYN else None


def test_a_syn_that_crosses_the_peers_is_of_the_same_connection() -> None:
    assert incarnations(Wire().c("SYN", 10).s("SYN", 20).table()).count == 1
    assert incarnations(Wire().c("SYN", 10).c("", 11).s("SYN", 20).table()).count == 2


def test_a_synack_to_nothing_seen_begins_a_connection_when_this_one_has_its_isn() -> None:
    wire = Wire().s("SYN", 999, ack=100).c("PSH", 100, b"ask", ack=1000)
    assert incarnations(wire.table()).count == 1
    assert incarnations(wire.s("SYN", 5_000_000, ack=9_000_000).table()).count == 2


def test_connections_are_numbered_by_their_first_segments() -> None:
    wire = Wire()
    for port, isn in ((1, 5), (2, 5), (1, 50_000_000), (3, 5), (2, 50_000_000)):
        wire.client = CLIENT._replace(port=port)
        wire.c("SYN", isn)
    found = incarnations(wire.table())
    assert found.of.tolist() == [0, 1, 2, 3, 4]
    assert found.flow.tolist() == [0, 1, 0, 2, 1]


def test_a_late_syn_goes_to_the_connection_whose_answer_alone_was_captured() -> None:
    wire = Wire().s("SYN", 999, ack=100).c("SYN", 5_000_000).c("SYN", 99)
    assert incarnations(wire.table()).of.tolist() == [0, 1, 0]
    wire = Wire().c("SYN", 99).c("SYN", 5_000_000).s("SYN", 999, ack=100)
    assert incarnations(wire.table()).of.tolist() == [0, 1, 0]


def test_a_segment_belongs_to_an_older_connection_whose_isns_are_zero() -> None:
    """0 is an ISN like any other. Two SYNs that nobody answers came in between."""
    wire = Wire().c("SYN", 0).s("SYN", 0, ack=1).c("SYN", FAR).c("SYN", 2 * FAR)
    wire.c("PSH", 1, b"ask", ack=1).s("PSH", 1, b"tell", ack=4)
    assert incarnations(wire.table()).of.tolist() == [0, 0, 1, 2, 0, 0]


@pytest.mark.parametrize("before", [0, 1])
def test_a_segment_belongs_to_the_connection_that_the_capture_began_in(before: int) -> None:
    """Its first segment is the first of the file, or not. Two SYNs came in between."""
    wire = Wire()
    if before:
        wire.client = CLIENT._replace(port=40001)
        wire.c("SYN", 7)
        wire.client = CLIENT
    wire.c("PSH", 1000, b"ask", ack=5000).c("SYN", FAR).c("SYN", 2 * FAR)
    wire.c("PSH", 1003, b"more", ack=5000)
    first = before
    found = incarnations(wire.table()).of.tolist()
    assert found[before:] == [first, first + 1, first + 2, first]


def test_an_acknowledgement_alone_finds_the_connection_that_the_capture_began_in() -> None:
    """Of it only the server was captured until two SYNs came in between."""
    wire = Wire().s("PSH", 5000, b"tell", ack=3_000_000_000).c("SYN", FAR).c("SYN", 2 * FAR)
    wire.c("ACK", 3_000_000_000, ack=5004)
    assert incarnations(wire.table()).of.tolist() == [0, 1, 2, 0]


def test_a_reset_without_an_acknowledgement_goes_by_its_sequence_number() -> None:
    """Two whole connections, then a third; the RST is of the first."""
    wire = Wire()
    for isn in (0, FAR, 2 * FAR):
        wire.c("SYN", isn).s("SYN", isn + 7, ack=isn + 1).c("ACK", isn + 1, ack=isn + 8)
    wire.c("RST", 1)
    assert incarnations(wire.table()).of.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0]


def test_a_reset_with_the_number_of_the_syn_is_of_that_connection() -> None:
    wire = Wire().c("SYN", 0).s("SYN", 7, ack=1).c("ACK", 1, ack=8).c("SYN", FAR).c("RST", FAR)
    assert incarnations(wire.table()).of.tolist() == [0, 0, 0, 1, 1]


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.booleans(),
            st.sampled_from(["SYN", "PSH", "ACK", "RST"]),
            st.sampled_from([0, 1, FAR, FAR + 1, 2 * FAR, 2 * FAR + 1]),
            st.sampled_from([None, 1, FAR + 1, 2 * FAR + 1]),
        ),
        max_size=9,
    )
)
def test_what_another_flow_carries_changes_nothing(
    steps: list[tuple[bool, bool, str, int, int | None]],
) -> None:
    """Two flows with the same numbers, each told as if it was alone."""
    wire, alone = Wire(), (Wire(), Wire())
    for other, by_client, flags, seq, ack in steps:
        own = alone[other]
        for each in (wire, own):
            each.client = CLIENT._replace(port=40001 if other else 40000)
            (each.c if by_client else each.s)(
                flags, seq, b"data" if flags == "PSH" else b"", ack=ack
            )
    together = incarnations(wire.table()).of.tolist() if steps else []
    for number, own in enumerate(alone):
        mine = [n for n, step in zip(together, steps, strict=True) if step[0] == number]
        numbers = {n: at for at, n in enumerate(dict.fromkeys(mine))}
        expected = incarnations(own.table()).of.tolist() if mine else []
        order = {n: at for at, n in enumerate(dict.fromkeys(expected))}
        assert [numbers[n] for n in mine] == [order[n] for n in expected]


class Gathered(np.ndarray):
    """A column that counts the values taken from it."""

    count = 0

    def __getitem__(self, key: Any, /) -> Any:
        found = super().__getitem__(key)
        Gathered.count += np.size(found)
        return found


def test_late_syns_do_not_look_through_all_that_came_before_them() -> None:
    """Each of them is the server's SYN of the first connection, in the middle of the second."""

    def gathered(late: int) -> int:
        wire = Wire().c("SYN", 1).s("SYN", 100).c("SYN", FAR).c("ACK", FAR, ack=2 * FAR)
        for _ in range(late):
            wire.s("SYN", 100)
        table = wire.table()
        counted = table.with_columns(
            **{name: getattr(table, name).view(Gathered) for name in ("forward", "flags", "seq")}
        )
        Gathered.count = 0
        assert incarnations(counted).count == 2
        return Gathered.count

    assert gathered(200) < 2.2 * gathered(100)
