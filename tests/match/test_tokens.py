"""What an exchange holds that another one may hold too."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.pairing import Pairing
from lbtrace.match.tokens import (
    BITS,
    _Book,
    _numbered_parts,
    _sizes,
    _target_pieces,
    _traits,
    collect,
    telling,
)
from lbtrace.model.http import NO_BODY, Body
from lbtrace.model.pairing import Clue
from lbtrace.tables.words import Words
from tests.compiled import on_both
from tests.match.states import unpaired
from tests.simulator import Balancer, Message, Simulation


def asked_with(body: Body) -> Pairing:
    """One request with that body, on both sides."""
    simulation = Simulation(seed=3)
    simulation.client("192.168.0.5").asks("POST", "/")
    recorded = simulation.run()
    sides = [
        replace(trace, exchanges=[e._replace(request=e.request and e.request._replace(body=body))])
        for (trace,) in (recorded.clients, recorded.backends)
        for e in trace.exchanges
    ]
    return unpaired(sides[:1], sides[1:])


@pytest.mark.parametrize("content", [b"", b"one of a kind"])
def test_a_body_tells_as_much_as_its_content_is_long(content: bytes) -> None:
    """Of no bytes gzip makes twenty: the same twenty for every message."""
    body = Message(("POST", "/"), [], content, coding="gzip", chunked=True).as_body()
    state = asked_with(body)
    tokens = collect(state.client, state.backend)
    of_bodies = tokens.of_kind([Clue.REQUEST_BODY])
    assert tokens.bits[of_bodies].tolist() == [BITS * len(content)] * bool(content)
    without = asked_with(NO_BODY)
    more = told(state) - told(without)
    assert more == BITS * len(content)


def told(state: Pairing) -> float:
    return telling(state.client.exchange(0), state.backend.exchange(0))


@pytest.mark.parametrize("value", ["7f3a9c0d51e24b86", "one of a kind"])
def test_what_a_field_tells_is_as_long_as_its_value(value: str) -> None:
    """Said on both sides; the names of fields, and what one side alone says, tell nothing."""

    def asked(name: str, given: str) -> Pairing:
        simulation = Simulation(seed=3, balancer=Balancer(drop=["X-Dropped"]))
        simulation.client("192.168.0.5").asks("GET", "/", headers=[(name, given)])
        recorded = simulation.run()
        return unpaired(recorded.clients, recorded.backends)

    without = told(asked("X-Dropped", value))
    assert told(asked("X-Id", value)) - without == BITS * len(value)
    assert without > 0


LETTERS = ["/", "//", "?", "&", "a", "segment", "\xe9", "\udc80", "…"]
BETWEEN = [" ", ",", ";", "\t", "\x1c", "\x85", "\xa0", "\xad"]
RUNS = ["a" * 11, "b" * 12, "c" * 13, "\xe9" * 12, "\udc80", "Mon, 02 Jan 2023 03:04:05"]


@given(st.lists(st.lists(st.sampled_from(LETTERS), max_size=7).map("".join), max_size=5))
def test_targets_are_taken_apart_alike_by_both_roads(targets: list[str]) -> None:
    def pieces() -> tuple[list[list[int]], ...]:
        book = _Book(Words())
        columns = [column.tolist() for column in _target_pieces(book, targets)]
        return columns, [list(book.ends), list(book.segments), list(book.queries)]

    plain, compiled = on_both(pieces)
    assert plain == compiled


@given(
    st.lists(st.lists(st.sampled_from(BETWEEN + RUNS), max_size=5).map("".join), max_size=4)
    | st.just([" ".join(f"{n:012d}" for n in range(20))])
)
def test_values_are_taken_apart_alike_by_both_roads(values: list[str]) -> None:
    def parts() -> tuple[list[int], list[int], list[str], list[int], list[bool]]:
        book = _Book(Words())
        counts, found = _numbered_parts(book, values)
        dated = _traits(values)[1].tolist()
        return counts.tolist(), found.tolist(), list(book.parts), _sizes(values).tolist(), dated

    plain, compiled = on_both(parts)
    assert plain == compiled
    for parted, _ in on_both(lambda: _traits(values)):
        for counted, may in zip(plain[0], parted.tolist(), strict=True):
            assert may or not counted
