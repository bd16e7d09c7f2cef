"""A quick run takes its few faults from all rooms."""

from __future__ import annotations

from tests.mutation.__main__ import FILES_AT_A_TIME, _samples, in_turn
from tests.mutation.reach import room_of

ROOMS = ("tcp", "http_fields", "behaviour", "match")


def test_groups_are_taken_in_turn() -> None:
    assert in_turn([[1, 4], [2, 5, 7], [], [3, 6]]) == [1, 2, 3, 4, 5, 6, 7]


def test_each_room_has_its_share_and_each_seed_draws_others() -> None:
    found = []
    for seed in (1, 2):
        ((name, sample, _),) = _samples(ROOMS, seed, 8, quick=True)
        assert name == " ".join(ROOMS)
        assert len(sample) == 8
        assert {room_of(mutant.path) for mutant in sample} == set(ROOMS)
        assert len({mutant.path for mutant in sample}) <= FILES_AT_A_TIME
        found.append({mutant.path for mutant in sample})
    assert found[0] != found[1]
