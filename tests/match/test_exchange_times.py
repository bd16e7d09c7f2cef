"""What is known of a time that was not captured: a bound, never less than the packets allow."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lbtrace.match.exchange_times import (
    FAR,
    PATIENCE_NS,
    body_key,
    body_size,
    body_sizes,
    different_bodies,
    same_body,
)
from lbtrace.model.http import NO_BODY, Body, Mark
from tests.match.states import unpaired
from tests.simulator import Message, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.roles import Recording


def lossy(connection: str = "") -> Recording:
    """Two requests, and some packets lost, perhaps answers."""
    simulation = Simulation(seed=3, client_loss=0.3)
    client = simulation.client("192.168.0.5")
    for i in range(30):
        client.asks("GET", f"/{i}", at_ms=100 * i, connection=connection)
    return simulation.run()


def test_an_answer_that_was_lost_reached_the_client_before_its_connection_ended() -> None:
    recorded = lossy()
    facts = unpaired(recorded.clients, recorded.backends).client
    seen = 0
    for n in range(len(facts)):
        e = facts.exchange(n)
        if e.response is None and Mark.LOST in e.marks:
            assert facts.reply[n] == facts.end[n] == facts.connection_of(n).last_ns
            seen += 1
    assert seen > 3


def test_an_answer_that_was_lost_reached_the_client_before_it_asked_again() -> None:
    recorded = lossy(connection="kept")
    facts = unpaired(recorded.clients, recorded.backends).client
    seen = 0
    for n in range(len(facts) - 1):
        later = facts.exchange(n + 1).request
        if facts.exchange(n).response is None and later is not None:
            assert facts.reply[n] == later.first_ns
            seen += 1
    assert seen >= 3


def test_an_answer_after_the_capture_may_have_come_long_after() -> None:
    """The client capture ends while requests wait."""
    simulation = Simulation(seed=3, client_window=(-100, 1003), path_us=(900, 950))
    client = simulation.client("192.168.0.5")
    for i in range(11):
        client.asks("GET", "/", at_ms=100 * i)
    recorded = simulation.run()
    facts = unpaired(recorded.clients, recorded.backends).client
    last = len(facts) - 1
    assert facts.exchange(last).response is None
    assert facts.reply[last] == facts.connection_of(last).last_ns + PATIENCE_NS


@pytest.mark.parametrize("seed", range(20))
def test_a_true_partner_is_never_excluded_by_the_bounds(seed: int) -> None:
    """Under the true difference of the clocks, the answered backend exchange lies inside."""
    simulation = random_simulation(seed, most=60)
    simulation.other_clocks, simulation.backend_clock.step_ns = (), 0
    recorded = simulation.run()
    state = unpaired(recorded.clients, recorded.backends)
    for ref, caused in recorded.truth.items():
        mine = recorded.clients[ref.point].exchanges[ref.id]
        if not caused or Mark.CLOSED in mine.marks or recorded.own & {ref}:
            continue
        deltas = recorded.clocks[ref.point, caused[-1].point]
        c = state.client.first_of[ref.point] + ref.id
        b = state.backend.first_of[caused[-1].point] + caused[-1].id
        assert state.client.start[c] <= state.backend.start[b] + max(deltas)
        assert state.backend.reply[b] + min(deltas) <= state.client.reply[c]


def body(content: bytes, coding: str = "") -> Body:
    """A body as it is sent in chunks."""
    return Message(("200", "OK"), [], content, coding=coding, chunked=True).as_body()


BODIES = [NO_BODY, body(b""), body(b"", "gzip"), body(b"one"), body(b"one", "gzip"), body(b"two")]
CONTENTS = [b"", b"", b"", b"one", b"one", b"two"]


def test_a_body_is_its_content_whatever_its_coding() -> None:
    for (one, content), (other, theirs) in product(zip(BODIES, CONTENTS, strict=True), repeat=2):
        assert same_body(one, other) is (content == theirs)
        assert (body_key(one) == body_key(other)) is (content == theirs)
        assert body_size(one) == len(content)


def test_columns_of_bodies_say_what_the_bodies_say() -> None:
    """Each body asked for and answered, on both sides."""
    simulation = Simulation(seed=1)
    client = simulation.client("192.168.0.5")
    for n in range(len(BODIES)):
        client.asks("POST", f"/{n}", at_ms=100 * n)
    (trace,) = simulation.run().clients
    given = [
        e._replace(response=e.response and e.response._replace(body=sent))
        for e, sent in zip(trace.exchanges, BODIES, strict=True)
    ]
    state = unpaired([replace(trace, exchanges=given)], [replace(trace, exchanges=given)])
    answers, others = state.client.table.responses, state.backend.table.responses
    assert body_sizes(answers).tolist() == list(map(body_size, BODIES))
    i, j = np.array(list(product(range(len(BODIES)), repeat=2)), np.int64).T
    unlike = [same_body(one, other) is False for one, other in product(BODIES, repeat=2)]
    assert different_bodies(answers, i, others, j).tolist() == unlike


def test_what_is_later_than_any_capture_is_a_time_even_doubled() -> None:
    """Nanoseconds since 1970 are 64 bits; a sum of times with what is never must not overflow."""
    assert FAR > 2 * 10**18, "the year 2033"
    assert np.iinfo(np.int64).max >= FAR * 2
