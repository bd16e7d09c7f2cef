"""Files of one side → capture points: which files are one rotated capture, and which were taken at
different places.

One machine writes one file after the other; two machines capture at the same time. So files whose
windows do not overlap are one capture point, in order of time, and a connection may span them. A
file that overlaps another is a point of its own. Timestamps may step back a little where one file
of a rotation follows the other, so an overlap of a few milliseconds does not count.

When several machines rotate, a file may follow the files of each of them. It belongs to the point
whose connections go on in it; else to the point whose own address, which is in every packet, it
has, too; else to the point whose file was given before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from lbtrace.capture import read
from lbtrace.decode import segments
from lbtrace.model.net import Endpoint

SEAM_NS = 10_000_000
Progress = Callable[[str, float], None]


class FileEndpoints(NamedTuple):
    """The endpoints in a file."""

    flows: frozenset[tuple[Endpoint, Endpoint]]
    hosts: frozenset[str]  # addresses that every segment is from or to


def points(files: Sequence[str], progress: Progress) -> list[list[str]]:
    """Files of one side, in any order → the files of each capture point, each in order of time.

    A file without a timed frame goes with the point before it. A single file is not opened. Raises
    InputError.
    """
    if len(files) < 2:
        return [list(files)]
    windows: list[tuple[int, int, str]] = []
    empty: list[str] = []
    for path in files:
        file = read([path], progress).files[0]
        if file.first_ns is None or file.last_ns is None:
            empty.append(path)
        else:
            windows.append((file.first_ns, file.last_ns, path))
    place = {path: i for i, path in enumerate(files)}
    endpoints = cache(lambda path: _file_endpoints(path, progress))
    found: list[tuple[int, list[str]]] = []  # (end of its last file, its files)
    for first_ns, last_ns, path in sorted(windows):
        before = [
            i
            for i, (end_ns, _) in enumerate(found)
            if first_ns >= end_ns - SEAM_NS and last_ns > end_ns
        ]
        if not before:
            found.append((last_ns, [path]))
            continue
        i = before[0]
        if len(before) > 1:
            i = max(
                before,
                key=lambda i: (
                    *_kinship(endpoints(found[i][1][-1]), endpoints(path)),
                    place[found[i][1][-1]] == place[path] - 1,
                    -i,
                ),
            )
        found[i] = (last_ns, [*found[i][1], path])
    if not found:
        return [list(files)]
    found[0][1].extend(empty)
    return [rotated for _, rotated in found]


def _kinship(one: FileEndpoints, other: FileEndpoints) -> tuple[int, int]:
    """What speaks for two files being from one machine, the strongest first."""
    return len(one.flows & other.flows), len(one.hosts & other.hosts)


def _file_endpoints(path: str, progress: Progress) -> FileEndpoints:
    flows = frozenset(segments(read([path], progress), progress).flows)
    hosts = [frozenset((a.address, b.address)) for a, b in flows]
    return FileEndpoints(flows, frozenset.intersection(*hosts) if hosts else frozenset())
