"""The lock-step walk, and that of the compiled core, is the sequential walk, whatever is in the
file.
"""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.capture import pcap
from lbtrace.capture import walk as walking
from lbtrace.capture.pcap import MAX_PACKET_BYTES, PcapChain
from lbtrace.capture.pcapng import BlockChain
from lbtrace.capture.walk import walk
from tests.capture.files import enhanced
from tests.compiled import on_both
from tests.laws import examples


def sequential(chain: walking.Chain, size: int) -> tuple[list[int], int]:
    found: list[int] = []
    at, stopped = 0, False
    while not stopped:
        part, at, stopped = chain.sequence(at, 1000, None)
        found += part
    assert at <= size
    return found, at


def walked(chain: walking.Chain, size: int) -> tuple[list[int], int]:
    """The walk, which is the same with the compiled core and without."""

    def walk_all() -> tuple[list[int], int]:
        positions, end = walk(chain, 0, size, lambda _part: None)
        return positions.tolist(), end

    plain, compiled = on_both(walk_all)
    assert plain == compiled
    return plain


def records(seed: int, count: int, order: str) -> bytes:
    """Records of very different sizes; packets that contain records; times that jump by days."""
    random.seed(seed)
    out = []
    second = 1_700_000_000
    for i in range(count):
        if random.random() < 0.01:
            second += random.choice([-400_000, 400_000])
        size = random.choice([0, 1, 40, 54, 54, 60, 60, 1500, 4000]) if i % 300 < 280 else 9000
        body = (
            random.randbytes(size)
            if random.random() < 0.7
            else struct.pack(order + "IIII", second, 5, 40, 40).ljust(size, b"\1")[:size]
        )
        out.append(struct.pack(order + "IIII", second, i, len(body), len(body)) + body)
    return b"".join(out)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("seed", range(4))
def test_pcap_chains_meet_the_sequential_walk(
    seed: int, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "SEQUENTIAL_RECORDS", 64)
    monkeypatch.setattr(walking, "CHAIN_RECORDS", 16)
    data = records(seed, 4000, order)
    if seed % 2:
        data = data[:-5]
    chain = PcapChain(data, order, 16, MAX_PACKET_BYTES)
    assert walked(chain, len(data)) == sequential(chain, len(data))


def test_pcapng_chains_meet_the_sequential_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "SEQUENTIAL_RECORDS", 64)
    monkeypatch.setattr(walking, "CHAIN_RECORDS", 16)
    random.seed(5)
    inner = enhanced(b"a packet inside a packet", 1)
    bodies = [
        random.choice([b"", b"x" * 61, inner * 3, random.randbytes(1400)]) for _ in range(4000)
    ]
    data = b"".join(enhanced(body, i) for i, body in enumerate(bodies))
    chain = BlockChain(data, "<")
    assert walked(chain, len(data)) == sequential(chain, len(data))


@examples(60)
@given(
    st.integers(0, 1 << 30),
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), max_size=5),
    st.sampled_from([1, 7, 500, 2000]),
)
def test_damaged_files_too(seed: int, changes: list[tuple[int, int]], at_once: int) -> None:
    random.seed(seed)
    sizes = random.choices([0, 9, 30], k=1500)
    data = bytearray(
        b"".join(
            struct.pack("<IIII", 1_700_000_000, i, n, n) + bytes(n) for i, n in enumerate(sizes)
        )
    )
    for at, value in changes:
        data[at % len(data)] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walking, "SEQUENTIAL_RECORDS", 32)
        patch.setattr(walking, "CHAIN_RECORDS", 8)
        chain = PcapChain(bytes(data), "<", 16, MAX_PACKET_BYTES)
        patch.setattr(pcap, "_AT_ONCE", at_once)
        assert walked(chain, len(data)) == sequential(chain, len(data))
