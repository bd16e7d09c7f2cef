"""Which of several answers the client got: said where one alone fits, else open."""

from __future__ import annotations

import pytest

from lbtrace.explain.answering_copies import answers
from lbtrace.match import match
from lbtrace.match.fan_out import server_of
from lbtrace.match.pairing import UNTOLD
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.scenarios.base import TWO


def copied(answers_as: str, own_fields: int = 0, requests: int = 12) -> Recording:
    """Every request goes to both backends. The answers to the first `own_fields` requests are of
    another status on each. Every copy is answered before the client is.
    """
    balancer = Balancer(mirror=answers_as, forward_us=(2_000, 2_000))
    simulation = Simulation(seed=4, balancer=balancer, backends=TWO, serve_us=(1_000, 1_000))
    client = simulation.client("192.168.0.5")
    for i in range(requests):
        client.asks("POST", "/", at_ms=90 * i, body=b"order %d" % (i * 7919))
    recorded = simulation.run()
    copies = sorted(recorded.copies)[:own_fields]
    back = recorded.backends[0]
    for ref in copies:
        e = back.exchanges[ref.id]
        assert e.response is not None
        other = e.response._replace(status=204)
        back.exchanges[ref.id] = e._replace(response=other)  # type: ignore[index]
    return recorded


def found(recorded: Recording) -> tuple[dict[int, int], list[int]]:
    """What is said of each, and the numbers of the true ones."""
    state = match(recorded.clients, recorded.backends, DEFAULT)
    true = [bs[-1].id for _, bs in sorted(recorded.truth.items())]
    assert all(len(bs) == 2 for bs in state.pairs.caused.values())
    return answers(state.pairs, state.line), true


def test_where_all_answers_are_alike_none_is_said_to_be_the_one() -> None:
    said, _ = found(copied("same"))
    assert set(said.values()) == {UNTOLD}
    assert len(said) == 12


def test_a_server_that_answers_whenever_it_is_known_answers_always() -> None:
    """Of three requests the answers differ; those show whose answers clients get."""
    recorded = copied("same", own_fields=3)
    said, true = found(recorded)
    assert len(said) == 9
    assert all(b == true[c] for c, b in said.items())


def test_two_requests_show_no_habit() -> None:
    said, _ = found(copied("same", own_fields=2))
    assert set(said.values()) == {UNTOLD}


def test_what_is_said_is_of_one_server() -> None:
    recorded = copied("same", own_fields=4)
    state = match(recorded.clients, recorded.backends, DEFAULT)
    said = answers(state.pairs, state.line)
    assert len({server_of(state.pairs, b) for b in said.values()}) == 1


def test_a_request_with_one_attempt_needs_no_answer_told() -> None:
    recorded = Simulation(seed=5)
    client = recorded.client("192.168.0.5")
    for i in range(4):
        client.asks("GET", f"/{i}", at_ms=90 * i)
    run = recorded.run()
    state = match(run.clients, run.backends, DEFAULT)
    assert answers(state.pairs, state.line) == {}


def lined(cut: str = "") -> Recording:
    """The answer that clients get has a line of its own; one of the three may have its head cut."""
    recorded = copied("same", requests=4)
    (front,), (back,) = recorded.clients, recorded.backends
    line = HeaderLine("X-Own", "77aa", "X-Own: 77aa")
    for exchanges, sides in ((front.exchanges, "front"), (back.exchanges, "back")):
        for e in list(exchanges):
            assert e.response is not None
            copy = sides == "back" and any(ref.id == e.id for ref in recorded.copies)
            said = e.response.lines if copy else (*e.response.lines, line)
            mine = sides if not copy else "copy"
            marks = (Mark.HEAD_TRUNCATED,) if cut == mine else ()
            answer = e.response._replace(lines=said, marks=marks)
            exchanges[e.id] = e._replace(response=answer)  # type: ignore[index]
    return recorded


def test_a_line_that_one_answer_alone_has_tells_which_the_client_got() -> None:
    said, true = found(lined())
    assert said == {c: true[c] for c in range(4)}


@pytest.mark.parametrize("cut", ["front", "back", "copy"])
def test_of_answers_whose_heads_were_cut_the_lines_tell_nothing(cut: str) -> None:
    said, _ = found(lined(cut))
    assert set(said.values()) == {UNTOLD}
