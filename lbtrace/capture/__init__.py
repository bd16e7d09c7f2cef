"""Files on disk → RecordTable (see lbtrace.tables.packets): one row per packet record, in file
order, for all files of a capture point.

`source` makes a path a buffer, `pcap` and `pcapng` find the records in it, `unsupported_format`
names what is neither. Captures glued together with `cat` are read one after the other. Frames are
numbered through all files of the point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np

from lbtrace.capture import pcap, pcapng
from lbtrace.capture.block import Block
from lbtrace.capture.link_names import LINKS, NO_INTERFACE, link_name
from lbtrace.capture.on_disk import chunks, together
from lbtrace.capture.on_disk import columns_on_disk as columns_on_disk
from lbtrace.capture.on_disk import full as full
from lbtrace.capture.source import Source, open_source
from lbtrace.capture.unsupported_format import not_a_capture
from lbtrace.capture.window import SECOND_NS, TimeSpan, window
from lbtrace.errors import InputError
from lbtrace.model.trace import CaptureFile, Diagnostic
from lbtrace.tables.packets import NO_PACKET, Buffer, Column, Recording, RecordTable

MAX_SECTIONS = 100_000  # of one file: each costs 1 kB and a few packets' time
MAX_DATE_S = 60_000_000_000  # before and after 1970, stays within the years a date can have
FINGERPRINTED = 1 << 16  # bytes at the beginning of a file, and at its end
MAX_FILES = 255  # `buffer` is one byte and decode adds a buffer of its own


def read(files: Sequence[str], progress: Callable[[str, float], None]) -> Recording:
    """The files of one capture point, in order → one Recording. Raises InputError."""
    if not files:
        raise InputError(
            "input-missing", "no capture was named.", "Name at least one capture file."
        )
    if len(files) > MAX_FILES:
        raise InputError(
            "input-too-many",
            f"{len(files)} files for one capture point; at most {MAX_FILES}.",
            "Join them with mergecap first.",
        )
    point = _Point()
    for path in files:
        source = open_source(path)
        blocks = _blocks(source, lambda part, path=path: progress(f"reading {path}", part))  # type: ignore[misc]
        point.add(source, blocks)
    return point.recording()


@dataclass(slots=True)
class _Point:
    """A capture point while its files are read."""

    sources: list[Source] = field(default_factory=list)
    files: list[CaptureFile] = field(default_factory=list)
    blocks: list[list[Block]] = field(default_factory=list)  # of each file
    first_frame: int = 1  # of the next file
    diagnostics: list[Diagnostic] = field(default_factory=list)  # of files as a whole
    # of the blocks of each file: a file of many sections says each thing once, with the sum of
    # its counts
    of_blocks: dict[tuple[int, str], Diagnostic] = field(default_factory=dict)
    secrets: list[tuple[int, bytes]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    names: dict[str, dict[str, None]] = field(default_factory=dict)  # in order, each once

    def add(self, source: Source, blocks: list[Block]) -> None:
        """The next file."""
        _lend_times(blocks)
        covered = window(together([b.time_ns for b in blocks], "i8"))
        self.files.append(_file(source, blocks, self.first_frame, covered))
        self.diagnostics += source.diagnostics
        if covered is not None and covered.impossible:
            self.diagnostics.append(_time_jump(source.path, blocks, self.first_frame, covered))
        for block in blocks:
            self._add(source.path, block)
        self.sources.append(source)
        self.blocks.append(blocks)

    def _add(self, path: str, block: Block) -> None:
        for found in _diagnostics(path, block, self.first_frame):
            key = len(self.sources), found.slug
            first = self.of_blocks.get(key)
            self.of_blocks[key] = (
                found if first is None else replace(first, count=first.count + found.count)
            )
        self.secrets += block.secrets
        self.comments += (
            (record and self.first_frame + record - 1, text) for record, text in block.comments
        )
        for address, names in block.names.items():
            self.names.setdefault(address, {}).update(names)
        self.first_frame += len(block.offset)

    def recording(self) -> Recording:
        """All files, as one."""
        records = _table(self.blocks)
        return Recording(
            records,
            [source.data for source in self.sources],
            tuple(self.files),
            (*self.diagnostics, *self.of_blocks.values()),
            tuple(self.secrets),
            {address: tuple(names) for address, names in self.names.items()},
            tuple(self.comments),
            {n: LINKS[n] for n in _distinct(records.link) if n in LINKS},
        )


def _blocks(source: Source, progress: Callable[[float], None]) -> list[Block]:
    """The captures that stand in a file, one after the other. Raises InputError when it begins with
    none.
    """
    data, at = source.data, 0

    def section_at(position: int) -> bool:
        room = len(data) - position
        return bool(
            (pcap.magic_order(data, position) and room >= pcap.FILE_HEADER_BYTES)
            or (pcapng.section_order(data, position) and room >= pcapng.MIN_SECTION_BYTES)
        )

    if not section_at(0):
        raise not_a_capture(source.path, data)
    blocks: list[Block] = []
    while section_at(at) and len(blocks) < MAX_SECTIONS:
        read_one = pcap.read_pcap if pcap.magic_order(data, at) else pcapng.read_section
        blocks.append(read_one(data, at, section_at, progress))
        at = blocks[-1].end
    if at < len(data):
        if section_at(at):
            text = (
                f"{source.path}: only the first {MAX_SECTIONS} sections were read; the "
                f"{len(data) - at} bytes behind them were not."
            )
            source.diagnostics.append(Diagnostic("sections-limited", text))
        else:
            blocks[-1].garbage_bytes += len(data) - at
            blocks[-1].resyncs += 1
    return blocks


def _table(of_files: list[list[Block]]) -> RecordTable:
    blocks = [block for blocks in of_files for block in blocks]
    buffers = [
        full(len(block.offset), number, "u1")
        for number, blocks in enumerate(of_files)
        for block in blocks
    ]
    return RecordTable(
        time_ns=together([b.time_ns for b in blocks], "i8"),
        offset=together([b.offset for b in blocks], "i8"),
        captured=together([b.captured for b in blocks], "u4"),
        wire=together([b.wire for b in blocks], "u4"),
        link=together([b.link for b in blocks], "u2"),
        buffer=together(buffers, "u1"),
    )


def _file(
    source: Source, blocks: list[Block], first_frame: int, covered: TimeSpan | None
) -> CaptureFile:
    drops = [b.dropped for b in blocks if b.dropped is not None]
    links = sorted(n for n in {n for b in blocks for n in _distinct(b.link)} if _is_packet(n))
    return CaptureFile(
        path=source.path,
        format=blocks[0].format,
        compression=source.compression,
        size_bytes=source.size_bytes,
        frames=sum(len(b.offset) for b in blocks),
        first_frame=first_frame,
        first_ns=covered and covered.first_ns,
        last_ns=covered and covered.last_ns,
        resolution_ns=max(b.resolution_ns for b in blocks),
        link_types=tuple(link_name(n) for n in links),
        snaplen=max((b.snaplen for b in blocks if b.snaplen), default=None),
        dropped=sum(drops) if drops else None,
        fingerprint=_fingerprint(source.data),
    )


def _fingerprint(data: Buffer) -> bytes:
    ends = bytes(data[:FINGERPRINTED]) + bytes(data[-FINGERPRINTED:])
    return blake2b(len(data).to_bytes(8) + ends, digest_size=32).digest()


def check_unchanged(files: Sequence[CaptureFile], buffers: Sequence[Buffer]) -> None:
    """InputError when the bytes of a file are no longer those that were read first: another program
    wrote over them (a ring of `tcpdump -C -W`). Files that grow are as they were.
    """
    for file, data in zip(files, buffers, strict=False):
        if _fingerprint(data) != file.fingerprint:
            raise InputError(
                "input-changed",
                f"{file.path}: was overwritten while it was read.",
                "Copy it first.",
            )


def _time_jump(path: str, blocks: list[Block], first_frame: int, covered: TimeSpan) -> Diagnostic:
    row = covered.impossible[0]
    seconds = int(together([b.time_ns for b in blocks], "i8")[row]) // SECOND_NS
    date = (
        (datetime(1970, 1, 1) + timedelta(seconds=seconds)).date().isoformat()
        if -MAX_DATE_S < seconds < MAX_DATE_S
        else f"{seconds} s"
    )
    text = (
        f"{path}: the time of a packet ({date}) is impossible beside the others; the time the "
        "capture covers leaves it out."
    )
    return Diagnostic("time-jump", text, len(covered.impossible), first_frame + row)


def _lend_times(blocks: list[Block]) -> None:
    """Sections without a packet get the time of the packet before them, else of the one after."""
    waiting: list[Block] = []
    before: int | None = None
    for block in blocks:
        if any(map(_is_packet, _distinct(block.link))):
            for early in waiting:
                early.time_ns[:] = block.time_ns[0]
            waiting, before = [], int(block.time_ns[-1])
        elif before is None:
            waiting.append(block)
        else:
            block.time_ns[:] = before


def _is_packet(link: int) -> bool:
    return link < NO_PACKET or link == NO_INTERFACE


def _distinct(links: Column) -> list[int]:
    found: set[int] = set()
    for rows in chunks(len(links)):
        part = links[rows]
        found.update(part[:1].tolist() if (part == part[0]).all() else np.unique(part).tolist())
    return sorted(found)


def _diagnostics(path: str, block: Block, first_frame: int) -> list[Diagnostic]:
    """What went wrong in a block: slug, how often, the first frame concerned, and a sentence."""
    records = len(block.offset)
    found = (
        (
            "record-cut",
            1 if block.cut_bytes else 0,
            first_frame + records - 1 if records else None,
            f"the file ends inside a record; its {block.cut_bytes} bytes are no frame.",
        ),
        (
            "garbage-skipped",
            block.resyncs if block.garbage_bytes else 0,
            first_frame + block.first_garbage,
            f"{block.garbage_bytes} bytes make no sense as records and were passed over.",
        ),
        (
            "odd-record-length",
            len(block.clipped),
            first_frame + min(block.clipped, default=0),
            "a record's length is damaged; its packet was cut where the next record begins.",
        ),
        (
            "odd-record-length",
            block.odd_lengths,
            None,
            "records contradict themselves about their length.",
        ),
        (
            "no-timestamps",
            block.untimed,
            None,
            "packets without a time (pcapng simple packets) were given that of the packet before "
            "them.",
        ),
        (
            "capture-dropped",
            block.dropped or 0,
            None,
            f"the capture itself reports {block.dropped} dropped packets.",
        ),
    )
    return [
        Diagnostic(slug, f"{path}: {text}", count, frame)
        for slug, count, frame, text in found
        if count
    ]
