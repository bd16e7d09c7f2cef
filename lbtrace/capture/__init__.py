"""Files on disk → RecordTable (see lbtrace.tables.packets): one row per packet record, in file
order, for all files of a capture point.

`source` makes a path a buffer, `pcap` and `pcapng` find the records in it, `foreign` names what is
neither. Captures glued together with `cat` are read one after the other. Frames are numbered
through all files of the point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from lbtrace.capture import pcap, pcapng
from lbtrace.capture import unsupported_format as foreign
from lbtrace.capture.block import Block
from lbtrace.capture.link_names import LINKS, link_name
from lbtrace.capture.source import Source, open_source
from lbtrace.capture.window import SECOND_NS, Window, window
from lbtrace.errors import InputError
from lbtrace.model.trace import CaptureFile, Diagnostic
from lbtrace.tables.packets import Column, Recording, RecordTable

MAX_SECTIONS = 10_000  # glued together in one file
MAX_DATE_S = 60_000_000_000  # before and after 1970, stays within the years a date can have
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
    recording = Recording(_table([], []), [], ())
    all_blocks: list[Block] = []
    buffers: list[int] = []
    said: list[Diagnostic] = []
    told: dict[tuple[int, str], Diagnostic] = {}
    names: dict[str, dict[str, None]] = {}
    secrets: list[tuple[int, bytes]] = []
    comments: list[tuple[int, str]] = []
    first_frame = 1
    for number, path in enumerate(files):
        source = open_source(path)
        said += source.diagnostics
        blocks = _blocks(source, lambda part, path=path: progress(f"reading {path}", part))  # type: ignore[misc]
        recording.buffers.append(source.data)
        covered = window(_joined([b.time_ns for b in blocks], "i8"))
        recording.files += (_file(source, blocks, first_frame, covered),)
        if covered is not None and covered.impossible:
            said.append(_time_jump(path, blocks, first_frame, covered))
        for block in blocks:
            for found in _diagnostics(path, block, first_frame):
                first = told.setdefault((number, found.slug), found)
                if (
                    first is not found
                ):  # a file of many sections says each thing once, with the sum of its counts
                    told[number, found.slug] = replace(first, count=first.count + found.count)
            secrets += block.secrets
            comments += ((row and first_frame + row - 1, text) for row, text in block.comments)
            for address, known in block.names.items():
                names.setdefault(address, {}).update(known)
            first_frame += len(block.offset)
        all_blocks += blocks
        buffers += [number] * len(blocks)
    recording.records = _table(all_blocks, buffers)
    recording.names = {address: tuple(known) for address, known in names.items()}
    recording.link_names = {n: LINKS[n] for n in _distinct(recording.records.link) if n in LINKS}
    recording.secrets, recording.comments, recording.diagnostics = (
        tuple(secrets),
        tuple(comments),
        (*said, *told.values()),
    )
    return recording


def _blocks(source: Source, progress: Callable[[float], None]) -> list[Block]:
    data, at = source.data, 0

    def section_at(position: int) -> bool:
        room = len(data) - position
        return bool(
            (pcap.magic_order(data, position) and room >= pcap.FILE_HEADER_BYTES)
            or (pcapng.section_order(data, position) and room >= 28)
        )

    if not section_at(0):
        raise foreign.what_is_it(source.path, data)
    blocks: list[Block] = []
    while section_at(at) and len(blocks) < MAX_SECTIONS:
        read_one = pcap.read_pcap if pcap.magic_order(data, at) else pcapng.read_section
        blocks.append(read_one(data, at, section_at, progress))
        at = blocks[-1].end
    if at < len(data):
        blocks[-1].garbage_bytes += len(data) - at
        blocks[-1].resyncs += 1
    return blocks


def _joined(columns: list[Column], kind: str) -> Column:
    return columns[0] if len(columns) == 1 else np.concatenate([np.empty(0, dtype=kind), *columns])


def _table(blocks: list[Block], buffers: list[int]) -> RecordTable:
    return RecordTable(
        time_ns=_joined([b.time_ns for b in blocks], "i8"),
        offset=_joined([b.offset for b in blocks], "i8"),
        captured=_joined([b.captured for b in blocks], "u4"),
        wire=_joined([b.wire for b in blocks], "u4"),
        link=_joined([b.link for b in blocks], "u2"),
        buffer=_joined(
            [
                np.full(len(b.offset), n, dtype=np.uint8)
                for b, n in zip(blocks, buffers, strict=True)
            ],
            "u1",
        ),
    )


def _file(
    source: Source, blocks: list[Block], first_frame: int, covered: Window | None
) -> CaptureFile:
    drops = [b.dropped for b in blocks if b.dropped is not None]
    links = sorted({n for b in blocks for n in _distinct(b.link)})
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
    )


def _time_jump(path: str, blocks: list[Block], first_frame: int, covered: Window) -> Diagnostic:
    row = covered.impossible[0]
    seconds = int(_joined([b.time_ns for b in blocks], "i8")[row]) // SECOND_NS
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


def _distinct(links: Column) -> list[int]:
    if not len(links):
        return []
    return [int(links[0])] if (links == links[0]).all() else np.unique(links).tolist()


def _diagnostics(path: str, block: Block, first_frame: int) -> list[Diagnostic]:
    said = []
    if block.cut_bytes:
        text = f"{path}: the file ends inside a record; its {block.cut_bytes} bytes are no frame."
        said.append(
            Diagnostic(
                "record-cut",
                text,
                1,
                first_frame + len(block.offset) - 1 if len(block.offset) else None,
            )
        )
    if block.garbage_bytes:
        text = f"{path}: {block.garbage_bytes} bytes make no sense as records and were passed over."
        said.append(
            Diagnostic("garbage-skipped", text, block.resyncs, first_frame + block.first_garbage)
        )
    if block.clipped:
        text = (
            f"{path}: a record's length is damaged; its packet was cut where the next record "
            "begins."
        )
        said.append(
            Diagnostic(
                "odd-record-length", text, len(block.clipped), first_frame + min(block.clipped)
            )
        )
    if block.odd_lengths:
        said.append(
            Diagnostic(
                "odd-record-length",
                f"{path}: records contradict themselves about their length.",
                block.odd_lengths,
            )
        )
    if block.untimed:
        text = (
            f"{path}: packets without a time (pcapng simple packets) were given that of the "
            "packet before them."
        )
        said.append(Diagnostic("no-timestamps", text, block.untimed))
    if block.dropped:
        said.append(
            Diagnostic(
                "capture-dropped",
                f"{path}: the capture itself reports {block.dropped} dropped packets.",
                block.dropped,
            )
        )
    return said
