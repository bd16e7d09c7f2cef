"""A capture as a machine with another clock would have written it."""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.lab.clocks import drift

MICRO, NANO = 0xA1B2C3D4, 0xA1B23C4D


def pcap(times_ns: list[int], order: str, magic: int) -> bytes:
    """Packets of one byte at these times."""
    unit = 1_000 if magic == MICRO else 1
    records = [
        struct.pack(f"{order}IIII", *divmod(t // unit, 1_000_000_000 // unit), 1, 1) + b"x"
        for t in times_ns
    ]
    return struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65535, 1) + b"".join(records)


def times_of(data: bytes, order: str, magic: int) -> list[int]:
    unit = 1_000 if magic == MICRO else 1
    found = []
    for at in range(24, len(data), 17):
        seconds, part = struct.unpack_from(f"{order}II", data, at)
        found.append(seconds * 1_000_000_000 + part * unit)
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [MICRO, NANO])
@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=9), st.integers(-500, 500))
def test_each_time_gains_in_proportion_to_what_passed(
    order: str, magic: int, after: list[int], ppm: int
) -> None:
    start = 1_700_000_000_000_000_000
    times = [start, *(start + t for t in sorted(after))]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.pcap"
        path.write_bytes(pcap(times, order, magic))
        drift(path, ppm)
        made = path.read_bytes()
    assert len(made) == 24 + 17 * len(times)
    got = times_of(made, order, magic)
    assert got[0] == start
    for was, now in zip(times, got, strict=True):
        assert abs(now - was - (was - start) * ppm / 1_000_000) < 2_001
