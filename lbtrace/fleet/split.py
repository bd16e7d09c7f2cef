"""Files of a capture point → shards: captures that hold all packets of some connections.

Files that follow each other are a lot, and a lot is a task: it writes a capture for each shard, and
says where each of its frames was. A point is divided into shards only if nothing joins its
connections (`decode.shards.divisible`) and its files follow each other in time; otherwise it is one
shard, and read as `compare` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from lbtrace import capture, decode
from lbtrace.capture import writing
from lbtrace.decode.shards import divisible, shard_of_frames
from lbtrace.fleet import store
from lbtrace.fleet.engine import Engine, Task, done
from lbtrace.guard import unfinished
from lbtrace.model.trace import CaptureFile, Diagnostic
from lbtrace.options import Progress, quiet
from lbtrace.tables.columns import Column
from lbtrace.tables.packets import MOST_BACK_NS, NO_PACKET, Recording

MOST_LOTS: Final = 200  # of a point: each is a file of every shard, and a capture has at most 255
MOST_SHARDS: Final = 64
LOT_BYTES: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class Lot:
    """Files of a capture point, in order, that one task splits. Its captures are written to `path`
    and the number of the shard.
    """

    files: tuple[str, ...]
    shards: int
    path: str

    def capture_of(self, shard: int) -> str:
        """Where the capture of a shard is."""
        return f"{self.path}.{shard}.pcap"


class SplitLot(NamedTuple):
    """What splitting a lot found. Files, diagnostics and frames are numbered from the first frame
    of the lot, 1. `frames` are those of each shard.
    """

    files: tuple[CaptureFile, ...]
    diagnostics: tuple[Diagnostic, ...]
    secrets: tuple[tuple[int, bytes], ...]
    divisible: bool
    frames: tuple[Column, ...]


class SplitPoint(NamedTuple):
    """A capture point, split. `files` and `diagnostics` are of the whole point. Of each shard: its
    captures, and for each of these the file that has its SplitLot, and the number of frames of the
    point in front of it.
    """

    files: tuple[CaptureFile, ...]
    diagnostics: tuple[Diagnostic, ...]
    secrets: tuple[tuple[int, bytes], ...]
    captures: tuple[tuple[str, ...], ...]
    lots: tuple[tuple[tuple[str, int], ...], ...]
    divided: bool
    key: str

    @property
    def window_ns(self) -> tuple[int, int]:
        """When it ran: the times of its first and last frame."""
        return (
            min((f.first_ns for f in self.files if f.first_ns is not None), default=0),
            max((f.last_ns for f in self.files if f.last_ns is not None), default=0),
        )


def split_points(
    points: Sequence[Sequence[str]],
    shard_bytes: int,
    folder: str,
    engine: Engine,
    progress: Progress,
) -> list[SplitPoint]:
    """Capture points, each a list of files → the points in shards. The files may stand in any
    order.
    """
    known = {path: store.content_of(path) for files in points for path in files}
    ordered = [list(files) for files in points]
    shards = [
        min(max(-(-sum(map(os.path.getsize, files)) // shard_bytes), 1), MOST_SHARDS)
        for files in ordered
    ]
    found = _split(ordered, shards, known, folder, engine, progress)
    again: list[int] = []
    for k, lots in enumerate(found):
        files = [f for _, lot in lots for f in lot.files]
        in_time = sorted(files, key=lambda f: (f.first_ns is not None, f.first_ns or 0))
        whole = shards[k] > 1 and not _divisible(in_time, lots)
        if whole or in_time != files:
            paths = dict(zip(map(id, files), ordered[k], strict=True))
            ordered[k] = [paths[id(f)] for f in in_time]
            shards[k] = 1 if whole else shards[k]
            again.append(k)
    held = [ordered[k] for k in again], [shards[k] for k in again]
    second = _split(*held, known, folder, engine, progress, apart=True)
    for k, lots in zip(again, second, strict=True):
        found[k] = lots
    return [
        _point(lots, shards[k], tuple(known[path] for path in ordered[k]))
        for k, lots in enumerate(found)
    ]


_Lots = list[tuple[Lot, SplitLot]]


def _split(
    points: Sequence[Sequence[str]],
    shards: Sequence[int],
    known: dict[str, str],
    folder: str,
    engine: Engine,
    progress: Progress,
    apart: bool = False,
) -> list[_Lots]:
    """The lots of each point. `apart`: each file is a lot, so that files that overlap are seen."""
    lots: list[list[Lot]] = []
    for files, count in zip(points, shards, strict=True):
        lots.append([])
        for held in _in_lots(files, apart and len(files) <= MOST_LOTS):
            content = [(os.path.abspath(path), known[path]) for path in held]
            path = os.path.join(folder, store.name_of("split", content, count))
            lots[-1].append(Lot(tuple(map(os.path.abspath, held)), count, path))
    every = [lot for of_point in lots for lot in of_point]
    tasks = [Task(split, lot, lot.path, sum(map(os.path.getsize, lot.files))) for lot in every]
    results = dict(zip(every, done(tasks, engine, "splitting captures", progress), strict=True))
    return [[(lot, results[lot]) for lot in of_point] for of_point in lots]


def _in_lots(files: Sequence[str], apart: bool) -> list[list[str]]:
    """Files that follow each other, in lots of some size."""
    if apart:
        return [[path] for path in files]
    sizes = [os.path.getsize(path) for path in files]
    most = max(LOT_BYTES, sum(sizes) // (MOST_LOTS // 2))
    lots: list[list[str]] = []
    room = 0
    for path, size in zip(files, sizes, strict=True):
        if not lots or size > room:
            lots.append([])
            room = most
        lots[-1].append(path)
        room -= size
    return lots


def _divisible(files: Sequence[CaptureFile], lots: _Lots) -> bool:
    """Whether the connections of a point can be read apart: those of each lot can, and its files,
    in order of time, follow each other.
    """
    held = [f for f in files if f.first_ns is not None and f.last_ns is not None]
    back = (
        one.last_ns - other.first_ns  # type: ignore[operator]
        for one, other in pairwise(held)
    )
    return all(lot.divisible for _, lot in lots) and all(ns <= MOST_BACK_NS for ns in back)


def split(lot: Lot) -> SplitLot:
    """Split the files of a lot. InputError when one cannot be read; then no capture is left."""
    beside = [f"{lot.capture_of(k)}.{os.getpid()}.part" for k in range(lot.shards)]
    with ExitStack() as undo:
        for path in beside:
            undo.enter_context(unfinished(path))
        return _split_into(lot, beside)


def _split_into(lot: Lot, beside: Sequence[str]) -> SplitLot:
    """Split the files of a lot. The capture of each shard is written beside its place, and moved
    there when all are complete.
    """
    files: list[CaptureFile] = []
    diagnostics: list[Diagnostic] = []
    secrets: list[tuple[int, bytes]] = []
    frames: list[list[Column]] = [[] for _ in range(lot.shards)]
    whole, first = True, 1
    for path in beside:
        open(path, "wb").close()
    for path in lot.files:
        recording = capture.read([path], quiet)
        segments = decode.segments(recording, quiet, copies=True)
        whole = whole and divisible(segments)
        of = shard_of_frames(segments, len(recording.records), lot.shards)
        for shard in range(lot.shards):
            rows = np.flatnonzero(of == shard)
            if len(rows):
                with open(beside[shard], "ab") as out:
                    out.writelines(_records(recording, rows))
                frames[shard].append(rows + first)
        capture.check_unchanged(recording.files, recording.buffers)
        files.append(replace(recording.files[0], first_frame=first))
        diagnostics += (
            replace(d, frame=d.frame and d.frame + first - 1) for d in recording.diagnostics
        )
        secrets += recording.secrets
        first += len(recording.records)
    for shard, path in enumerate(beside):
        if not frames[shard]:
            with open(path, "wb") as out:
                out.writelines(writing.pcap((), 1, None))
        os.replace(path, lot.capture_of(shard))
    nothing = np.zeros(0, np.int64)
    return SplitLot(
        tuple(files),
        tuple(diagnostics),
        tuple(secrets),
        whole,
        tuple(np.concatenate([nothing, *held]) for held in frames),
    )


def _records(recording: Recording, rows: Column) -> Iterator[bytes]:
    """Records of a file, as a capture."""
    held = recording.records
    columns = (held.time_ns, held.offset, held.captured, held.wire, held.link, held.buffer)
    file = recording.files[0]
    records = (
        writing.WrittenRecord(time_ns, bytes(recording.buffers[buffer][at : at + size]), wire, link)
        for time_ns, at, size, wire, link, buffer in zip(
            *(column[rows].tolist() for column in columns), strict=True
        )
    )
    if (held.link[rows] >= NO_PACKET).any():
        return writing.pcapng(records, file.resolution_ns, file.snaplen)
    return writing.pcap(records, file.resolution_ns, file.snaplen)


def _point(lots: _Lots, shards: int, content: tuple[str, ...]) -> SplitPoint:
    files: list[CaptureFile] = []
    diagnostics: list[Diagnostic] = []
    captures: list[list[str]] = [[] for _ in range(shards)]
    held_lots: list[list[tuple[str, int]]] = [[] for _ in range(shards)]
    first = 0
    for lot, found in lots:
        files += (replace(f, first_frame=f.first_frame + first) for f in found.files)
        diagnostics += (replace(d, frame=d.frame and d.frame + first) for d in found.diagnostics)
        for shard, held in enumerate(found.frames):
            if len(held):
                captures[shard].append(lot.capture_of(shard))
                held_lots[shard].append((lot.path, first))
        first += sum(f.frames for f in found.files)
    for shard, held_captures in enumerate(captures):
        if not held_captures:
            held_captures.append(lots[0][0].capture_of(shard))
            held_lots[shard].append((lots[0][0].path, 0))
    return SplitPoint(
        tuple(files),
        tuple(diagnostics),
        tuple(secret for _, found in lots for secret in found.secrets),
        tuple(map(tuple, captures)),
        tuple(map(tuple, held_lots)),
        shards > 1,
        store.name_of("point", content, shards),
    )
