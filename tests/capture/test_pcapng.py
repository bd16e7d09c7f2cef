"""pcapng files: sections, interfaces, resolutions, and the blocks that are not packets."""

from __future__ import annotations

from pathlib import Path

from tests.capture.files import enhanced, interface, option, packets, read, section


def test_two_sections_of_different_byte_order(tmp_path: Path) -> None:
    little = section() + interface() + enhanced(b"one", 1_000_000)
    big = section(">") + interface(order=">") + enhanced(b"two", 2_000_000, order=">")
    recording = read(tmp_path, little + big)
    assert packets(recording) == [(1_000_000_000, b"one"), (2_000_000_000, b"two")]
    assert recording.files[0].format == "pcapng"


def test_each_interface_has_its_own_clock(tmp_path: Path) -> None:
    nanoseconds = interface(113, options=option(9, b"\x09"))
    binary = interface(1, options=option(9, b"\x8a") + option(14, (100).to_bytes(8, "little")))
    recording = read(tmp_path, section() + nanoseconds + binary + enhanced(b"a", 1_500_000_001, 0) + enhanced(b"b", 1024 + 512, 1))
    assert packets(recording) == [(1_500_000_001, b"a"), (101_500_000_000, b"b")]
    assert recording.records.link.tolist() == [113, 1]
