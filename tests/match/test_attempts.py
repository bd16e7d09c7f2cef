"""Attempts beside the one that was answered: a retry comes after a failure, a copy beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbtrace.correlate import correlate
from lbtrace.match import match
from lbtrace.match.attempts import _one_after_another, failed, in_order, in_time
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import timeline
from lbtrace.model.pairing import AttemptOutcome, Clock, ClockRefusal, Confidence
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO
from tests.simulator.script import Script


def tried(balancer: Balancer, seed: int = 5, requests: int = 20) -> Simulation:
    simulation = Simulation(seed=seed, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(requests):
        client.asks("GET", f"/item/{i}", at_ms=80 * i)
    return simulation


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("reset", AttemptOutcome.RESET),
        ("closed", AttemptOutcome.CLOSED),
        ("500", AttemptOutcome.SUPERSEDED),
    ],
)
def test_every_failed_try_belongs_to_its_request_and_says_how_it_ended(
    how: str, outcome: AttemptOutcome
) -> None:
    recorded = tried(Balancer(retry=0.4, fail=how)).run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    retried = 0
    for p in found.pairs:
        assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
        assert p.attempts[-1].outcome is AttemptOutcome.ANSWERED
        assert all(a.outcome is outcome for a in p.attempts[:-1])
        retried += len(p.attempts) > 1
    assert retried > 3


def test_the_attempts_of_a_request_failed_in_turn_and_lie_inside_it() -> None:
    recorded = tried(Balancer(retry=0.4)).run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    for c, bs in found.pairs.caused.items():
        numbers = in_order(found.pairs, c, found.line)
        assert sorted(numbers) == sorted(bs)
        assert all(failed(found.pairs.backend, b) for b in numbers[:-1])
        assert not failed(found.pairs.backend, numbers[-1])
        assert in_time(found.pairs, c, numbers[-1], found.line)
        ends = [int(found.pairs.backend.end[b]) for b in numbers]
        begins = [int(found.pairs.backend.start[b]) for b in numbers]
        assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))


def test_an_error_of_the_balancer_keeps_the_attempt_that_caused_it() -> None:
    recorded = tried(Balancer(give_up=0.4)).run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    for p in found.pairs:
        if p.client in recorded.own:
            assert [a.outcome for a in p.attempts] == [AttemptOutcome.RESET]
            assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]


def test_a_failed_try_of_a_client_that_was_not_captured_is_nobodys_for_sure() -> None:
    """Equal requests of two clients, whose tries fail; one of the two is captured."""
    simulation = Simulation(
        seed=8, balancer=Balancer(give_up=0.5), uncaptured_clients=1, backends=TWO
    )
    for address in ("192.168.0.5", "192.168.0.6"):
        client = simulation.client(address)
        for i in range(20):
            client.asks("GET", "/", at_ms=40 * i)
    recorded = simulation.run()
    for p in correlate(recorded.clients, recorded.backends, DEFAULT).pairs:
        if p.confidence is not Confidence.LOW and p.group is None:
            assert {a.backend for a in p.attempts} <= set(recorded.truth[p.client])


ORDER = b"POST /order HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nitem=1"
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Length: 3\r\n\r\n502"


def warmed_up() -> Script:
    """Requests that show the clocks, and that bodies and targets are passed on."""
    play = Script()
    for n in range(3):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front = play.front().asks(ask)
        play.back().asks(ask).answers(DONE).leaves()
        front.answers(DONE).leaves()
    return play


def outcomes(play: Script, folder: Path) -> list[list[str]]:
    """Per pair, how its attempts ended."""
    report = play.report(folder)
    assert not report.correlation.unpaired
    return [[a.outcome.value for a in pair.attempts] for pair in report.correlation.pairs]


@pytest.mark.parametrize("late", [True, False])
def test_an_attempt_that_was_given_up_is_one_though_its_answer_came_late(
    tmp_path: Path, late: bool
) -> None:
    play = warmed_up()
    front = play.front().asks(ORDER)
    first = play.back().asks(ORDER).gives_up(pause_ms=1000)
    play.back(8081).asks(ORDER).answers(DONE)
    front.answers(DONE).leaves()
    if late:
        first.answers_in_vain(DONE, pause_ms=1000)
    else:
        first.closes()
    assert outcomes(play, tmp_path)[3] == ["timeout", "answered"]


def test_an_answer_to_an_asker_that_half_closed_was_taken(tmp_path: Path) -> None:
    play = warmed_up()
    front = play.front().asks(ORDER)
    play.back().asks(ORDER).gives_up().answers(DONE).closes()
    front.answers(DONE).leaves()
    assert outcomes(play, tmp_path)[3] == ["answered"]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_answer_upon_which_the_balancer_broke_off_belongs_to_its_own_error(
    tmp_path: Path, times: int
) -> None:
    play = warmed_up()
    for _ in range(times):
        front = play.front().asks(ORDER)
        play.back().asks(ORDER).answers(DONE).leaves(reset=True)
        front.answers(GATEWAY).leaves()
        play.wait(300)
    assert outcomes(play, tmp_path)[3:] == [["superseded"]] * times


def test_an_answer_that_was_taken_is_not_put_down_to_an_error(tmp_path: Path) -> None:
    """Of two alike, one was answered by the balancer: the orderly one is another client's."""
    play = warmed_up()
    front = play.front().asks(ORDER)
    play.back().asks(ORDER).answers(DONE).leaves()
    front.answers(GATEWAY).leaves()
    play.front().asks(ORDER).answers(GATEWAY).leaves()
    assert len(play.report(tmp_path).correlation.pairs) == 3


BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
PAGE = b"GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n"


def asked_in_turn(play: Script, *answers: bytes, got: bytes) -> None:
    """A request that was tried at one backend after another, until it had an answer to pass on."""
    front = play.front().asks(PAGE)
    for port, answer in enumerate(answers, 8080):
        play.back(port).asks(PAGE).answers(answer).leaves()
    front.answers(got).leaves()


@pytest.mark.parametrize("times", [2, 3])
def test_tries_that_all_got_the_error_that_the_client_got_are_one_request(
    tmp_path: Path, times: int
) -> None:
    """Each of them may be the client's by its answer; none is left for anybody else."""
    play = warmed_up()
    for answer in (DONE, BUSY, DONE, BUSY):
        asked_in_turn(play, *[BUSY] * (times - 1), answer, got=answer)
    assert outcomes(play, tmp_path)[3:] == [["superseded"] * (times - 1) + ["answered"]] * 4


def test_an_error_beside_another_is_no_try_before_it(tmp_path: Path) -> None:
    """The second was asked before the first had failed: another client may have asked it."""
    play = warmed_up()
    front = play.front().asks(PAGE)
    backs = [play.back(port).asks(PAGE) for port in (8080, 8081)]
    for back in backs:
        back.answers(BUSY).leaves()
    front.answers(BUSY).leaves()
    found = play.report(tmp_path).correlation
    assert [len(pair.attempts) for pair in found.pairs] == [1] * 4
    assert found.pairs[3].confidence is Confidence.LOW


def test_a_set_stays_one_where_another_request_may_be_missing(tmp_path: Path) -> None:
    """One backend exchange is left over that no client in the capture asked."""
    play = warmed_up()
    asked_in_turn(play, BUSY, BUSY, got=BUSY)
    play.back().asks(PAGE).answers(BUSY).leaves()
    found = play.report(tmp_path).correlation
    assert [len(pair.attempts) for pair in found.pairs] == [1] * 4


def side_by_side(separate: bool, failed_one: bool) -> Pairing:
    """Two backend exchanges under way at the same time, in one capture or in two; the one that
    began first failed, or the other.
    """
    simulation = Simulation(seed=3, backends=TWO, separate_points=separate)
    for address, at_ms in (("192.168.0.5", 0), ("192.168.0.6", 1)):
        simulation.client(address).asks("GET", "/", at_ms=at_ms)
    recorded = simulation.run()
    state = unpaired(recorded.clients, recorded.backends)
    assert len(set(state.backend.point.tolist())) == 1 + separate
    began_first = int(np.argmin(state.backend.start))
    silent = np.arange(2) == (began_first if failed_one else 1 - began_first)
    state.backend = replace(state.backend, silent=silent)
    return state


@pytest.mark.parametrize("failed_one", [True, False])
def test_in_one_capture_its_own_times_say_whether_a_try_came_after_another(
    failed_one: bool,
) -> None:
    """Whatever a clock between captures leaves open."""
    state = side_by_side(separate=False, failed_one=failed_one)
    no_clock = timeline(state, {(0, 0): Clock(0, 0, refused=ClockRefusal.NO_PAIR)})
    assert int(state.backend.end.min()) > int(state.backend.start.max()), "they overlap"
    assert not _one_after_another(state.backend, 0, 1, no_clock)
    later = state.backend.start == state.backend.start.max()
    start = state.backend.start + np.where(later, 1_000_000_000, 0)
    state.backend = replace(state.backend, start=start)
    assert _one_after_another(state.backend, 0, 1, no_clock) == failed_one


@pytest.mark.parametrize("failed_one", [True, False])
def test_of_two_captures_either_may_have_come_first_until_a_clock_says_it(failed_one: bool) -> None:
    state = side_by_side(separate=True, failed_one=failed_one)
    no_clock = timeline(state, {(0, j): Clock(0, j, refused=ClockRefusal.NO_PAIR) for j in (0, 1)})
    assert _one_after_another(state.backend, 0, 1, no_clock)
    known = timeline(state, {(0, j): Clock(0, j, 0, 0) for j in (0, 1)})
    assert not _one_after_another(state.backend, 0, 1, known)
