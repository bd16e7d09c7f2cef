"""pcapng files: sections, interfaces, resolutions, and the blocks that are not packets."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.capture import pcapng
from tests.capture.files import block, enhanced, interface, option, packets, read, section
from tests.laws import examples


def test_two_sections_of_different_byte_order(tmp_path: Path) -> None:
    little = section() + interface() + enhanced(b"one", 1_000_000)
    big = section(">") + interface(order=">") + enhanced(b"two", 2_000_000, order=">")
    recording = read(tmp_path, little + big)
    assert packets(recording) == [(1_000_000_000, b"one"), (2_000_000_000, b"two")]
    assert recording.files[0].format == "pcapng"


def test_each_interface_has_its_own_clock(tmp_path: Path) -> None:
    nanoseconds = interface(113, options=option(9, b"\x09"))
    binary = interface(1, options=option(9, b"\x8a") + option(14, (100).to_bytes(8, "little")))
    recording = read(
        tmp_path,
        section()
        + nanoseconds
        + binary
        + enhanced(b"a", 1_500_000_001, 0)
        + enhanced(b"b", 1024 + 512, 1),
    )
    assert packets(recording) == [(1_500_000_001, b"a"), (101_500_000_000, b"b")]
    assert recording.records.link.tolist() == [113, 1]


def test_the_interfaces_of_a_section_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many packets there are, and however many times some of them are worked out."""
    described = []

    def counted(held: pcapng.Section) -> pcapng.Described:
        described.append(held)
        return once(held)

    once = pcapng.Section.described
    monkeypatch.setattr(pcapng.Section, "described", counted)
    monkeypatch.setattr("lbtrace.capture.on_disk.CHUNK_ROWS", 2)
    units = (b"\x06", b"\x09", b"\x03")
    data = section() + b"".join(interface(options=option(9, unit)) for unit in units)
    data += b"".join(enhanced(b"a", 1000 * k, k % 3) for k in range(7))
    expected = [1000 * k * (1000, 1, 1_000_000)[k % 3] for k in range(7)]
    assert read(tmp_path, data).records.time_ns.tolist() == expected
    assert len(described) == 1


@pytest.mark.parametrize(
    ("resolution", "ticks", "ns"),
    [
        (0, 5, 5_000_000_000),
        (6, 1_234_567, 1_234_567_000),
        (9, 1_234_567, 1_234_567),
        (12, 1_234_567_890, 1_234_567),
        (0x80, 3, 3_000_000_000),
        (0x80 | 32, 1 << 31, 500_000_000),
        (0x80 | 63, 1 << 62, 500_000_000),
        (19, 10**19, 1_000_000_000),
        (40, 10**19, 0),
    ],
)
def test_resolutions(tmp_path: Path, resolution: int, ticks: int, ns: int) -> None:
    data = section() + interface(options=option(9, bytes([resolution]))) + enhanced(b"a", ticks)
    assert read(tmp_path, data).records.time_ns.tolist() == [ns]


@examples(150)
@given(st.integers(0, 255), st.integers(0, (1 << 64) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_no_time_overflows(
    tmp_path_factory: pytest.TempPathFactory, resolution: int, ticks: int, offset: int
) -> None:
    clock = option(9, bytes([resolution])) + option(14, offset.to_bytes(8, "little", signed=True))
    data = section() + interface(options=clock) + enhanced(b"a", ticks)
    unit = 2 ** (resolution & 127) if resolution & 128 else 10**resolution
    exact = ticks * 10**9 // unit + offset * 10**9
    if abs(exact) < 8 * 10**18:
        assert abs(int(read(tmp_path_factory.mktemp("t"), data).records.time_ns[0]) - exact) <= 1
    else:
        assert (
            abs(int(read(tmp_path_factory.mktemp("t"), data).records.time_ns[0])) <= (1 << 63) - 1
        )


def test_simple_and_old_packets(tmp_path: Path) -> None:
    simple = block(
        3, struct.pack("<I", 9) + b"simple"
    )  # 9 on the wire, the interface's snapshot length is 6
    old = block(2, struct.pack("<HHIIII", 0, 0xFFFF, 0, 7_000_000, 3, 50) + b"old")
    recording = read(
        tmp_path, section() + interface(snaplen=6) + enhanced(b"a", 2_000_000) + simple + old
    )
    assert packets(recording) == [
        (2_000_000_000, b"a"),
        (2_000_000_000, b"simple"),
        (7_000_000_000, b"old"),
    ]
    assert recording.records.wire.tolist() == [1, 9, 50]
    assert [d.slug for d in recording.diagnostics] == ["no-timestamps"]


def test_what_is_not_a_packet(tmp_path: Path) -> None:
    names = block(4, struct.pack("<HH", 1, 8) + bytes([10, 0, 0, 1]) + b"web\0" + bytes(4))
    drops = block(5, struct.pack("<III", 0, 0, 0) + option(5, (7).to_bytes(8, "little")) + bytes(4))
    secrets = block(10, struct.pack("<II", 0x544C534B, 5) + b"KEYS!")
    unknown = block(0x7777, b"1234")
    commented = enhanced(b"b", 2, options=option(1, "grüße".encode()) + option(0, b""))
    head = section(options=option(1, b"a section") + option(0, b""))
    recording = read(
        tmp_path,
        head + interface() + names + secrets + enhanced(b"a", 1) + unknown + commented + drops,
    )
    assert [p for _, p in packets(recording)] == [b"a", b"b"]
    assert recording.names == {"10.0.0.1": ("web",)}
    assert recording.secrets == ((0x544C534B, b"KEYS!"),)
    assert recording.comments == ((0, "a section"), (2, "grüße"))
    assert recording.files[0].dropped == 7
    assert [(d.slug, d.count) for d in recording.diagnostics] == [("capture-dropped", 7)]


# what Wireshark numbers though it is no packet
EVENTS = {
    "custom": block(0xBAD, struct.pack("<I", 32473) + b"an invented note"),
    "custom, not to be copied": block(0x40000BAD, struct.pack("<I", 32473)),
    "journal": block(9, b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=m\n\n"),
    "sysdig": block(0x204, struct.pack("<HQQIH", 1, 17 * 10**17, 5, 42, 1) + bytes(20)),
}
NO_EVENTS = {
    "unknown": block(0x77, b"1234"),
    "secrets": block(10, struct.pack("<II", 0x544C534B, 5) + b"KEYS!"),
    "statistics": block(5, struct.pack("<III", 0, 0, 0)),
}


def test_no_more_comments_are_kept_than_a_reader_can_want(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may have four bytes of the file; those of the section and those of one packet."""
    monkeypatch.setattr(pcapng, "MAX_COMMENTS", 5)
    many = option(1, b"") * 20
    data = section(options=many) + interface() + enhanced(b"a", 1) + enhanced(b"b", 2, options=many)
    assert len(read(tmp_path, data).comments) == 5
    assert len(read(tmp_path, section() + data[len(section(options=many)) :]).comments) == 5


@pytest.mark.parametrize("name", [*EVENTS, *NO_EVENTS])
def test_frames_are_numbered_as_wireshark_does(tmp_path: Path, name: str) -> None:
    between = {**EVENTS, **NO_EVENTS}[name]
    packet = bytes(60)
    data = section() + interface() + between + enhanced(packet, 10**6) + between * 2
    data += enhanced(packet, 2 * 10**6) + between
    recording = read(tmp_path, data)
    links = recording.records.link
    numbers = [row + 1 for row in range(len(links)) if links[row] == 1]
    assert numbers == ([2, 5] if name in EVENTS else [1, 2])
    assert recording.files[0].frames == (6 if name in EVENTS else 2)
    assert recording.files[0].link_types == ("Ethernet",)
    assert (recording.files[0].first_ns, recording.files[0].last_ns) == (10**9, 2 * 10**9)
    assert recording.diagnostics == ()
    if shutil.which("tshark"):
        command = ["tshark", "-r", str(tmp_path / "a.pcap"), "-Y", "eth", "-T", "fields"]
        told = subprocess.run([*command, "-e", "frame.number"], capture_output=True, check=True)
        assert list(map(int, told.stdout.split())) == numbers


def test_a_section_of_events_alone_has_the_time_of_its_neighbours(tmp_path: Path) -> None:
    event = section() + interface() + EVENTS["custom"]
    data = event + section() + interface() + enhanced(b"a", 10**6) + event
    recording = read(tmp_path, data)
    assert recording.records.time_ns.tolist() == [10**9] * 3
    assert read(tmp_path, event).records.time_ns.tolist() == [0]


def test_a_packet_of_an_interface_nobody_described(tmp_path: Path) -> None:
    recording = read(tmp_path, section() + enhanced(b"lost", 5, number=3))
    assert [p for _, p in packets(recording)] == [b"lost"]
    assert recording.files[0].link_types == ("no interface described",)


def test_the_last_block_cut_by_the_end_of_the_file(tmp_path: Path) -> None:
    recording = read(
        tmp_path, (section() + interface() + enhanced(b"one", 1) + enhanced(b"two two two", 2))[:-6]
    )
    assert packets(recording) == [(1000, b"one")]
    assert [(d.slug, d.frame) for d in recording.diagnostics] == [("record-cut", 1)]


HEAD = section() + interface()
MANY = [bytes([65 + i]) * (20 + i) for i in range(20)]


def test_garbage_between_blocks(tmp_path: Path) -> None:
    parts = [enhanced(p, 1_000_000 + i) for i, p in enumerate(MANY)]
    recording = read(tmp_path, HEAD + b"".join(parts[:9]) + b"\xee" * 41 + b"".join(parts[9:]))
    assert [p for _, p in packets(recording)] == MANY
    assert [(d.slug, d.frame) for d in recording.diagnostics] == [("garbage-skipped", 10)]


@examples(150)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_byte_changed_costs_at_most_two_packets(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    data = bytearray(HEAD + b"".join(enhanced(p, 1_000_000 + i) for i, p in enumerate(MANY)))
    data[len(HEAD) + at % (len(data) - len(HEAD))] ^= flip
    found = [p for _, p in packets(read(tmp_path_factory.mktemp("flip"), bytes(data)))]
    assert len(set(MANY) - set(found)) <= 2


BLOCKS = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6, 9, 10, 99, 0xBAD, 0x204]), st.binary(max_size=70)),
    max_size=8,
)


@examples(200)
@given(st.sampled_from("<>"), BLOCKS, st.binary(max_size=40))
def test_any_blocks_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    order: str,
    blocks: list[tuple[int, bytes]],
    rest: bytes,
) -> None:
    data = section(order) + b"".join(block(kind, body, order) for kind, body in blocks) + rest
    table = read(tmp_path_factory.mktemp("any"), data).records
    assert ((table.offset + table.captured) <= len(data)).all()


def test_more_sections_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = section() + interface() + enhanced(b"a", 10**6)
    assert read(tmp_path, each * 30).files[0].frames == 30
    monkeypatch.setattr("lbtrace.capture.MAX_SECTIONS", 20)
    assert read(tmp_path, each * 20).diagnostics == ()
    recording = read(tmp_path, each * 30)
    assert (recording.files[0].frames, len(recording.diagnostics)) == (20, 1)
    said = recording.diagnostics[0]
    assert (said.slug, f"{10 * len(each)} bytes" in said.text) == ("sections-limited", True)
