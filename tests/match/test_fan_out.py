"""Every request reaches two backends and both answer: the copies are one request's, and what the
client got is said only where it shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, Correlation, Ref
from lbtrace.options import DEFAULT
from tests.findings.simulated import judge_simulation, values
from tests.simulator.roles import Balancer, Recording, Simulation
from tests.simulator.scenarios.base import MIRROR, TWO
from tests.simulator.wire import Clockwork


def mirrored(answers: str = "same", clients: int = 1, **how: Any) -> Simulation:
    """Requests with a number of their own, too short to look drawn at random. The last backend gets
    the copies.
    """
    simulation = Simulation(
        seed=12,
        balancer=Balancer(mirror=answers, host="u"),
        backends=(*TWO, MIRROR),
        **how,
    )
    for n in range(clients):
        client = simulation.client(f"192.168.0.{5 + n}", "198.51.100.5")
        for i in range(12):
            client.asks(
                "GET",
                "/x",
                headers=[("X-Zq", f"zqaa{n}{i:05d}")],
                at_ms=90 * i + 7 * n,
                answer=b"ok",
            )
    return simulation


def seen(simulation: Simulation) -> tuple[Recording, Correlation]:
    recorded = simulation.run()
    return recorded, correlate(recorded.clients, recorded.backends, DEFAULT)


def zq(recorded: Recording, side: Side, ref: Ref) -> str:
    traces = recorded.clients if side is Side.CLIENT else recorded.backends
    request = traces[ref.point].exchanges[ref.id].request
    return (
        next((line.value for line in request.lines if line.name == "X-Zq"), "")
        if request is not None
        else ""
    )


@pytest.mark.parametrize(
    "how", [{}, {"separate_points": True, "client_clock": Clockwork(40_000_000)}]
)
def test_both_copies_are_the_clients_and_which_was_answered_is_left_open(
    how: dict[str, object],
) -> None:
    recorded, found = seen(mirrored(**how))  # type: ignore[arg-type]
    assert len(found.pairs) == 12
    for p in found.pairs:
        assert {zq(recorded, Side.BACKEND, a.backend) for a in p.attempts} == {
            zq(recorded, Side.CLIENT, p.client)
        }
        assert p.confidence is Confidence.MEDIUM
        assert all(
            a.backend in recorded.copies
            for a in p.attempts
            if a.outcome is AttemptOutcome.SUPERSEDED
        )  # it came too late
    assert sum(a.outcome is AttemptOutcome.EITHER for p in found.pairs for a in p.attempts) >= 12
    assert not found.unpaired


def test_the_answer_that_the_client_got_is_told_by_what_it_says() -> None:
    recorded, found = seen(mirrored("other"))
    for p in found.pairs:
        assert [a.outcome for a in p.attempts] == [
            AttemptOutcome.COPY,
            AttemptOutcome.ANSWERED,
        ]
        assert p.attempts[0].backend in recorded.copies


def test_what_is_found_names_the_mirror() -> None:
    judge_recording = values(judge_simulation(mirrored()).one("retries.mirrored"))
    assert (judge_recording["count"], judge_recording["of"], judge_recording["most"]) == (12, 12, 2)
    assert "not shown" in str(judge_recording["which"])


def test_a_client_in_step_that_was_not_captured_is_no_copy() -> None:
    """The balancer gives its requests to any of three backends."""
    simulation = Simulation(seed=12, balancer=Balancer(host="u"), backends=(*TWO, MIRROR))
    one, other = (simulation.client(f"192.168.0.{n}", "198.51.100.5") for n in (5, 6))
    for i in range(12):
        for client in (one, other):
            client.asks(
                "GET", "/x", headers=[("X-Zq", f"zqaa0{i:05d}")], at_ms=90 * i, answer=b"ok"
            )
    recorded = simulation.run()
    front = recorded.clients[0]
    mine = [c for c in front.connections if c.client.address == "192.168.0.5"]
    number = {c.id: n for n, c in enumerate(mine)}
    kept = [
        e._replace(id=n, connection=number[e.connection])
        for n, e in enumerate(e for e in front.exchanges if e.connection in number)
    ]
    alone = replace(
        front,
        connections=[c._replace(id=number[c.id]) for c in mine],
        applications=[front.applications[c.id] for c in mine],
        exchanges=kept,
    )
    found = correlate([alone], recorded.backends, DEFAULT)
    assert all(len(p.attempts) == 1 for p in found.pairs)
