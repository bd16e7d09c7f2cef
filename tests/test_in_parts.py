"""A capture read in parts shows what it shows when it is read at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from random import Random

import pytest

from lbtrace import capture, in_parts, pipeline
from lbtrace.capture import on_disk
from lbtrace.capture.writing import WrittenRecord, pcap
from lbtrace.decode.duplicates import MAX_APART_WITHOUT_ID_NS
from lbtrace.errors import InputError
from lbtrace.model.net import Side
from lbtrace.model.stream import RoleSource
from lbtrace.model.trace import SET_FORWARD, Trace
from lbtrace.options import Options, quiet
from tests.fuzz.harm import HARM, harmed
from tests.fuzz.recordings import pool

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CAPTURES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*.pcap*"))
LIMIT = 10**9


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small captures are large."""
    monkeypatch.setattr(in_parts, "FEW_BYTES", 0)
    monkeypatch.setattr(on_disk, "CHUNK_ROWS", 1 << 15)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The parts that a capture is read in, of which each has a third of its packets at most, and
    their sizes.
    """
    sizes: list[int] = []
    divided = in_parts.divided

    def thirds(recording: object, most: int, progress: object) -> in_parts.Division:
        most = max(len(recording.records) // 3, 1)  # type: ignore[attr-defined]
        found = divided(recording, most, progress)  # type: ignore[arg-type]
        sizes[:] = found.packets
        return found

    monkeypatch.setattr(in_parts, "divided", thirds)
    monkeypatch.setattr(in_parts, "room_for_packets", lambda _limit: 0)
    # the machine has so little that all is read in parts, and nobody promised to keep to it
    monkeypatch.setattr(in_parts, "machine_memory", lambda: 0)
    return sizes


def whole(path: str, **options: object) -> Trace:
    """The capture, read at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_parts, "limit_for", lambda _files, _stated: None)
        return pipeline.inspect([path], options=Options(**options))  # type: ignore[arg-type]


def differences(one: Trace, other: Trace) -> list[str]:
    """The fields of two traces that are not the same."""
    return [
        f.name for f in fields(Trace) if not _same(getattr(one, f.name), getattr(other, f.name))
    ]


def _same(one: object, other: object) -> bool:
    if hasattr(one, "__getitem__") and not isinstance(one, dict):
        return bool(list(one) == list(other))  # type: ignore[call-overload]
    return bool(one == other)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_sample_is_the_same(name: str, parts: list[int]) -> None:
    path = str(SAMPLES / name)
    assert differences(pipeline.inspect([path]), whole(path)) == []
    assert len(parts) > 1 or len(whole(path).connections) == 1


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_capture_is_the_same(seed: int, parts: list[int], tmp_path: Path) -> None:
    dice = Random(seed)
    head = bytes((dice.randrange(len(pool())), dice.randrange(4)))
    case = harmed(head + dice.randbytes(HARM.size * dice.randint(1, 3)))
    for (side, number), data in case.files().items():
        path = tmp_path / f"{side.value}{number}.pcap"
        path.write_bytes(data)
        try:
            expected = whole(str(path))
        except InputError:
            continue
        assert differences(pipeline.inspect([str(path)]), expected) == []


def records(name: str) -> list[WrittenRecord]:
    """The packets of a sample."""
    recording = capture.read([str(SAMPLES / name)], quiet)
    held = recording.records
    return [
        WrittenRecord(
            int(held.time_ns[i]),
            bytes(recording.buffers[0][int(at) : int(at) + int(held.captured[i])]),
            int(held.wire[i]),
            int(held.link[i]),
        )
        for i, at in enumerate(held.offset)
    ]


def written(path: Path, packets: list[WrittenRecord]) -> str:
    """A capture of these packets."""
    path.write_bytes(b"".join(pcap(packets, 1, None)))
    return str(path)


def test_who_is_the_server_is_told_by_all_parts(parts: list[int], tmp_path: Path) -> None:
    """Without SYNs and payload, a server is told by the connections that it has elsewhere."""
    bare: list[WrittenRecord] = []
    for each in records("nginx-concurrent/client.pcap"):
        table = pipeline_segments(each, tmp_path)
        if table and not table[0].flags & 2 and (table[0].length == 0 or len(bare) % 7 == 0):
            bare.append(each)
    path = written(tmp_path / "bare.pcap", bare)
    expected = whole(path)
    assert any(c.role_source is RoleSource.PORT for c in expected.connections)
    assert differences(pipeline.inspect([path]), expected) == []
    assert len(parts) > 1


class Segment:
    """Flags and length of a segment."""

    def __init__(self, flags: int, length: int) -> None:
        self.flags, self.length = flags, length


def pipeline_segments(each: WrittenRecord, folder: Path) -> list[Segment]:
    """The segment in a packet, if there is one."""
    from lbtrace import decode

    table = decode.segments(capture.read([written(folder / "one.pcap", [each])], quiet), quiet)
    return [Segment(int(f), int(n)) for f, n in zip(table.flags, table.length, strict=True)]


@pytest.mark.parametrize("every", [1, 2])
def test_a_capture_that_a_mirror_doubled_is_the_same(
    every: int, parts: list[int], tmp_path: Path
) -> None:
    doubled = []
    for number, each in enumerate(records("nginx-concurrent/client.pcap")):
        doubled.append(each)
        if number % every == 0:
            doubled.append(each._replace(time_ns=each.time_ns + MAX_APART_WITHOUT_ID_NS // 4))
    path = written(tmp_path / "doubled.pcap", doubled)
    expected = whole(path)
    assert expected.packets.duplicates  # a few, too: their identification is their own
    assert differences(pipeline.inspect([path]), expected) == []


def test_rotated_files_are_the_same(parts: list[int], tmp_path: Path) -> None:
    every = records("nginx-concurrent/client.pcap")
    files = [
        written(tmp_path / f"{k}.pcap", every[begin : begin + 30])
        for k, begin in enumerate(range(0, len(every), 30))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_parts, "limit_for", lambda _files, _stated: None)
        expected = pipeline.inspect(files)
    assert differences(pipeline.inspect(files), expected) == []
    assert len(parts) > 1


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_a_compressed_capture_is_the_same(suffix: str, parts: list[int], tmp_path: Path) -> None:
    import gzip
    import lzma

    import zstandard

    packs: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".xz": lzma.compress,
        ".zst": zstandard.compress,
    }
    pack = packs[suffix]
    path = tmp_path / f"client.pcap{suffix}"
    path.write_bytes(pack((SAMPLES / "nginx-concurrent/client.pcap").read_bytes()))
    assert differences(pipeline.inspect([str(path)]), whole(str(path))) == []
    assert len(parts) > 1


def test_tls_is_opened_in_parts(parts: list[int]) -> None:
    folder = SAMPLES / "envoy-tls"
    keys = tuple(str(path) for path in folder.glob("*key*"))
    assert keys
    for name in ("client.pcap", "backend.pcap"):
        path = str(folder / name)
        found = pipeline.inspect([path], options=Options(keylogs=keys))
        assert differences(found, whole(path, keylogs=keys)) == []


def fragmented(tmp_path: Path) -> str:
    """A capture in which a datagram came in two fragments."""
    every = records("nginx-concurrent/client.pcap")
    first = every[0].data
    ip = bytearray(first[14:])
    ip[6:8] = b"\x20\x00"  # more fragments follow
    return written(
        tmp_path / "fragments.pcap", [every[0]._replace(data=first[:14] + bytes(ip)), *every]
    )


def test_a_capture_with_fragments_is_read_at_once(parts: list[int], tmp_path: Path) -> None:
    path = fragmented(tmp_path)
    assert differences(pipeline.inspect([path]), whole(path)) == []


def test_a_limit_that_cannot_be_kept_is_one_line(parts: list[int], tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        pipeline.inspect([fragmented(tmp_path)], options=Options(max_memory=LIMIT))
    assert raised.value.slug == "memory-limit"
    assert "IP fragments" in raised.value.message
    assert "--max-memory" in raised.value.hint


def test_one_connection_is_not_divided(parts: list[int], tmp_path: Path) -> None:
    path = str(SAMPLES / "varnish/backend.pcap")
    with pytest.raises(InputError, match="few connections"):
        pipeline.inspect([path], options=Options(max_memory=LIMIT))


_CHILD = """
import sys, threading, time
from lbtrace import guard, in_parts, inspection
from lbtrace.options import Options
guard.set_handled()
if sys.argv[2] == "parts":
    in_parts.FEW_BYTES = 0
    in_parts.room_for_packets = lambda limit: 25_000
else:
    in_parts.limit_for = lambda files, stated: None

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

before, most = anonymous(), [0]
for name in ("connections", "in_time_order", "pauses"):
    def noting(*given, own=getattr(inspection.tcp, name), **named):
        found = own(*given, **named)
        most[0] = max(most[0], anonymous())
        return found
    setattr(inspection.tcp, name, noting)
trace = inspection.inspect([sys.argv[1]], options=Options(max_memory=10**9))
print(most[0] - before, len(trace.exchanges))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_parts_take_a_fraction_of_the_memory(tmp_path: Path) -> None:
    """After each stage of TCP, the memory that the process alone holds."""
    import subprocess
    import sys

    from tests.bench.generate import write

    path = tmp_path / "bulk.pcap"
    write(path, "bulk", 250_000)
    kilobytes, exchanges = {}, {}
    for how in ("at once", "parts"):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(path), how],
            capture_output=True,
            text=True,
            check=True,
            # glibc: what is freed goes back to the system at once
            env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        )
        kilobytes[how], exchanges[how] = map(int, done.stdout.split())
    assert exchanges["parts"] == exchanges["at once"] > 0
    assert kilobytes["at once"] > 15_000
    assert kilobytes["parts"] < kilobytes["at once"] / 3


def test_a_clock_that_was_set_forward_is_told_once_of_the_whole_capture(
    parts: list[int], tmp_path: Path
) -> None:
    """No part alone has all the ends that show it."""
    dice = Random(7)
    head = bytes((dice.randrange(len(pool())), dice.randrange(4)))
    case = harmed(head + dice.randbytes(HARM.size * dice.randint(1, 3)))
    path = tmp_path / "backend.pcap"
    path.write_bytes(case.files()[Side.BACKEND, 0])
    expected = [d for d in whole(str(path)).diagnostics if d.slug == SET_FORWARD]
    found = [d for d in pipeline.inspect([str(path)]).diagnostics if d.slug == SET_FORWARD]
    assert found == expected
    assert len(found) == 1
    assert len(parts) > 1
