"""pcap files: what goes in comes out, in every byte order, resolution and patch of the format."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.capture.files import enhanced, interface, packets, pcap, read, section
from tests.laws import examples

SOME = [
    (1_700_000_000_123_456_000, b"first"),
    (1_700_000_001_000_001_000, b"second packet"),
    (1_700_000_001_000_002_000, b""),
]


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


@examples(50)
@given(st.lists(st.binary(max_size=90), min_size=0, max_size=40), st.sampled_from("<>"))
def test_any_packets_come_back(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], order: str
) -> None:
    made = [(1_700_000_000_000_000_000 + i * 1000, body) for i, body in enumerate(bodies)]
    assert packets(read(tmp_path_factory.mktemp("any"), pcap(made, order=order))) == made


@pytest.mark.parametrize(
    ("magic", "extra"),
    [(0xA1B2CD34, 8), (0xA1B2CD34, 12), (0xA1B2C3D4, 8), (0xA1B2C3D4, 4), (0xA1B234CD, 8)],
)
def test_patched_libpcaps_wrote_longer_record_headers(
    tmp_path: Path, magic: int, extra: int
) -> None:
    made = [(1_700_000_000_000_000_000 + i * 1000, bytes([i]) * 60) for i in range(5)]
    assert packets(read(tmp_path, pcap(made, magic=magic, extra=bytes(extra)))) == made


def test_lengths_were_swapped_before_version_2_3(tmp_path: Path) -> None:
    record = struct.pack("<IIII", 1_700_000_000, 0, 1500, 4) + b"abcd"
    recording = read(tmp_path, pcap([], version=(2, 1)) + record * 4)
    assert [p for _, p in packets(recording)] == [b"abcd"] * 4
    assert recording.records.wire.tolist() == [1500] * 4


def test_aix_writes_nanoseconds_and_interface_types(tmp_path: Path) -> None:
    recording = read(
        tmp_path,
        pcap([(1_700_000_000_123_456_789, b"x" * 20)], version=(2, 2), network=6, unit_ns=1),
    )
    assert recording.records.time_ns.tolist() == [1_700_000_000_123_456_789]
    assert recording.records.link.tolist() == [1]


def test_the_upper_half_of_the_link_type_is_not_part_of_it(tmp_path: Path) -> None:
    assert read(tmp_path, pcap(SOME, network=0x24000001)).records.link.tolist() == [1, 1, 1]


def test_more_captured_than_was_on_the_wire(tmp_path: Path) -> None:
    lies = struct.pack("<IIII", 1_700_000_000, 0, 6, 2) + b"abcdef"
    assert (
        packets(read(tmp_path, pcap([]) + lies * 3)) == [(1_700_000_000_000_000_000, b"abcdef")] * 3
    )


def test_captures_glued_together(tmp_path: Path) -> None:
    other = pcap([(1_800_000_000_000_000_000, b"later")], order=">", network=101)
    recording = read(
        tmp_path,
        pcap(SOME) + other + section() + interface(113) + enhanced(b"ng", 5_000_000) + pcap(SOME),
    )
    assert [p for _, p in packets(recording)] == [
        b"first",
        b"second packet",
        b"",
        b"later",
        b"ng",
        b"first",
        b"second packet",
        b"",
    ]
    assert recording.records.link.tolist() == [1, 1, 1, 101, 113, 1, 1, 1]
    assert recording.diagnostics == ()


MANY = [(1_700_000_000_000_000_000 + i * 1000, bytes([65 + i]) * (40 + i)) for i in range(20)]


def test_garbage_between_records_is_passed_over_and_counted(tmp_path: Path) -> None:
    data = pcap(MANY[:10]) + b"\xff" * 333 + pcap(MANY[10:])[24:]
    recording = read(tmp_path, data)
    assert packets(recording) == MANY
    assert [(d.slug, d.count, d.frame) for d in recording.diagnostics] == [
        ("garbage-skipped", 1, 11)
    ]
    assert "333 bytes" in recording.diagnostics[0].text


@pytest.mark.parametrize("zeros", [16, 160, 4096, 1_000_000])
def test_zeros_are_no_empty_packets_of_1970(tmp_path: Path, zeros: int) -> None:
    """A disk that lost power leaves them; a writer that lays out its file beforehand does too."""
    recording = read(tmp_path, pcap(MANY) + bytes(zeros))
    assert packets(recording) == MANY
    assert [d.slug for d in recording.diagnostics] == ["garbage-skipped"]
    recording = read(tmp_path, pcap(MANY[:10]) + bytes(zeros) + pcap(MANY[10:])[24:])
    assert packets(recording) == MANY


def test_packets_of_no_bytes_are_packets(tmp_path: Path) -> None:
    empty = [(1_700_000_000_000_000_000 + i, b"") for i in range(0, 50_000, 1000)]
    assert packets(read(tmp_path, pcap(empty))) == empty


def test_bytes_lost_from_a_packet_cost_that_packet_its_end(tmp_path: Path) -> None:
    data = pcap(MANY)
    at = data.index(b"E" * 44)
    recording = read(tmp_path, data[: at + 20] + data[at + 37 :])
    assert packets(recording) == [(t, p[:27] if p[:1] == b"E" else p) for t, p in MANY]
    assert {d.slug for d in recording.diagnostics} == {"odd-record-length"}


def test_a_capture_inside_a_packet_is_not_taken_for_records(tmp_path: Path) -> None:
    """Somebody downloads a capture while being captured, and the file is cut."""
    nested = (1_700_000_001_000_000_000, b"HTTP/1.1 200 OK\r\n\r\n" + pcap(MANY))
    recording = read(tmp_path, pcap([*MANY, nested, nested])[:-100])
    assert packets(recording) == [*MANY, nested]
    assert [d.slug for d in recording.diagnostics] == ["record-cut"]


@examples(150)
@given(st.integers(24, 10_000), st.integers(1, 255))
@example(
    145, 67
)  # the chain lands four bytes beside the next record, and goes on beside all others
def test_any_byte_changed_costs_at_most_three_packets(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    data = bytearray(pcap(MANY))
    data[24 + (at - 24) % (len(data) - 24)] ^= flip
    found = {p for _, p in packets(read(tmp_path_factory.mktemp("flip"), bytes(data)))}
    assert len({p for _, p in MANY} - found) <= 3


@examples(30)
@given(st.integers(0, 19))
def test_any_record_dropped_leaves_the_others(
    tmp_path_factory: pytest.TempPathFactory, gone: int
) -> None:
    left = MANY[:gone] + MANY[gone + 1 :]
    assert packets(read(tmp_path_factory.mktemp("drop"), pcap(left))) == left


@examples(200)
@given(
    st.sampled_from([0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34]),
    st.sampled_from("<>"),
    st.binary(max_size=600),
)
def test_any_bytes_behind_a_header_are_read(
    tmp_path_factory: pytest.TempPathFactory, magic: int, order: str, rest: bytes
) -> None:
    recording = read(tmp_path_factory.mktemp("any"), pcap([], magic=magic, order=order) + rest)
    table = recording.records
    assert ((table.offset + table.captured) <= 24 + len(rest)).all()
    assert (table.offset >= 24).all()


def test_ixia_and_navtel(tmp_path: Path) -> None:
    assert packets(read(tmp_path, pcap(SOME, magic=0xA12B3C4D, unit_ns=1))) == SOME
    for magic, unit in ((0x1C0001AC, 1), (0x1C0001AB, 1000)):
        data = pcap(SOME, magic=magic, unit_ns=unit)
        assert (
            packets(read(tmp_path, data[:24] + bytes(4) + data[24:])) == SOME
        )  # the size of all records stands before them
