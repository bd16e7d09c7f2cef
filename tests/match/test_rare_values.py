"""Values that both sides have and few exchanges share."""

from dataclasses import replace

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Clue, Confidence
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.score import score


def six_at_once(field: str) -> Simulation:
    simulation = Simulation(seed=3, balancer=Balancer(mint=field))
    for k in range(6):
        simulation.client(f"192.168.0.{5 + k}").asks("GET", "/", at_ms=k / 10)
    return simulation


def test_an_id_that_the_balancer_wrote_into_request_and_answer_pairs_them() -> None:
    recorded = six_at_once("X-Edge-Ref").run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    counted, said = score(recorded, found)
    assert (counted.right, said) == (6, [])
    assert all(p.confidence is Confidence.HIGH for p in found.pairs)
    assert {p.reasons[0].clue for p in found.pairs} == {Clue.BALANCER_ID}


def test_a_session_id_that_comes_back_later_is_no_id_of_a_request() -> None:
    """A sticky cookie is set in one answer and comes with the next request."""
    recorded = six_at_once("Set-Cookie").run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert Clue.BALANCER_ID not in {p.reasons[0].clue for p in found.pairs}


def test_an_id_that_the_backend_answered_may_be_of_another_exchange() -> None:
    """The backends' answers hold the ids of other requests."""
    recorded = six_at_once("X-Edge-Ref").run()
    back = recorded.backends[0]
    ids = [
        line for e in back.exchanges if e.request for line in e.request.lines if "LHR" in line.value
    ]
    exchanges = [
        e._replace(response=e.response._replace(lines=(*e.response.lines, line)))
        for e, line in zip(back.exchanges, ids[1:] + ids[:1], strict=True)
        if e.response is not None
    ]
    found = correlate(recorded.clients, [replace(back, exchanges=exchanges)], DEFAULT)
    assert Clue.BALANCER_ID not in {p.reasons[0].clue for p in found.pairs}
