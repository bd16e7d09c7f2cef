"""Captures of two experiments in which the same script ran: its ids are equal, the answers are
not.
"""

from __future__ import annotations

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Confidence
from lbtrace.options import DEFAULT
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
