"""How sure pairs are that rest on who else there was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbtrace.correlate import correlate
from lbtrace.match import match
from lbtrace.match.confidence import Known, weigh
from lbtrace.match.drawn import drawn
from lbtrace.model.pairing import Clue, Completeness, Confidence, SideCompleteness, Tier
from lbtrace.model.report import Report
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios.base import TWO
from tests.simulator.score import score
from tests.simulator.script import Script

COMPLETE = Completeness(SideCompleteness(None), SideCompleteness(None))


def test_one_likeness_between_strangers_is_no_knowledge_and_no_clock() -> None:
    """Two captures of other traffic, in each of which the same form was sent once."""
    sides = []
    for seed, name in ((1, "a"), (2, "b")):
        simulation = Simulation(seed=seed)
        client = simulation.client("192.168.0.5")
        for i in range(12):
            client.asks("GET", f"/{name}/{i}", at_ms=100 * i, answer=f"{name}{i}".encode())
        client.asks("POST", "/form", at_ms=1300, body=b"name=value&" * 60, answer=b"thank you")
        sides.append(simulation.run())
    found = correlate(sides[0].clients, sides[1].backends, DEFAULT)
    assert {p.confidence for p in found.pairs} <= {Confidence.LOW}
    assert all(clock.refused for clock in found.clocks)
    assert not found.connection_pairs


def test_a_value_of_a_megabyte_is_judged_at_once() -> None:
    assert not drawn("h" * 1_000_000)
    assert drawn("7f3a9c0d51e24b86" + "h" * 1_000_000)


def test_a_set_is_as_sure_as_the_least_sure_in_it() -> None:
    """Equal requests to two backends with a capture each; nothing tells the clock of the second
    one, or one exchange is in doubt.
    """
    simulation = Simulation(seed=3, backends=TWO, separate_points=True)
    client = simulation.client("192.168.0.5")
    for i in range(24):
        client.asks("GET", "/same", at_ms=i // 4, connection=f"c{i % 8}")
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    state = found.pairs
    state.confidence.update(dict.fromkeys(state.group, Confidence.MEDIUM))
    assert {int(state.backend.point[b]) for c in state.group for b in state.caused[c]} == {0, 1}
    doubted = next(iter(state.group))
    for spare, expected in ((False, Confidence.MEDIUM), (True, Confidence.LOW)):
        state.spare[doubted] = (spare, spare)
        weigh(state, Known(COMPLETE, {(0, 0): found.clocks[0, 0]}))
        assert {
            state.confidence[c] for c, group in state.group.items() if group == state.group[doubted]
        } == {expected}


@pytest.mark.parametrize("seed", [2525, 3905, 4012])
def test_a_backend_exchange_that_looks_like_a_clients_leaves_the_client_side_incomplete(
    seed: int,
) -> None:
    """All clients have partners; the backend exchanges that are left over have the fingerprint of
    some of theirs, so a client may be missing.
    """
    recorded = random_simulation(seed).run()
    assert not score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))[1]


def test_one_attempt_whose_answer_was_cut_off_leaves_a_pair_in_doubt() -> None:
    """An answer that a capture's end cut off may be another exchange's."""
    simulation = Simulation(seed=5, balancer=Balancer(retry=1.0), backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(4):
        client.asks("GET", f"/{i}", at_ms=100 * i)
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    state = found.pairs
    c, bs = next((c, bs) for c, bs in state.caused.items() if len(bs) == 2)
    state.spare[c] = (False, False)
    for n in range(3):
        cut = [bs[n]] if n < 2 else []
        state.backend = replace(state.backend, unknown=np.isin(np.arange(len(state.owner)), cut))
        state.confidence[c] = Confidence.HIGH
        weigh(state, Known(COMPLETE, dict(found.clocks)))
        assert (state.confidence[c] is Confidence.LOW) == bool(cut)


def test_what_one_point_contradicts_is_no_doubt_about_another() -> None:
    """And what is stated, or the same packet, stands above the times."""
    simulation = Simulation(seed=5, backends=TWO, separate_points=True)
    client = simulation.client("192.168.0.5")
    for i in range(8):
        client.asks("GET", f"/{i}", at_ms=100 * i)
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    state = found.pairs
    state.tier.update(zip(state.caused, (*Tier, *Tier), strict=False))
    state.weak.clear()  # what else could make them low
    state.spare.clear()
    state.confidence.update(dict.fromkeys(state.caused, Confidence.CERTAIN))
    known = Known(COMPLETE, dict(found.clocks), {(0, 0): True, (0, 1): False})
    weigh(state, known)
    low = {c for c, confidence in state.confidence.items() if confidence is Confidence.LOW}
    here = {c for c, bs in state.caused.items() if state.backend.point[bs[0]] == 0}
    assert low == {c for c in here if state.tier[c] > Tier.STATED_ADDRESS}
    assert {c for c in here if c not in low}
    assert {c for c in state.caused if c not in here}


ASKED = b"GET %s HTTP/1.1\r\nHost: a\r\nCookie: session=of-the-only-user\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOO_LARGE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"


def of_one_session(folder: Path, sent: list[bytes], arrived: list[bytes]) -> Report:
    """One user's requests; those that did not arrive are refused in front, so that the backend side
    is not complete.
    """
    play, left = Script(), list(arrived)
    for target in sent:
        front = play.front().asks(ASKED % target)
        there = left.pop(0) if left and target in arrived else None
        if there is not None:
            play.back().asks(ASKED % there).answers(ANSWER).closes()
        front.answers(ANSWER if there else TOO_LARGE).leaves()
        play.wait(50)
    return play.report(folder)


@pytest.mark.parametrize(
    ("sent", "clues", "sure"),
    [
        (
            [b"/h/0", b"/h/1", b"/h/2", b"/h/3", b"/h/4"],
            [Clue.REQUEST_VALUE, Clue.TARGET],
            Confidence.MEDIUM,
        ),
        ([b"/0", b"/1", b"/2", b"/3", b"/4"], [Clue.REQUEST_VALUE], Confidence.LOW),
        ([b"/h/0", b"/h/0", b"/h/1", b"/h/0", b"/h/1"], [Clue.REQUEST_VALUE], Confidence.LOW),
    ],
)
def test_a_sessions_value_does_not_tell_which_but_what_nobody_else_has_does(
    sent: list[bytes], clues: list[Clue], sure: Confidence, tmp_path: Path
) -> None:
    found = of_one_session(tmp_path, sent, [sent[0], sent[2], sent[4]]).correlation
    known = {p.confidence for p in found.pairs}
    assert sure in known
    if sure is Confidence.MEDIUM:
        assert known == {sure}
    if len(set(sent)) == len(sent):
        assert {tuple(r.clue for r in p.reasons) for p in found.pairs} == {tuple(clues)}
