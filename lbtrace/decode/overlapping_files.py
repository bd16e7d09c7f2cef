"""Files that hold the same packets at the same times: a file given twice, a copy, parts of one
recording that overlap.

    several files of one capture point     which rows are to be left out: a packet counts once. Of
                                           its rows the one with the most bytes stays, in doubt that
                                           of the earlier file
    two capture points of a side           whether they are one recording

Two machines do not write the same packet at the same nanosecond. Where the resolution of the files
differs, the coarser one is used.

Invariant: of a packet that one file alone holds, no row is left out, however often the file has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from lbtrace.decode.duplicates import EQUAL
from lbtrace.model.trace import CaptureFile
from lbtrace.tables.columns import Column
from lbtrace.tables.packets import SegmentTable
from lbtrace.tables.words import joint

SHARED: Final = 0.9  # of the packets that the smaller of two points has at the time of both


def overlap(files: Sequence[CaptureFile]) -> bool:
    """Whether a file begins before the one in front of it ends."""
    covered = [(f.first_ns, f.last_ns) for f in files]
    spans = [(first, last) for first, last in covered if first is not None and last is not None]
    return any(first <= last for (_, last), (first, _) in pairwise(spans))


def in_another_file(columns: Mapping[str, Column], files: Sequence[CaptureFile]) -> Column:
    """Row numbers of segments that another file holds as well, without the one that stays."""
    resolution_ns = max(file.resolution_ns for file in files)
    starts = np.array([file.first_frame for file in files], np.int64)
    file = np.searchsorted(starts, columns["frame"], "right") - 1
    packet = joint(columns["time_ns"] // resolution_ns, *(columns[name] for name in EQUAL))
    # of equal packets the longest first, then that of the earliest file
    order = np.lexsort((file, -columns["length"].astype(np.int64), packet))
    ordered = packet[order]
    first = np.append(ordered[:1] == ordered[:1], ordered[1:] != ordered[:-1])
    kept_in = file[order][np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    again: Column = np.sort(order[file[order] != kept_in])
    return again


def same_recording(one: SegmentTable, other: SegmentTable, resolution_ns: int) -> bool:
    """Whether two capture points hold the same packets at the time that both cover."""
    if not len(one) or not len(other):
        return False
    begin = max(int(table.time_ns.min()) for table in (one, other))
    end = min(int(table.time_ns.max()) for table in (one, other))
    held = [_packets(table, begin, end, resolution_ns) for table in (one, other)]
    fewer = min(len(part) for part in held)
    both = len(held[0] & held[1])
    return both > 0 and both >= SHARED * fewer


def _packets(
    table: SegmentTable, begin: int, end: int, resolution_ns: int
) -> set[tuple[int, int, int, int]]:
    """The segments of a time, each as what tells it from others."""
    inside = (table.time_ns >= begin) & (table.time_ns <= end)
    columns = (table.time_ns // resolution_ns, table.seq, table.ack, table.wire_length)
    return set(zip(*(column[inside].tolist() for column in columns), strict=True))
