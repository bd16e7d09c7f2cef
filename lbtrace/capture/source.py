"""A path → all of its bytes, decompressed, as one buffer.

A plain file is mapped as it is where SIGBUS is handled (`lbtrace.guard`), and copied elsewhere: a
mapped file that another program truncates would end the process. What arrives through a pipe, what
is compressed, and a copy of more than COPIED_BYTES is written to an unlinked temporary file that is
then mapped: memory stays bounded whatever the size. The first bytes show the compression, never the
name (RFC 1952 gzip, RFC 8878 zstd, LZ4 frame format, .xz, bzip2).

Invariants: a damaged or cut compressed stream yields what came before the damage and a diagnostic;
decompressed data never exceed SLACK_BYTES + MAX_EXPANSION_RATIO × the compressed size (a
decompression bomb ends there, with a diagnostic). What is unpacked, and what a stream holds, ends
where FILLER_BYTES of one and the same byte show that no record follows: a stream may never end.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from lbtrace import guard
from lbtrace.capture.spool import Spool
from lbtrace.capture.unsupported_format import may_be_capture
from lbtrace.errors import InputError, unread
from lbtrace.model.trace import Diagnostic
from lbtrace.tables.packets import Buffer

SLACK_BYTES = 256 << 20
MAX_EXPANSION_RATIO = 64
FILLER_BYTES = 64 << 20  # the longest record is shorter
MAX_WINDOW_BYTES = 1 << 31  # that of zstd --long=31, the largest there is; memory as data need it
FEED_BYTES = 4096  # one step expands to at most about 128 MB, whatever the codec
COPY_BYTES = 1 << 20
COPIED_BYTES = 1 << 30  # of a file that is copied into memory
ENDS_BYTES = 1 << 16  # at both ends of a copy, which are looked at again


_mapped_bytes: dict[str, int] = {}  # of each file: what it had when it was mapped


@dataclass(slots=True)
class Source:
    """The bytes behind a path: `data` after decompression, `size_bytes` as stored, `compression` ""
    when there was none.
    """

    path: str
    data: Buffer
    compression: str
    size_bytes: int
    diagnostics: list[Diagnostic] = field(default_factory=list)


class Decompressor(Protocol):
    """What zlib, lzma, lz4 and zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Codec:
    """Makes decompressors for streams that begin with `magic`, and names the errors they raise on
    damaged data.
    """

    name: str
    magic: bytes
    errors: tuple[type[BaseException], ...]
    start: Callable[[], Decompressor]


def _gzip() -> Codec:
    import zlib

    return Codec("gzip", GZIP, (zlib.error,), lambda: zlib.decompressobj(31))


def _zstd() -> Codec:
    import zstandard

    return Codec(
        "zstd",
        ZSTD,
        (zstandard.ZstdError,),
        lambda: zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj(),
    )


def _lz4() -> Codec:
    from lz4 import frame

    return Codec("lz4", LZ4, (RuntimeError,), frame.LZ4FrameDecompressor)


def _bzip2() -> Codec:
    import bz2

    return Codec("bzip2", BZIP2, (OSError,), bz2.BZ2Decompressor)


def _xz() -> Codec:
    import lzma

    return Codec("xz", XZ, (lzma.LZMAError,), lambda: lzma.LZMADecompressor(memlimit=256 << 20))


_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
GZIP, ZSTD, LZ4, XZ = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xfd7zXZ\x00"
BZIP2 = b"BZh"
CODECS: dict[bytes, Callable[[], Codec]] = {
    GZIP: _gzip,
    ZSTD: _zstd,
    LZ4: _lz4,
    XZ: _xz,
    BZIP2: _bzip2,
}


def open_source(path: str) -> Source:
    """The bytes of a file, a FIFO, or standard input ("-"). Raises InputError when they cannot be
    had.
    """
    try:
        if path == "-":
            return _from_stream(path, None if sys.stdin is None else sys.stdin.buffer)
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode):
                return _decompressed(path, (_mapped if guard.is_handled() else _copied)(path, file))
            return _from_stream(path, file)
    except FileNotFoundError:
        raise _missing(path) from None
    except IsADirectoryError:
        raise InputError(
            "input-directory", f"{path}: is a directory.", "Name the capture files in it."
        ) from None
    except PermissionError:
        raise InputError(
            "input-unreadable", f"{path}: may not be read.", "Check its permissions."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            "input-unreadable",
            f"{path}: cannot be read ({error}).",
            "Check the file and the space for temporary files.",
        ) from None


def _missing(path: str) -> InputError:
    if _URL.match(path):
        return InputError(
            "input-url",
            f"{path}: is a URL; lbtrace reads files.",
            "Pipe it in: curl -s URL | lbtrace show -, or download it first.",
        )
    wrong, hint = unread(FileNotFoundError())
    if set("*?[") & set(path):
        hint = "No file has a name like this pattern."
    return InputError("input-missing", f"{path}: {wrong}", hint)


def captures_in(folder: str) -> list[str]:
    """The captures that stand in a directory, by name: plain or compressed. InputError when there
    is none.
    """
    try:
        with os.scandir(folder) as entries:
            files = sorted(entry.path for entry in entries if entry.is_file())
        found = [path for path in files if begins_well(path)]
    except OSError as error:
        raise InputError(
            "input-unreadable", f"{folder}: cannot be read ({error.strerror}).", "Name files."
        ) from None
    if not found:
        raise InputError(
            "input-directory", f"{folder}: no capture is in this directory.", "Name files."
        )
    return found


def begins_well(path: str) -> bool:
    """Whether a file begins as a capture, or is compressed and named like one."""
    with open(path, "rb") as file:
        head = file.read(16)
    named = any(mark in os.path.basename(path).lower() for mark in ("cap", "dmp", "dump"))
    return may_be_capture(head) or (head.startswith(tuple(CODECS)) and named)


def _from_stream(path: str, stream: BinaryIO | None) -> Source:
    """What a stream holds, in a temporary file. Of a stream that begins as nothing we read only the
    beginning is taken: it may never end.
    """
    if stream is None:
        raise InputError(
            "input-unreadable", "Standard input is closed.", "Name a file, or pipe a capture in."
        )
    alike = 0  # bytes of one value at the end
    with Spool() as spool:
        chunk = stream.read(COPY_BYTES)
        begins_well = chunk.startswith(tuple(CODECS)) or may_be_capture(chunk)
        while chunk and spool.write(chunk) and alike <= FILLER_BYTES:
            alike = alike + len(chunk) if _is_filler(chunk) else 0
            chunk = stream.read(COPY_BYTES) if begins_well else b""
        full = spool.full_text(path) if spool.full else ""
        source = _decompressed(path, _spooled(path, spool))
        if full:
            source.diagnostics.append(Diagnostic("temporary-space", full))
        elif alike > FILLER_BYTES:
            source.diagnostics.append(_only_filler("endless-filler", path, alike))
        return source


def _spooled(path: str, spool: Spool) -> memoryview:
    if not spool.written:
        raise _empty(path)
    return spool.mapped()


def _empty(path: str) -> InputError:
    what = "standard input" if path == "-" else path
    return InputError(
        "input-empty",
        f"{what}: is empty (0 bytes).",
        "Record it again; tcpdump writes its header when it starts.",
    )


def _mapped(path: str, file: BinaryIO) -> memoryview:
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise _empty(path)
    _mapped_bytes[path] = size
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _copied(path: str, file: BinaryIO) -> memoryview:
    """The bytes of a file that nobody else can change: in memory, or in a temporary file."""
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise _empty(path)
    if size <= COPIED_BYTES:
        kept = mmap.mmap(-1, size)
        for part in _parts(file, 0, size):
            kept.write(part)
        count, copy = kept.tell(), memoryview(kept)
    else:
        with Spool() as spool:
            for part in _parts(file, 0, size):
                if not spool.write(part):
                    raise InputError("temporary-space", spool.full_text(path))
            count, copy = spool.written, _spooled(path, spool)
    if count < size:
        raise InputError(
            "input-changed", f"{path}: became shorter while it was read.", "Copy it first."
        )
    _check_copy(path, file, copy)
    return copy


def _check_copy(path: str, file: BinaryIO, copy: memoryview) -> None:
    """InputError when a file was written over while it was copied."""
    for at in (0, max(len(copy) - ENDS_BYTES, 0)):
        end = min(at + ENDS_BYTES, len(copy))
        if b"".join(_parts(file, at, end)) != copy[at:end]:
            raise InputError(
                "input-changed", f"{path}: was overwritten while it was read.", "Copy it first."
            )


def _parts(file: BinaryIO, at: int, end: int) -> Iterator[bytes]:
    """The bytes of a file from one place to another, as they are now, as far as there are."""
    number = file.fileno()
    os.lseek(number, at, os.SEEK_SET)
    while at < end and (part := os.read(number, min(COPY_BYTES, end - at))):
        at += len(part)
        yield part


def shortened() -> list[str]:
    """The files that were mapped and are shorter now."""
    return [
        path
        for path, size in _mapped_bytes.items()
        if not os.path.isfile(path) or os.path.getsize(path) < size
    ]


def _decompressed(path: str, stored: memoryview) -> Source:
    for magic, codec in CODECS.items():
        if stored[: len(magic)] == magic:
            return _expand(path, stored, codec())
    return Source(path, stored, "", len(stored))


def _expand(path: str, stored: memoryview, codec: Codec) -> Source:
    """Compressed bytes → what they hold, in a temporary file that is mapped."""
    said: list[Diagnostic] = []
    limit = SLACK_BYTES + MAX_EXPANSION_RATIO * len(stored)
    alike = 0  # bytes of one value at the end
    with Spool() as spool:
        for part in _unpacked(path, stored, codec, said):
            if not spool.write(part):
                said.append(Diagnostic("temporary-space", spool.full_text(path)))
                break
            if spool.written > limit:
                text = (
                    f"{path}: expands to over {limit} bytes; the rest was not read. Unpack it "
                    f"yourself if it is what it seems."
                )
                said.append(Diagnostic("decompression-limit", text))
                break
            alike = alike + len(part) if _is_filler(part) else 0
            if alike > FILLER_BYTES:
                said.append(_only_filler("decompression-limit", path, alike))
                break
        if not spool.written:
            raise InputError(
                "input-empty",
                f"{path}: holds no data after {codec.name} decompression.",
                "Record or copy it again.",
            )
        return Source(path, _spooled(path, spool), codec.name, len(stored), said)


def _only_filler(slug: str, path: str, count: int) -> Diagnostic:
    text = f"{path}: holds nothing but filler for {count} bytes; the rest was not read."
    return Diagnostic(slug, text)


def _is_filler(part: bytes) -> bool:
    """Whether all bytes are the same."""
    return part[:1] == part[-1:] and not part.strip(part[:1])


def _unpacked(
    path: str, stored: memoryview, codec: Codec, said: list[Diagnostic]
) -> Iterator[bytes]:
    """The decompressed bytes, part by part; what is wrong with the stream is added to `said`.

    Members and frames may follow one another; zero padding and foreign bytes end the stream.
    """
    machine = codec.start()
    at, pending = 0, b""
    try:
        while at < len(stored) or pending:
            chunk = pending or bytes(stored[at : at + FEED_BYTES])
            at += 0 if pending else len(chunk)
            pending = b""
            yield machine.decompress(chunk)
            if not machine.eof:
                continue
            rest = machine.unused_data or b""
            trailer = rest + bytes(stored[at : at + 8])
            if not trailer.startswith(codec.magic):
                if trailer.strip(b"\0"):
                    text = f"{path}: bytes after the end of the {codec.name} data were not read."
                    said.append(Diagnostic("compressed-trailer", text))
                return
            machine, pending = codec.start(), rest
        if not machine.eof:
            text = f"{path}: the {codec.name} data end early; what was there was read."
            said.append(Diagnostic("compressed-cut", text))
    except codec.errors as error:
        text = f"{path}: the {codec.name} data are damaged ({error}); what came before was read."
        said.append(Diagnostic("compressed-damaged", text))
