"""Where bytes come from: plain, compressed, damaged, piped, and what is no capture at all."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import capture, guard
from lbtrace.capture import source
from lbtrace.errors import InputError
from lbtrace.tables.packets import Recording
from tests.capture.files import packets, pcap, read
from tests.laws import examples

MADE = [(1_700_000_000_000_000_000 + i * 1000, os.urandom(40) + bytes(400)) for i in range(200)]
DATA = pcap(MADE)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compression_is_told_by_the_bytes(tmp_path: Path, name: str) -> None:
    recording = read(tmp_path, COMPRESSORS[name](DATA), "no-suffix")
    assert packets(recording) == MADE
    assert recording.files[0].compression == name
    assert recording.diagnostics == ()


@pytest.mark.parametrize("name", COMPRESSORS)
def test_members_one_after_another(tmp_path: Path, name: str) -> None:
    compress = COMPRESSORS[name]
    recording = read(tmp_path, compress(DATA[:7000]) + compress(DATA[7000:]))
    assert packets(recording) == MADE
    assert recording.diagnostics == ()


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_stream_cut_short_gives_what_was_there(tmp_path: Path, name: str) -> None:
    compress = COMPRESSORS[name]
    recording = read(tmp_path, compress(DATA[:50_000]) + compress(DATA[50_000:])[:-20])
    found = packets(recording)
    assert len(found) > 50
    assert found == MADE[: len(found)]
    assert (
        {"compressed-cut"}
        <= {d.slug for d in recording.diagnostics}
        <= {"compressed-cut", "record-cut"}
    )


@pytest.mark.parametrize("name", ["gzip", "xz"])  # the others carry no check sum by default
def test_a_damaged_stream_gives_what_came_before(tmp_path: Path, name: str) -> None:
    compress = COMPRESSORS[name]
    second = bytearray(compress(DATA[50_000:]))
    second[len(second) // 2 : len(second) // 2 + 40] = bytes(range(40))
    recording = read(tmp_path, compress(DATA[:50_000]) + bytes(second))
    assert len(packets(recording)) > 50
    assert "compressed-damaged" in {d.slug for d in recording.diagnostics}


def test_foreign_bytes_behind_a_stream_are_said(tmp_path: Path) -> None:
    recording = read(tmp_path, gzip.compress(DATA, mtime=0) + b"trailer")
    assert packets(recording) == MADE
    assert [d.slug for d in recording.diagnostics] == ["compressed-trailer"]


def test_filler_ends_the_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FILLER_BYTES", 1 << 20)
    recording = read(tmp_path, gzip.compress(DATA + bytes(8 << 20) + b"\xff" * (8 << 20)))
    assert packets(recording) == MADE
    said = {d.slug: d.text for d in recording.diagnostics}
    assert "nothing but filler" in said["decompression-limit"]
    assert len(recording.buffers[0]) < len(DATA) + (6 << 20)


class Endless(io.RawIOBase):
    """What was written, and then one and the same byte for ever."""

    def __init__(self, data: bytes, byte: bytes) -> None:
        self.begin, self.byte, self.given = data, byte, 0

    def read(self, size: int = -1) -> bytes:
        part = self.begin[:size]
        self.begin = self.begin[size:]
        self.given += size
        return part + self.byte * (size - len(part))


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)])
def test_filler_ends_a_stream(
    byte: bytes, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Standard:
        buffer = Endless(pack(DATA), byte)

    monkeypatch.setattr(source, "FILLER_BYTES", 4 << 20)
    monkeypatch.setattr(sys, "stdin", Standard)
    recording = capture.read(["-"], lambda _what, _part: None)
    assert packets(recording) == MADE
    said = {d.slug: d.text for d in recording.diagnostics}
    assert "nothing but filler" in said["endless-filler"]
    assert Standard.buffer.given < 8 << 20


def test_a_long_window_is_read(tmp_path: Path) -> None:
    long = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True)
    made = zstandard.ZstdCompressor(compression_params=long).compressobj()
    assert packets(read(tmp_path, made.compress(DATA) + made.flush())) == MADE


def test_what_is_shorter_now_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_handled", [True])
    path = tmp_path / "a.pcap"
    path.write_bytes(DATA)
    source.open_source(str(path))
    assert str(path) not in source.shortened()
    path.write_bytes(DATA[:10])
    assert str(path) in source.shortened()


def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SLACK_BYTES", 1 << 20)
    monkeypatch.setattr(source, "MAX_EXPANSION_RATIO", 10)
    recording = read(tmp_path, zstandard.compress(DATA + bytes(64 << 20)))
    assert packets(recording)[:200] == MADE
    assert "decompression-limit" in {d.slug for d in recording.diagnostics}


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standard:
        buffer = io.BytesIO(gzip.compress(DATA, mtime=0))

    monkeypatch.setattr(sys, "stdin", Standard)
    recording = capture.read(["-"], lambda _what, _part: None)
    assert packets(recording) == MADE
    assert recording.files[0].path == "-"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(DATA))
    writer.start()
    recording = capture.read([str(path)], lambda _what, _part: None)
    writer.join()
    assert packets(recording) == MADE


def test_a_rotated_capture_is_numbered_through(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(pcap(MADE[:90]))
    (tmp_path / "1").write_bytes(gzip.compress(pcap(MADE[90:])))
    recording = capture.read([str(tmp_path / "0"), str(tmp_path / "1")], lambda _what, _part: None)
    assert packets(recording) == MADE
    assert [(f.frames, f.first_frame) for f in recording.files] == [(90, 1), (110, 91)]


def raises(tmp_path: Path, data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read(tmp_path, data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "slug", "says", "hint"),
    [
        (b"", "input-empty", "empty", "tcpdump"),
        (b"hello\n", "input-not-a-capture", "text file", "tcpdump -w"),
        ("Grüße\n".encode() * 9, "input-not-a-capture", "text file", "tcpdump -w"),
        (b'{"a": 1}', "input-not-a-capture", "JSON", "tcpdump -w"),
        (
            b"12:00:01.000000 IP 10.0.0.1.80 > 10.0.0.2.5000: Flags [S]\n",
            "input-not-a-capture",
            "text tcpdump prints",
            "-w",
        ),
        (b"snoop\0\0\0\0\0\0\2\0\0\0\4", "input-not-a-capture", "snoop", "editcap"),
        (b"iptrace 2.0", "input-not-a-capture", "iptrace", "editcap"),
        (b"GMBU\0\2", "input-not-a-capture", "Network Monitor", "editcap"),
        (b"PK\x03\x04....", "input-not-a-capture", "zip", "Unpack"),
        (b"\xd4\xc3\xb2\xa1\2\0", "input-not-a-capture", "inside its header", "tcpdump -w"),
        (bytes(range(256)), "input-not-a-capture", "no pcap", "editcap"),
        (gzip.compress(b"just text\n", mtime=0), "input-not-a-capture", "text file", "tcpdump -w"),
        (gzip.compress(b"", mtime=0), "input-empty", "no data", ""),
        (
            gzip.compress(gzip.compress(DATA, mtime=0)),
            "input-not-a-capture",
            "compressed twice",
            "Unpack",
        ),
        (b"\x1f\x8b\x08rubbish", "input-empty", "no data", ""),
    ],
)
def test_what_is_no_capture_is_named(
    tmp_path: Path, data: bytes, slug: str, says: str, hint: str
) -> None:
    error = raises(tmp_path, data)
    assert error.slug == slug
    assert says in error.message
    assert hint in error.hint
    assert "\n" not in str(error)


def test_missing_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        capture.read([str(tmp_path / "nowhere")], lambda _what, _part: None)
    with pytest.raises(InputError, match="directory"):
        capture.read([str(tmp_path)], lambda _what, _part: None)


MAGICS = [b"", *source.CODECS, b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1"]


def outcome(directory: Path, data: bytes) -> Recording | InputError:
    try:
        return read(directory, data)
    except InputError as error:
        return error


@examples(150)
@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_any_bytes_are_a_capture_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, magic: bytes, rest: bytes
) -> None:
    found = outcome(tmp_path_factory.mktemp("any"), magic + rest)
    assert found.files if isinstance(found, Recording) else found.slug.startswith("input-")


@examples(60)
@given(st.sampled_from(sorted(COMPRESSORS)), st.integers(10, 3000), st.integers(1, 255))
def test_any_byte_of_a_compressed_file_changed(
    tmp_path_factory: pytest.TempPathFactory, name: str, at: int, flip: int
) -> None:
    stored = bytearray(COMPRESSORS[name](DATA[:4000]))
    stored[at % len(stored)] ^= flip
    found = outcome(tmp_path_factory.mktemp("flip"), bytes(stored))
    assert (
        found.files
        if isinstance(found, Recording)
        else found.slug in ("input-empty", "input-not-a-capture")
    )


def test_zlib_is_not_gzip(tmp_path: Path) -> None:
    assert raises(tmp_path, zlib.compress(DATA)).slug == "input-not-a-capture"


def test_bzip2_is_read_like_the_other_compressions(tmp_path: Path) -> None:
    import bz2

    from lbtrace.capture import read
    from lbtrace.options import quiet

    sample = Path(__file__).parents[2] / "samples" / "direct" / "client.pcap"
    packed = tmp_path / "client.pcap"
    packed.write_bytes(bz2.compress(sample.read_bytes()))
    found = read([str(packed)], quiet)
    assert found.files[0].compression == "bzip2"
    assert len(found.records) == len(read([str(sample)], quiet).records)
    damaged = bytearray(packed.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    packed.write_bytes(damaged)
    with pytest.raises(InputError, match="no data after bzip2"):  # its one block is damaged
        read([str(packed)], quiet)
