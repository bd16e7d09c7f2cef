"""pcap files: what goes in comes out, in every byte order, resolution and patch of the format."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture.files import packets, pcap, read

SOME = [(1_700_000_000_123_456_000, b"first"), (1_700_000_001_000_001_000, b"second packet"), (1_700_000_001_000_002_000, b"")]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_what_was_written_is_read(tmp_path: Path, order: str, magic: int, unit: int) -> None:
    recording = read(tmp_path, pcap(SOME, order=order, magic=magic, unit_ns=unit))
    assert packets(recording) == SOME
    assert recording.files[0].resolution_ns == unit
    assert recording.files[0].frames == 3
    assert recording.diagnostics == ()


def test_last_record_cut_by_the_end_of_the_file(tmp_path: Path) -> None:
    recording = read(tmp_path, pcap(SOME[:2])[:-4])
    assert packets(recording) == SOME[:1]
    assert [(d.slug, d.frame) for d in recording.diagnostics] == [("record-cut", 1)]


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=90), min_size=0, max_size=40), st.sampled_from("<>"))
def test_any_packets_come_back(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], order: str) -> None:
    made = [(1_700_000_000_000_000_000 + i * 1000, body) for i, body in enumerate(bodies)]
    assert packets(read(tmp_path_factory.mktemp("any"), pcap(made, order=order))) == made
