"""The pairs found so far: nothing is paired twice, and what is taken back leaves no trace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Confidence, Tier
from tests.match.states import unpaired
from tests.simulator import Simulation


def asked(n: int = 6) -> Pairing:
    simulation = Simulation(seed=2)
    client = simulation.client("192.168.0.5")
    for i in range(n):
        client.asks("GET", f"/{i}", at_ms=100 * i)
    recorded = simulation.run()
    return unpaired(recorded.clients, recorded.backends)


class Pairs(RuleBasedStateMachine):
    """Pairs that are made, extended and taken back, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = asked()

    @rule(c=st.integers(0, 5), b=st.integers(0, 5), grouped=st.booleans())
    def add(self, c: int, b: int, grouped: bool) -> None:
        if c not in self.pairs.caused and self.pairs.owner[b] < 0:
            group = self.pairs.new_group() if grouped else None
            self.pairs.add(c, [b], Tier.ORDER, Confidence.MEDIUM, (), group)
            self.pairs.spare[c] = (False, False)

    @rule(of=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=3))
    def add_many(self, of: set[tuple[int, int]]) -> None:
        free = [(c, b) for c, b in sorted(of) if c not in self.pairs.caused]
        free = [(c, b) for c, b in free if self.pairs.owner[b] < 0]
        once = dict({b: (c, b) for c, b in free}.values())
        self.pairs.add_plain(
            list(once),
            [[b] for b in once.values()],
            [Tier.SHAPE] * len(once),
            [Confidence.HIGH] * len(once),
            [()] * len(once),
        )

    @rule(c=st.integers(0, 5))
    def retell(self, c: int) -> None:
        if c in self.pairs.caused:
            self.pairs.retold(c, Tier.TIME, Confidence.LOW, ())

    @rule(c=st.integers(0, 5))
    def detach(self, c: int) -> None:
        if len(self.pairs.caused.get(c, ())) > 1:
            self.pairs.detach(c, self.pairs.caused[c][0])

    @rule(c=st.integers(0, 5), b=st.integers(0, 5))
    def attach(self, c: int, b: int) -> None:
        if c in self.pairs.caused and self.pairs.owner[b] < 0:
            self.pairs.attach(c, b)

    @rule(c=st.integers(0, 5))
    def remove(self, c: int) -> None:
        if c in self.pairs.caused:
            self.pairs.remove(c)
            for held in (self.pairs.group, self.pairs.tier, self.pairs.spare, self.pairs.choice):
                assert c not in held

    @rule()
    def go_on_with_a_copy(self) -> None:
        before = self.pairs
        self.pairs = before.copy()
        for c in list(self.pairs.caused):
            self.pairs.remove(c)
        assert all(before.owner[b] == c for c, bs in before.caused.items() for b in bs)
        self.pairs = before.copy()

    @invariant()
    def every_backend_exchange_has_one_owner_at_most(self) -> None:
        owned = sorted((c, b) for c, bs in self.pairs.caused.items() for b in bs)
        assert owned == sorted((c, b) for b, c in enumerate(self.pairs.owner) if c >= 0)
        assert set(self.pairs.caused) | set(self.pairs.free_clients()) == set(range(6))
        assert {b for _, b in owned} | set(self.pairs.free_backends()) == set(range(6))
        assert set(self.pairs.group) <= set(self.pairs.caused)
        mine, theirs = self.pairs.every_attempt()
        assert sorted(zip(mine.tolist(), theirs.tolist(), strict=True)) == owned
        assert self.pairs.owners.tolist() == list(self.pairs.owner)
        assert self.pairs.tiers().tolist() == [self.pairs.tier[c] for c in self.pairs.caused]

    @invariant()
    def attempts_are_in_order_of_time(self) -> None:
        start = self.pairs.backend.start
        for bs in self.pairs.caused.values():
            assert [int(start[b]) for b in bs] == sorted(int(start[b]) for b in bs)


TestPairs = Pairs.TestCase


@given(st.integers(1, 5))
def test_groups_are_numbered_one_by_one(n: int) -> None:
    pairs = asked(1)
    assert [pairs.new_group() for _ in range(n)] == list(range(n))
