"""Captures → captures without credentials, of the same packets: what lbtrace says of them stays the
same, but for the values that are masked.

    captures ─▶ streams ─▶ exchanges ─▶ credentials (1) ─▶ a plan for each stream (2) ─▶ packets
                                                        ─▶ files ─▶ search (3)

1. The heads of all captures are masked once, only to learn every credential there is.
2. The heads are masked again, and what was learned is masked wherever else it stands: in a body, in
   the URL of a redirect, in another field.
3. The files that were written are searched for every credential: in their bytes, in their streams,
   in the Huffman code of HTTP/2, and in the decoded forms of `search.forms`. If one is found no
   file is left behind.

All files of a run share a key that is drawn for the run (or given): equal values have equal masks
on both sides. Nothing keeps the key.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from lbtrace import capture, decode, http
from lbtrace.capture.writing import MICROSECOND_NS, WrittenRecord, pcap, pcapng
from lbtrace.errors import InputError
from lbtrace.guard import unfinished
from lbtrace.http.cursor import StreamPieces
from lbtrace.model.http import Application, Exchange
from lbtrace.model.trace import CaptureFile
from lbtrace.options import DEFAULT, Progress, quiet
from lbtrace.redact.address_masks import AddressMask
from lbtrace.redact.connection_plans import ConnectionPlans
from lbtrace.redact.heads import HeadMask
from lbtrace.redact.packets import PointPackets
from lbtrace.redact.same_length import SameLengthMask
from lbtrace.redact.search import (
    CredentialSearch,
    can_be_searched,
    forms,
    in_huffman_code,
    is_telling,
)
from lbtrace.tables.packets import Recording
from lbtrace.tcp import in_time_order
from lbtrace.tcp.connections import placed

_SUFFIXES: Final = (".gz", ".zst", ".lz4", ".xz", ".bz2")


@dataclass(slots=True)
class Redacted:
    """What was done: the files written (input, output), credentials, and what was blanked."""

    files: list[tuple[str, str]] = field(default_factory=list)
    credentials: int = 0
    too_ordinary: int = 0  # of these, those that are not looked for in the result
    stream_bytes: int = 0
    conflicts: int = 0
    blocks: int = 0
    packets: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


class _PointOfRun:
    """A capture point, read as far as its exchanges."""

    def __init__(self, files: Sequence[str], progress: Progress) -> None:
        self.recording: Recording = capture.read(files, progress)
        self.segments = in_time_order(decode.segments(self.recording, progress, copies=True))
        connections, self.streams, self.stream, self.pieces = placed(self.segments)
        carried = http.exchanges(connections, self.streams, DEFAULT, progress)
        self.applications: list[Application] = carried.applications
        self.exchanges: Sequence[Exchange] = carried.exchanges
        self.views = StreamPieces(self.streams)

    def plans(self, mask: HeadMask, key: bytes, bodies: bool) -> ConnectionPlans:
        """What plans its streams."""
        return ConnectionPlans(self.views, self.applications, self.exchanges, mask, key, bodies)


def redact(
    points: Sequence[Sequence[str]],
    folder: str,
    key: bytes,
    *,
    bodies: bool = False,
    addresses: bool = False,
    progress: Progress = quiet,
) -> Redacted:
    """The files of capture points → files of the same names in a folder. `bodies` and `addresses`:
    whether these are masked, too. Raises InputError, also when the last search finds a credential.
    """
    read = [_PointOfRun(files, progress) for files in points]
    credentials = SameLengthMask(key)
    mask = HeadMask(credentials, AddressMask(key) if addresses else None)
    for point in read:
        plans = point.plans(mask, key, bodies)
        for stream in range(len(point.streams)):
            plans.plan(stream)
    said = frozenset(mask.said)
    secrets = [s.encode("latin-1") for s in credentials.hidden if s.strip()]
    changed = [s for s in secrets if credentials.hidden[s.decode("latin-1")] != s.decode("latin-1")]
    sought = [s for s in changed if can_be_searched(s, said)]
    mask.learned(CredentialSearch(sought))
    done = Redacted(credentials=len(changed), too_ordinary=len(changed) - len(sought))
    with ExitStack() as undo:
        written: list[tuple[str, str, str]] = []
        taken: set[str] = set()
        for point in read:
            places = [_place(folder, file.path, taken) for file in point.recording.files]
            for _, beside, _ in places:
                undo.enter_context(unfinished(beside))
            _write_point(point, places, mask, key, bodies, done)
            written += places
        _check(written, points, sought, progress)
        for given, beside, name in written:
            os.replace(beside, name)
            done.files.append((given, name))
    return done


def _write_point(
    point: _PointOfRun,
    places: Sequence[tuple[str, str, str]],
    mask: HeadMask,
    key: bytes,
    bodies: bool,
    done: Redacted,
) -> None:
    """Write the files of a point: (input, beside its place, its place)."""
    plans = point.plans(mask, key, bodies)
    packets = PointPackets(
        point.recording,
        point.segments,
        point.streams,
        point.stream,
        point.pieces,
        mask.addresses,
        key,
    )
    for stream in range(len(point.streams)):
        plan = packets.plans[stream] = plans.plan(stream)
        for begin, data in _runs(point.views, stream):
            for at, secret in mask.found(data):
                plan.mark(begin + at, mask.unknown(secret))
    records = _FileByFile(packets.written())
    for number, file in enumerate(point.recording.files):
        with open(places[number][1], "xb") as out:
            unit_ns = _unit_ns(point.recording, number)
            out.writelines(_parts(file, records.of(number), unit_ns))
    _count(done, packets, plans, point.recording)


class _FileByFile:
    """Records of several files, one file after the other."""

    def __init__(self, records: Iterator[tuple[int, WrittenRecord]]) -> None:
        self._records = records
        self._next: tuple[int, WrittenRecord] | None = next(records, None)

    def of(self, number: int) -> Iterator[WrittenRecord]:
        """The records of the next file."""
        while self._next is not None and self._next[0] == number:
            yield self._next[1]
            self._next = next(self._records, None)


def _unit_ns(recording: Recording, number: int) -> int:
    """The unit for the times of a file. Its interfaces may have several; what it states of its
    resolution is that of the coarsest.
    """
    table = recording.records
    between = table.time_ns[table.buffer == number] % MICROSECOND_NS
    return 1 if between.any() else recording.files[number].resolution_ns


def _parts(file: CaptureFile, records: Iterator[WrittenRecord], unit_ns: int) -> Iterator[bytes]:
    if file.format == "pcapng":
        return pcapng(records, unit_ns, file.snaplen, file.dropped)
    return pcap(records, unit_ns, file.snaplen)


def _place(folder: str, path: str, taken: set[str]) -> tuple[str, str, str]:
    """Where a file goes: by its own name, without that of a compression; one that is taken gets a
    number.
    """
    name = "stdin.pcap" if path == "-" else os.path.basename(path)
    if name.endswith(_SUFFIXES):
        name = name.rpartition(".")[0]
    stem, suffix = os.path.splitext(name)
    number = 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name)
    beside = os.path.join(folder, f".{name[:100]}.{os.getpid()}.part")
    return path, beside, os.path.join(folder, name)


def _runs(pieces: StreamPieces, stream: int) -> Iterator[tuple[int, bytes]]:
    """The stretches of a stream without a gap: (offset, bytes)."""
    parts: list[bytes] = []
    begin = at = 0
    for row in range(pieces.first[stream], pieces.first[stream + 1]):
        if parts and pieces.start[row] != at:
            yield begin, b"".join(parts)
            parts = []
        if not parts:
            begin = at = pieces.start[row]
        where, size = pieces.payload[row], pieces.length[row]
        parts.append(bytes(pieces.buffers[pieces.buffer[row]][where : where + size]))
        at += size
    if parts:
        yield begin, b"".join(parts)


def _count(
    done: Redacted, packets: PointPackets, plans: ConnectionPlans, recording: Recording
) -> None:
    done.stream_bytes += packets.blanked.stream_bytes
    done.conflicts += packets.blanked.conflicts
    done.packets += packets.blanked.packets
    done.blocks += plans.blocks_blanked
    done.left_out["comments"] += len(recording.comments)
    done.left_out["names"] += len(recording.names)
    done.left_out["secrets"] += len(recording.secrets)


def _check(
    written: Sequence[tuple[str, str, str]],
    points: Sequence[Sequence[str]],
    sought: Sequence[bytes],
    progress: Progress,
) -> None:
    """InputError when a credential stands in a file that was written."""
    every = {form for secret in sought for form in forms(secret)}
    every |= {code for secret in sought for code in in_huffman_code(secret)}
    search = CredentialSearch(filter(is_telling, every))
    at = 0
    for files in points:
        beside = [path for _, path, _ in written[at : at + len(files)]]
        names = [name for _, _, name in written[at : at + len(files)]]
        at += len(files)
        recording = capture.read(beside, progress)
        hits = [next(search.found(buffer), None) for buffer in recording.buffers]
        table = in_time_order(decode.segments(recording, progress, copies=True))
        streams = StreamPieces(placed(table)[1])
        for stream in range(len(streams.first) - 1):
            hits += (next(search.found(data), None) for _, data in _runs(streams, stream))
        if any(hits):
            raise InputError(
                "credential-left",
                f"{names[0]}: a credential still stands in what would be written; no file was.",
                "If the capture is not damaged, please report this, without the capture.",
            )
