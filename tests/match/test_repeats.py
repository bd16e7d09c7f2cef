"""A request that two backends got and answered is two attempts of one client exchange; two clients'
requests never are.
"""

from dataclasses import replace

import pytest

from lbtrace.correlate import correlate
from lbtrace.match.repeats import copies
from lbtrace.match.timeline import timeline
from lbtrace.model.http import Mark
from lbtrace.model.pairing import AttemptOutcome, Clock, Confidence, Tier
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator.rewriting import own
from tests.simulator.roles import Balancer, Simulation
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.scenarios.base import TWO


def test_a_post_sent_twice_is_two_attempts_of_one_exchange() -> None:
    recorded = SCENARIOS["posted-twice"]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    twice = {c for c, bs in recorded.truth.items() if len(bs) > 1}
    assert twice
    assert {p.client for p in found.pairs if len(p.attempts) > 1} == twice
    for p in found.pairs:
        assert {a.backend for a in p.attempts} == set(recorded.truth[p.client])
        alike = (
            AttemptOutcome.ANSWERED if len(p.attempts) == 1 else AttemptOutcome.EITHER
        )  # both answered the same
        assert {a.outcome for a in p.attempts} == {alike}


@pytest.mark.parametrize("behind", ["198.51.100.5", "198.51.100.6"])
@pytest.mark.parametrize("added", [[], [("X-Forwarded-For", "{client}")]])
def test_the_same_body_from_a_client_that_was_not_captured_is_not_taken(
    behind: str, added: list[tuple[str, str]]
) -> None:
    simulation = Simulation(seed=4, balancer=Balancer(add=added), backends=TWO)
    one, other = (
        simulation.client("192.168.0.5", "198.51.100.5"),
        simulation.client("192.168.0.6", behind),
    )
    for i in range(20):
        for who in (one, other):
            who.asks(
                "POST",
                "/orders",
                body=b'{"order": "%08d"}' % (i * 7919),
                at_ms=150 * i,
                answer=b"stored",
            )
    recorded = simulation.run()
    [whole] = recorded.clients
    mine = [c.client.address == "192.168.0.5" for c in whole.connections]
    kept = [e for e in whole.exchanges if mine[e.connection]]
    number = {c.id: n for n, c in enumerate(c for c in whole.connections if mine[c.id])}
    whole = replace(
        whole,
        exchanges=[e._replace(id=n, connection=number[e.connection]) for n, e in enumerate(kept)],
        applications=[a for a, own in zip(whole.applications, mine, strict=True) if own],
        connections=[c._replace(id=number[c.id]) for c in whole.connections if mine[c.id]],
    )
    found = correlate([whole], recorded.backends, DEFAULT)
    assert all(len(p.attempts) == 1 for p in found.pairs)


def test_copies_are_known_by_the_id_the_balancer_gave_the_request() -> None:
    """GETs, some sent to two backends with an id of the balancer's that both copies carry."""
    simulation = Simulation(
        seed=5, balancer=Balancer(hedge=0.3, add=[("X-Request-Id", "{fresh}{fresh}")]), backends=TWO
    )
    client = simulation.client("192.168.0.5", "198.51.100.5")
    for i in range(20):
        client.asks("GET", f"/{i}", at_ms=150 * i + (i * 31) % 17)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert sum(len(p.attempts) for p in found.pairs) == sum(
        len(bs) for bs in recorded.truth.values()
    )
    assert all(
        {a.backend for a in p.attempts} <= set(recorded.truth[p.client])
        for p in found.pairs
        if p.group is None
    )


def test_of_tries_that_all_failed_alike_the_last_was_answered() -> None:
    """Two tries with one id, both 500 with the same page: what looks like a copy of the first is
    what the client got.
    """
    balancer = Balancer(retry=0.5, fail="500", add=[("X-Request-Id", "{fresh}{fresh}")])
    simulation = Simulation(seed=5, balancer=balancer, backends=TWO, separate_points=True)
    client = simulation.client("192.168.0.5", "198.51.100.5")
    for i in range(20):
        client.asks("GET", f"/{i}", at_ms=150 * i + (i * 31) % 17)
        if i % 2:
            client.asked[-1].answer = own("500", "Internal Server Error", "gunicorn")
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    twice = [p for p in found.pairs if len(p.attempts) == 2]
    assert len(twice) > 3
    for p in found.pairs:
        assert [a.backend for a in p.attempts] == list(recorded.truth[p.client])
        assert p.attempts[-1].outcome is AttemptOutcome.ANSWERED


def test_a_try_that_failed_belongs_to_the_request_that_got_no_other() -> None:
    """Equal requests under way at once: of some the only try is reset and the balancer answers
    502.
    """
    balancer = Balancer(give_up=0.2, wander=False)
    simulation = Simulation(
        seed=3, balancer=balancer, backends=TWO, separate_points=True, serve_us=(20_000, 30_000)
    )
    client = simulation.client("192.168.0.5", "198.51.100.5")
    for i in range(20):
        client.asks("POST", "/same", body=b"a", at_ms=15 * i)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    failed = [p for p in found.pairs if p.client in recorded.own]
    assert len(failed) == len(recorded.own) > 3
    assert all({a.backend for a in p.attempts} == set(recorded.truth[p.client]) for p in failed)
    assert {a.outcome for p in failed for a in p.attempts} == {AttemptOutcome.RESET}


@pytest.mark.parametrize("left", [False, True])
def test_what_ends_because_the_client_left_has_not_timed_out(left: bool) -> None:
    """The balancer closes the backend connection before an answer, and says 502: it gave up, or the
    client had gone.
    """
    simulation = Simulation(seed=3, balancer=Balancer(give_up=1.0))
    client = simulation.client("192.168.0.5")
    for i in range(4):
        client.asks("POST", f"/{i}", body=b"a%d" % i, at_ms=100 * i)
    recorded = simulation.run()
    (front,), (back,) = recorded.clients, recorded.backends
    ended = [
        c._replace(
            from_client=c.from_client._replace(fins=1, fin_frame=c.last_frame, fin_ns=c.last_ns),
            from_server=c.from_server._replace(
                rsts=0,
                rst_frame=None,
                rst_ns=None,
                fins=1,
                fin_frame=c.last_frame,
                fin_ns=c.last_ns + 1,
            ),
        )
        for c in back.connections
    ]
    unmarked = [e._replace(marks=(Mark.CLOSED,)) for e in back.exchanges]
    first = [front.exchanges[c.id] for c in front.connections]
    gone = [
        c._replace(
            from_client=c.from_client._replace(
                rsts=1, rst_frame=c.first_frame, rst_ns=e.response.first_ns - 1
            )
        )
        if left and e.response is not None
        else c
        for c, e in zip(front.connections, first, strict=True)
    ]
    found = correlate(
        [replace(front, connections=gone)],
        [replace(back, connections=ended, exchanges=unmarked)],
        DEFAULT,
    )
    assert len(found.pairs) == 4
    assert {a.outcome for p in found.pairs for a in p.attempts} == {
        AttemptOutcome.CLOSED if left else AttemptOutcome.TIMEOUT
    }


@pytest.mark.parametrize("others", [1, 2])
@pytest.mark.parametrize("in_set", [False, True])
def test_a_copy_is_attached_to_a_pair_that_stands_alone(in_set: bool, others: int) -> None:
    """Of a set nobody knows which of its members the copy is of; other sets do not matter."""
    simulation = Simulation(
        seed=5, balancer=Balancer(hedge=1.0, add=[("X-Request-Id", "{fresh}{fresh}")]), backends=TWO
    )
    client = simulation.client("192.168.0.5")
    for i in range(6):
        client.asks("GET", f"/{i}", at_ms=150 * i)
    recorded = simulation.run()
    state = unpaired(recorded.clients, recorded.backends)
    line = timeline(state, {(0, 0): Clock(0, 0, 0, 0)})
    of = {bs[0].id: (c.id, [b.id for b in bs]) for c, bs in recorded.truth.items()}
    for first, (c, _) in of.items():
        state.add(c, [first], Tier.RARE_TOKEN, Confidence.HIGH, ())
    mine, *rest = state.caused
    for _ in range(others):
        state.new_group()
    for number, c in enumerate(rest):
        state.group[c] = number % others
    if in_set:
        state.group[mine] = 0
    copies(state, line)
    assert len(state.caused[mine]) == (1 if in_set else 2)
