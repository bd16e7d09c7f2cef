"""Every target holds on its seeds, on a few mutations of them, and on bytes that mean nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.__main__ import NAMES, mutated
from tests.fuzz.targets import TARGETS
from tests.laws import examples

OF_BYTES = [name for name in TARGETS if name != "pairs"]  # that one has its own tests


@pytest.mark.parametrize("name", OF_BYTES)
def test_seeds_and_their_mutations(name: str) -> None:
    target = TARGETS[name]
    chance = random.Random(7)
    seeds = list(target.seeds())
    assert seeds
    for seed in seeds:
        target.run(seed)
        target.run(mutated(seed, chance))


@pytest.mark.parametrize("name", OF_BYTES)
@examples(30)
@given(data=st.binary(max_size=300))
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name].run(data)


def test_all_runs_every_target() -> None:
    assert tuple(TARGETS) == NAMES
