"""Captures of two experiments in which the same script ran: its ids are equal, the answers are
not.
"""

from __future__ import annotations

import numpy as np
import pytest

from lbtrace.correlate import correlate
from lbtrace.match.drawn import drawn
from lbtrace.match.unrelated_captures import ENOUGH, _strange
from lbtrace.model.pairing import Confidence
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator import Balancer, Recording, Simulation


def ran(seed: int, field: str, balancer: Balancer | None = None) -> Recording:
    """The script: every request has its id, every answer a value drawn by the server that ran
    then.
    """
    simulation = Simulation(seed=seed, balancer=balancer or Balancer())
    client = simulation.client("192.168.0.5")
    for i in range(8):
        client.asks(
            "GET",
            f"/item/{i}",
            at_ms=100 * i,
            headers=[("X-Script", f"7f3a9c0d51e24b{i:02x}")],
            answer_headers=[(field, f"{seed:02x}5ac1e0d94b7f{i * 37:04x}")],
        )
    return simulation.run()


@pytest.mark.parametrize(("field", "sure"), [("X-Served", False), ("X-Request-Id", True)])
def test_a_script_that_ran_twice_is_refuted_by_the_answers(field: str, sure: bool) -> None:
    """A field that balancers write themselves refutes nothing."""
    one, other = ran(1, field), ran(2, field)
    found = correlate(one.clients, other.backends, DEFAULT)
    assert len(found.pairs) == 8
    assert any(p.confidence is not Confidence.LOW for p in found.pairs) is sure


def test_one_answer_that_arrives_is_enough() -> None:
    recorded = ran(1, "X-Served")
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert all(p.confidence is not Confidence.LOW for p in found.pairs)


@pytest.mark.parametrize(("without", "strange"), [(0, True), (1, False)])
def test_so_many_answers_must_have_the_field(without: int, strange: bool) -> None:
    """Values are numbers from 0; −1 is an answer without the field."""
    state = unpaired(ran(1, "X-Served").clients, ran(2, "X-Served").backends)
    values = state.client.table.words.field_values
    random = [n for n, value in enumerate(values) if n and drawn(value)]
    got = np.array([0, *random[: ENOUGH - 1]])
    gave = np.array(random[ENOUGH - 1 : 2 * ENOUGH - 1])
    assert len(got) == len(gave) == ENOUGH
    got[:without] = -1
    assert _strange(state, got, gave) == strange


@pytest.mark.parametrize(
    ("got", "gave", "strange"),
    [
        ("ab--", "cd--", True),  # half of the answers have the field
        ("ab---", "cd---", False),
        ("abc", "dde", False),  # two answers share a value: a setting, not drawn
        ("aab", "cde", False),
        ("a1", "b2", True),  # half of the values look drawn
        ("a1", "23", False),
        ("ab", "ca", True),  # the same value, in the answer to another request
        ("ab", "cb", False),  # one that arrived
    ],
)
def test_which_answers_nobody_can_have_passed_on(got: str, gave: str, strange: bool) -> None:
    """Letters are values that look drawn at random, digits are others, − is an answer without."""
    state = unpaired(ran(1, "X-Served").clients, ran(2, "X-Served").backends)
    values = state.client.table.words.field_values
    random = [n for n, value in enumerate(values) if drawn(value)]
    plain = [n for n, value in enumerate(values) if not drawn(value)]
    number = dict(zip("abcde", random, strict=False)) | dict(zip("123", plain, strict=False))
    one, other = (np.array([number.get(letter, -1) for letter in side]) for side in (got, gave))
    assert _strange(state, one, other) == strange
