"""Values that both sides have and few exchanges share: which pairs they make."""

from __future__ import annotations

import pytest

from lbtrace.match.pairing import Pairing
from lbtrace.match.rare_values import Candidates, Matches, candidates, match
from lbtrace.match.tokens import RARE
from lbtrace.model.pairing import Clue
from tests.match.states import unpaired
from tests.simulator import Simulation


def asked(ids: list[str], targets: list[str]) -> Pairing:
    """Requests one after the other, each with its id in a field and its target."""
    simulation = Simulation(seed=5)
    client = simulation.client("192.168.0.5")
    for k, (value, target) in enumerate(zip(ids, targets, strict=True)):
        client.asks("GET", target, at_ms=10 * k, headers=[("X-Ref", value)])
    recorded = simulation.run()
    return unpaired(recorded.clients, recorded.backends)


def shared(state: Pairing) -> Candidates:
    return candidates(state.client, state.backend)


def matched(state: Pairing) -> Matches:
    return match(shared(state), state.client, state.backend)


def clues(found: Matches) -> set[Clue]:
    return {reason.clue for row in range(len(found)) for reason in found.found(row).reasons}


@pytest.mark.parametrize("holders", [1, RARE, RARE + 1])
def test_a_value_that_more_than_a_few_exchanges_have_makes_no_candidates(holders: int) -> None:
    ids = ["the-same-value-for-all"] * holders
    found = shared(asked(ids, ["/"] * holders))
    rows = [r.value for r in found.reasons()].count("the-same-value-for-all")
    assert rows == (holders * holders if holders <= RARE else 0)


def test_each_exchange_finds_the_one_with_its_own_value() -> None:
    ids = [f"7f3a9c0d51e24b{k:02d}" for k in range(20)]
    state = asked(ids, ["/"] * 20)
    found = matched(state)
    assert found.client.tolist() == list(range(20))
    for row in range(20):
        held = found.found(row)
        here = state.backend.exchange(held.backends[0])
        assert here.request is not None
        assert ids[row] in {line.value for line in here.request.lines}
        assert (held.by_value, held.by_request, held.strong) == (True, True, True)


def test_a_backend_exchange_that_fits_two_as_well_is_left_to_others() -> None:
    """Two requests have the same value: neither is the best by a margin."""
    ids = ["one-for-two-of-them", "one-for-two-of-them", "another-of-its-own"]
    found = matched(asked(ids, ["/"] * 3))
    assert found.client.tolist() == [2]


def test_the_target_alone_is_a_weaker_clue_than_a_value() -> None:
    """More than a few have everything else in common."""
    many = RARE + 1
    found = matched(asked(["x"] * many, [f"/page/of/one/{k}" for k in range(many)]))
    assert found.client.tolist() == list(range(many))
    assert not found.by_value.any()
    assert not found.strong.any()
    assert clues(found) <= {Clue.TARGET, Clue.TARGET_END, Clue.LAST_SEGMENT}
