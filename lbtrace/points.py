"""Files of one side → capture points: which files are one rotated capture, and which were taken at
different places.

One machine writes one file after the other; two machines capture at the same time. So files whose
windows do not overlap are one capture point, in order of time, and a connection may span them. A
file that overlaps another is a point of its own. Timestamps may step back a little where one file
of a rotation follows the other, so an overlap of a few milliseconds does not count.

On the backend side the servers are the machines. Files in which other servers were connected to are
from several of them, whatever the clocks say: one may have been captured after the other, or its
clock may be hours off. Where nobody says which side files are from, that holds, too, and files that
have no address in common are from several machines.

When several machines rotate, a file may follow the files of each of them. It belongs to the point
whose connections go on in it; else to the point whose own address, which is in every packet, it
has, too; else to the point whose file was given before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from os.path import isdir
from typing import NamedTuple

import numpy as np

from lbtrace.capture import read
from lbtrace.capture.source import captures_in
from lbtrace.decode import segments
from lbtrace.model.net import Endpoint, Side
from lbtrace.options import Progress, check_captures
from lbtrace.tables.columns import distinct
from lbtrace.tables.packets import ACK, RST, SYN

SEAM_NS = 10_000_000
LOOKED_AT = 20_000  # records of a file in which SYNs are looked for


class FileWindow(NamedTuple):
    """The time that a file covers."""

    first_ns: int
    last_ns: int
    path: str


class FirstRecords(NamedTuple):
    """The addresses among the first records of a file."""

    servers: frozenset[str]  # that SYNs go to and SYN-ACKs come from
    addresses: frozenset[str]


class FileEndpoints(NamedTuple):
    """The endpoints in a file."""

    flows: frozenset[tuple[Endpoint, Endpoint]]
    hosts: frozenset[str]  # addresses that every segment is from or to


def points(
    files: Sequence[str], progress: Progress, side: Side | None = Side.CLIENT
) -> list[list[str]]:
    """Files of one side, in any order → the files of each capture point, each in order of time.
    `side` is None if it is not known of which sides they are; then the points are in the order in
    which their files were given.

    A file without a timed frame goes with the first point. A single file is not opened. Raises
    InputError, and OptionError where the files are too many.
    """
    check_captures(files)
    if len(files) < 2:
        return [list(files)]
    windows = _windows(files, progress)
    if not windows:
        return [list(files)]
    endpoints = cache(lambda path: _endpoints(path, progress))
    first = cache(lambda path: _first_records(path, progress))
    found: list[list[FileWindow]] = []
    for window in sorted(windows):
        before = [point for point in found if _follows(window, point[-1])]
        if side is not Side.CLIENT:
            ends = first(window.path)
            before = [p for p in before if not _strangers(ends, first(p[-1].path), side)]
        if not before:
            found.append([window])
        elif len(before) == 1:
            before[0].append(window)
        else:
            kinship = partial(_kinship, window.path, files, endpoints)
            max(before, key=lambda point: kinship(point[-1].path)).append(window)
    rotations = [[window.path for window in point] for point in found]
    timed = {window.path for window in windows}
    rotations[0] += [path for path in files if path not in timed]
    if side is None:
        rotations.sort(key=lambda point: min(map(files.index, point)))
    return rotations


def points_of(given: Sequence[Sequence[str]], side: Side, progress: Progress) -> list[list[str]]:
    """The files of a side, as given → the files of each of its capture points. A directory stands
    for the captures in it.
    """
    every = list(map(_files, given))
    check_captures([path for files in every for path in files])
    return [
        point
        for files in every
        for point in ([list(files)] if "-" in files else points(files, progress, side))
    ]


def _files(given: Sequence[str]) -> list[str]:
    """Files and directories → files."""
    return [f for path in given for f in (captures_in(path) if isdir(path) else [path])]


def points_of_any_side(files: Sequence[str], progress: Progress) -> list[list[str]]:
    """Files in any order → the files of each capture point, in the order given. Standard input is a
    point of its own. A directory stands for the captures in it. No file is one point without any.
    """
    files = _files(files)
    named = [path for path in files if path != "-"]
    found = points(named, progress, None) if named or "-" not in files else []
    if "-" in files:
        at = files.index("-")
        found.insert(sum(min(map(files.index, point)) < at for point in found), ["-"])
    return found


def _windows(files: Sequence[str], progress: Progress) -> list[FileWindow]:
    """The windows of the files that have a timed frame."""
    every = [read([path], progress).files[0] for path in files]
    return [
        FileWindow(file.first_ns, file.last_ns, path)
        for file, path in zip(every, files, strict=True)
        if file.first_ns is not None and file.last_ns is not None
    ]


def _follows(window: FileWindow, before: FileWindow) -> bool:
    """Whether a file may go on where another ends."""
    return window.first_ns >= before.last_ns - SEAM_NS and window.last_ns > before.last_ns


def _kinship(
    path: str, files: Sequence[str], endpoints: Callable[[str], FileEndpoints], before: str
) -> tuple[int, int, bool]:
    """What shows that a file is from the same machine as the one before it, strongest first."""
    one, other = endpoints(before), endpoints(path)
    return (
        len(one.flows & other.flows),
        len(one.hosts & other.hosts),
        files.index(before) == files.index(path) - 1,
    )


def _strangers(one: FirstRecords, other: FirstRecords, side: Side | None) -> bool:
    """Whether two files show that they are not from one machine."""
    if _apart(one.servers, other.servers):
        return True
    return side is None and _apart(one.addresses, other.addresses)


def _apart(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether there are some of both, and none is both."""
    return bool(one and other) and one.isdisjoint(other)


def _first_records(path: str, progress: Progress) -> FirstRecords:
    recording = read([path], progress)
    first = np.arange(min(len(recording.records), LOOKED_AT))
    recording.records = recording.records.taken(first)
    held = segments(recording, progress)
    opening = held.flags & (SYN | ACK | RST)
    lowest = ((opening == SYN) & ~held.forward) | ((opening == SYN | ACK) & held.forward)
    highest = ((opening == SYN) & held.forward) | ((opening == SYN | ACK) & ~held.forward)
    flows = list(held.flows)
    servers = (
        flows[flow][end].address
        for end, rows in enumerate((lowest, highest))
        for flow in distinct(held.flow[rows]).tolist()
    )
    addresses = (end.address for flow in distinct(held.flow).tolist() for end in flows[flow])
    return FirstRecords(frozenset(servers), frozenset(addresses))


def _endpoints(path: str, progress: Progress) -> FileEndpoints:
    flows = frozenset(segments(read([path], progress), progress).flows)
    hosts = [frozenset((a.address, b.address)) for a, b in flows]
    return FileEndpoints(flows, frozenset.intersection(*hosts) if hosts else frozenset())
