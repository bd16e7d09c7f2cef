"""What belongs together as columns says what the pairs, the exchanges and the connections say."""

from __future__ import annotations

import numpy as np
import pytest

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, confidence_of, evidence
from lbtrace.correlate import correlate
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, Ref
from lbtrace.options import Options
from tests.simulator.scenarios import SCENARIOS

TOLD = ("founding-alb", "founding-nlb", "crowd-8", "retry-500", "two-nodes")


def case_of(scenario: str) -> Comparison:
    recorded = SCENARIOS[scenario]().run()
    return Comparison(
        recorded.clients,
        recorded.backends,
        correlate(recorded.clients, recorded.backends, Options()),
    )


@pytest.mark.parametrize("scenario", TOLD)
def test_a_row_is_the_pair_with_its_exchanges_at_hand(scenario: str) -> None:
    comparison = case_of(scenario)
    known = [
        p for p in comparison.correlation.pairs if p.attempts and p.confidence is not Confidence.LOW
    ]
    assert [m.found for m in comparison.pairs] == known
    rows = zip(
        comparison.pairs,
        comparison.pairs.rank.tolist(),
        comparison.pairs.alone.tolist(),
        comparison.pairs.answered.tolist(),
        strict=True,
    )
    for m, rank, alone, answered in rows:
        assert comparison.correlation.pairs[m.place] == m.found
        assert m.client == comparison.exchange(Side.CLIENT, m.client_ref)
        assert m.backend == comparison.exchange(Side.BACKEND, m.backend_ref)
        assert m.client_connection == comparison.connection(
            Side.CLIENT, Ref(m.client_ref.point, m.client.connection)
        )
        assert m.backend_connection == comparison.connection(
            Side.BACKEND, Ref(m.backend_ref.point, m.backend.connection)
        )
        assert m.backend_ref == m.found.attempts[-1].backend
        assert rank == m.found.confidence.rank
        assert alone == (m.found.group is None)
        assert answered == (m.outcome is AttemptOutcome.ANSWERED)


@pytest.mark.parametrize("scenario", TOLD)
def test_a_selection_keeps_the_order(scenario: str) -> None:
    pairs = case_of(scenario).pairs
    odd = np.arange(len(pairs)) % 2 == 1
    assert list(pairs.where(odd)) == list(pairs)[1::2]
    assert list(pairs[1:3]) == list(pairs)[1:3]
    assert list(pairs.where(np.array([], np.int64))) == []


def test_connections_that_belong_together_are_told_once() -> None:
    comparison = case_of("founding-nlb")
    joined = [(m.client_ref, m.backend_ref) for m in comparison.joined_connections]
    assert len(joined) == len(set(joined)) == len(comparison.connection_pairs)
    for m in comparison.joined_connections:
        assert m.client == comparison.connection(Side.CLIENT, m.client_ref)
        assert m.backend == comparison.connection(Side.BACKEND, m.backend_ref)


def test_a_statement_about_many_is_as_sure_as_half_of_them() -> None:
    pairs = case_of("founding-alb").pairs
    pairs.group[:] = -1
    for ranks, sure in (
        ((3, 3, 1, 1), Confidence.CERTAIN),
        ((3, 1, 1, 1), Confidence.MEDIUM),
        ((0, 0, 0, 3), Confidence.LOW),
        ((2, 2, 2, 2), Confidence.HIGH),
    ):
        pairs.rank[:] = ranks
        assert confidence_of(pairs) is sure
    pairs.group[:] = 0  # of interchangeable pairs it is known that they are one set
    pairs.rank[:] = (0, 0, 0, 0)
    assert confidence_of(pairs) is Confidence.MEDIUM
    assert confidence_of(pairs.where(np.zeros(4, bool))) is Confidence.LOW


def test_few_frames_stand_for_many() -> None:
    comparison = case_of("identical-curls")
    frames = [
        f
        for recorded in evidence(comparison.request_frames(comparison.pairs))
        for f in recorded.frames
    ]
    assert len(comparison.pairs) > FRAMES_PER_SIDE
    assert [sum(f.side is side for f in frames) for side in Side] == [
        FRAMES_PER_SIDE,
        FRAMES_PER_SIDE,
    ]
