"""Which shard two endpoints are in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.shards import shards

ENDS = st.tuples(
    st.ip_addresses().map(str) | st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    st.integers(0, 65535),
)


def _shard(one: tuple[str, int], other: tuple[str, int], count: int) -> int:
    addresses = [one[0], other[0]]
    zero, first = np.zeros(1, np.uint32), np.ones(1, np.uint32)
    ports = [np.array([end[1]], np.uint16) for end in (one, other)]
    return int(shards(addresses, zero, ports[0], first, ports[1], count)[0])


@given(ENDS, ENDS, st.integers(1, 5000))
def test_both_directions_are_in_one_shard(
    one: tuple[str, int], other: tuple[str, int], count: int
) -> None:
    assert _shard(one, other, count) == _shard(other, one, count)
    assert 0 <= _shard(one, other, count) < count


def test_the_shard_is_the_same_in_every_run() -> None:
    """A part of a fleet may have been worked on yesterday, on another machine."""
    ends = ("192.0.2.1", 40000), ("2001:db8::1", 443)
    assert [_shard(*ends, count) for count in (2, 7, 1000)] == [0, 6, 268]


def test_clients_that_differ_in_one_number_are_spread() -> None:
    addresses = [f"10.0.0.{k}" for k in range(1, 252)]
    rows = np.arange(250).repeat(200)
    ports = np.tile(np.arange(30000, 30200), 250)
    for count in (2, 3, 64):
        found = shards(addresses, rows, ports, np.full(50_000, 250), np.full(50_000, 80), count)
        held = np.bincount(found, minlength=count) * count / len(found)
        assert held.min() > 0.85
        assert held.max() < 1.15
