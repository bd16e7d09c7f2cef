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
    assert [m.pair for m in comparison.matches] == known
    rows = zip(
        comparison.matches,
        comparison.matches.rank.tolist(),
        comparison.matches.alone.tolist(),
        comparison.matches.answered.tolist(),
        strict=True,
    )
    for m, rank, alone, answered in rows:
        assert comparison.correlation.pairs[m.place] == m.pair
        assert m.front == comparison.exchange(Side.CLIENT, m.pair.client)
        assert m.back == comparison.exchange(Side.BACKEND, m.backend)
        assert m.front_connection == comparison.connection(
            Side.CLIENT, Ref(m.pair.client.point, m.front.connection)
        )
        assert m.back_connection == comparison.connection(
            Side.BACKEND, Ref(m.backend.point, m.back.connection)
        )
        assert m.backend == m.pair.attempts[-1].backend
        assert rank == m.pair.confidence.rank
        assert alone == (m.pair.group is None)
        assert answered == (m.outcome is AttemptOutcome.ANSWERED)


@pytest.mark.parametrize("scenario", TOLD)
def test_a_selection_keeps_the_order(scenario: str) -> None:
    matches = case_of(scenario).matches
    odd = np.arange(len(matches)) % 2 == 1
    assert list(matches.where(odd)) == list(matches)[1::2]
    assert list(matches[1:3]) == list(matches)[1:3]
    assert list(matches.where(np.array([], np.int64))) == []


def test_connections_that_belong_together_are_told_once() -> None:
    comparison = case_of("founding-nlb")
    joined = [(m.client, m.backend) for m in comparison.joined]
    assert len(joined) == len(set(joined)) == len(comparison.connection_matches)
    for m in comparison.joined:
        assert m.front == comparison.connection(Side.CLIENT, m.client)
        assert m.back == comparison.connection(Side.BACKEND, m.backend)


def test_a_statement_about_many_is_as_sure_as_half_of_them() -> None:
    matches = case_of("founding-alb").matches
    matches.group[:] = -1
    for ranks, sure in (
        ((3, 3, 1, 1), Confidence.CERTAIN),
        ((3, 1, 1, 1), Confidence.MEDIUM),
        ((0, 0, 0, 3), Confidence.LOW),
        ((2, 2, 2, 2), Confidence.HIGH),
    ):
        matches.rank[:] = ranks
        assert confidence_of(matches) is sure
    matches.group[:] = 0  # of interchangeable pairs it is known that they are one set
    matches.rank[:] = (0, 0, 0, 0)
    assert confidence_of(matches) is Confidence.MEDIUM
    assert confidence_of(matches.where(np.zeros(4, bool))) is Confidence.LOW


def test_few_frames_stand_for_many() -> None:
    comparison = case_of("identical-curls")
    frames = [
        f
        for recorded in evidence(comparison.request_frames(comparison.matches))
        for f in recorded.frames
    ]
    assert len(comparison.matches) > FRAMES_PER_SIDE
    assert [sum(f.side is side for f in frames) for side in Side] == [
        FRAMES_PER_SIDE,
        FRAMES_PER_SIDE,
    ]
