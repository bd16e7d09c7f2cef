"""Packets that stand in several files of one point count once; those of one file stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import capture, decode
from lbtrace.decode.overlapping_files import same_recording
from lbtrace.options import quiet
from lbtrace.tables.packets import SegmentTable
from tests.laws import examples
from tests.simulator.script import Packet, Script, pcap


def packets(count: int = 6) -> list[Packet]:
    play = Script()
    talk = play.front()
    for n in range(count):
        talk.asks(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n)
    return play.client


def read(folder: Path, *files: list[Packet], snaplen: int = 65535) -> SegmentTable:
    paths = []
    for n, file in enumerate(files):
        paths.append(str(folder / f"{n}.pcap"))
        Path(paths[-1]).write_bytes(pcap(file, snaplen if n else 65535))
    return decode.segments(capture.read(paths, quiet), quiet)


def test_a_file_twice_counts_once(tmp_path: Path) -> None:
    every = packets()
    table = read(tmp_path, every, every)
    assert len(table) == len(every)
    assert table.frame.max() == len(every)  # those of the first file
    assert table.counts.read == table.counts.decoded + sum(n for _, n in table.counts.skipped)
    assert dict(table.counts.skipped) == {"in another file too": len(every)}
    (said,) = [d for d in table.diagnostics if d.slug == "same-packets-in-files"]
    assert said.count == len(every)


@given(st.data())
@examples(40)
def test_parts_that_overlap_add_up_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    every = packets()
    end = data.draw(st.integers(1, len(every)))
    begin = data.draw(st.integers(0, end - 1))
    parts = [every[:end], every[begin:]]
    if data.draw(st.booleans()):
        parts.reverse()
    folder = tmp_path_factory.mktemp("parts")
    table, whole = read(folder, *parts), read(folder, every)
    assert table.time_ns.tolist() == whole.time_ns.tolist()
    assert table.seq.tolist() == whole.seq.tolist()


def test_the_copy_with_the_most_bytes_stays(tmp_path: Path) -> None:
    every = packets()
    table = read(tmp_path, every, every, snaplen=50)
    assert (table.length == table.wire_length).all()
    paths = [str(tmp_path / name) for name in ("1.pcap", "0.pcap")]
    turned = decode.segments(capture.read(paths, quiet), quiet)
    assert (turned.length == turned.wire_length).all()


def test_what_one_file_holds_twice_is_not_a_matter_of_files(tmp_path: Path) -> None:
    every = packets()
    twice = [*every[:3], every[2], *every[3:]]  # an acknowledgement
    assert len(read(tmp_path, twice, every[3:])) == len(twice)


def test_files_without_a_packet_in_common_stay_whole(tmp_path: Path) -> None:
    every = packets()
    table = read(tmp_path, every[0::2], every[1::2])
    assert len(table) == len(every)
    assert not [d for d in table.diagnostics if d.slug == "same-packets-in-files"]


def test_the_same_recording_is_told_by_its_packets(tmp_path: Path) -> None:
    every = packets()
    whole, part, other = (read(tmp_path, f) for f in (every, every[4:9], every[1::2]))
    moved = read(tmp_path, [Packet(p.time_ns + 1, p.data) for p in every])
    empty = read(tmp_path, [])
    assert same_recording(whole, part, 1)
    assert same_recording(whole, other, 1)
    assert not same_recording(whole, moved, 1)
    assert same_recording(whole, moved, 1000)
    assert not same_recording(whole, empty, 1)


def test_copies_are_left_out_of_files_that_overlap(tmp_path: Path) -> None:
    every = packets()
    doubled = sorted([*every, *every], key=lambda p: p.time_ns)
    table = read(tmp_path, doubled, every[3:])
    assert table.seq.tolist() == read(tmp_path, every).seq.tolist()
    assert table.counts.duplicates == len(every)
