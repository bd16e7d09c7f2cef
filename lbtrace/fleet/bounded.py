"""Two sides with more exchanges than memory holds → one report, compared in slices of time.

    captures ─▶ in_parts ─▶ Traces, each in a file      as in `--max-memory` that needs no slices
    Traces ─▶ indexed ─▶ borders ─▶ slices ─▶ report    as of a fleet, one after the other, here

This is `lbtrace fleet` without a plan and without Dask. What it keeps meanwhile is in a folder that
only its owner may enter, and that is gone afterwards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lbtrace import in_parts
from lbtrace.capture import spool
from lbtrace.capture.on_disk import no_room
from lbtrace.errors import NO_ROOM
from lbtrace.fleet.borders import Border, PointClock, slice_of
from lbtrace.fleet.engine import Local
from lbtrace.fleet.inspected import ShardIndex, indexed
from lbtrace.fleet.plan import Plan, PlannedPoint
from lbtrace.fleet.run import Slicing, place_borders
from lbtrace.fleet.split import SplitPoint
from lbtrace.inspection import inspect_in_parts
from lbtrace.machine_memory import let_go
from lbtrace.model.fleet import FleetReport
from lbtrace.model.net import Side
from lbtrace.model.trace import Trace
from lbtrace.options import Options, Progress, quiet


def compare_in_slices(
    clients: Sequence[Sequence[str]],
    backends: Sequence[Sequence[str]],
    options: Options,
    progress: Progress = quiet,
) -> FleetReport:
    """Capture points of both sides, each a list of files → one report, within `max_memory`.

    Raises InputError when a capture cannot be read, when the limit cannot be kept, and when there
    is no room for what must be kept meanwhile.
    """
    let_go()  # of what was tried before
    with tempfile.TemporaryDirectory(prefix="lbtrace-", dir=spool.folder()) as folder:
        try:
            return _compared(clients, backends, options, folder, progress)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise no_room() from error


def _compared(
    clients: Sequence[Sequence[str]],
    backends: Sequence[Sequence[str]],
    options: Options,
    folder: str,
    progress: Progress,
) -> FleetReport:
    limit = options.max_memory or 0
    asked = [
        (files, side, number)
        for side, points in ((Side.CLIENT, clients), (Side.BACKEND, backends))
        for number, files in enumerate(points)
    ]
    indexes: list[dict[int, ShardIndex]] = [{} for _ in asked]

    def keep(point: int, part: int, trace: Trace) -> None:
        pauses = np.asarray(trace.pauses, np.uint32)
        trace = replace(trace, pauses=pauses, packet_directions=b"")  # type: ignore[arg-type]
        path = os.path.join(folder, f"{point}-{part}.trace")
        indexes[point][part] = indexed(trace, path)

    read = inspect_in_parts(asked, options, keep, progress)
    planned = [PlannedPoint(files[0], side, tuple(files)) for files, side, _ in asked]
    split = [
        SplitPoint(p.files, p.diagnostics, (), (), (), p.parts > 1, str(number))
        for number, p in enumerate(read)
    ]
    plan = Plan(
        "",
        folder,
        tuple(p for p in planned if p.side is Side.CLIENT),
        tuple(p for p in planned if p.side is Side.BACKEND),
        options.keylogs,
        options.clock_offset_ns,
        in_parts.slice_exchanges(limit),
    )
    held = [[of_point[k] for k in sorted(of_point)] for of_point in indexes]
    clocks, found, whole_because = place_borders(plan, planned, split, held)
    if whole_because:
        count = sum(len(i.first_ns) for of_point in held for i in of_point)
        raise in_parts.needs(
            "Nothing tells how far the clocks of the captures are apart, or a clock was set back, "
            "so they are compared at once; that",
            in_parts.BASE_BYTES + in_parts.COMPARED_BYTES * count,
        )
    _check_fits(held, clocks, found, limit)
    stage = Slicing(plan, planned, split, held, clocks, found, options, folder, Local(), False)
    results, _ = stage.results(progress)
    return stage.report(results, (), "")


def _check_fits(
    held: Sequence[Sequence[ShardIndex]],
    clocks: Sequence[PointClock],
    found: Sequence[Border],
    limit: int,
) -> None:
    """InputError when a slice has more exchanges than are compared within the limit: no border
    divides what begins at one time.
    """
    sizes = np.zeros(len(found) + 1, np.int64)
    for of_point, clock in zip(held, clocks, strict=True):
        for index in of_point:
            at = slice_of(found, index.first_ns + clock.shift_ns)
            sizes += np.bincount(at, minlength=len(sizes))
    needed = in_parts.BASE_BYTES + in_parts.COMPARED_BYTES * int(sizes.max())
    if needed > limit:
        raise in_parts.needs(
            f"Comparing {sizes.max()} exchanges that lie close together in time", needed
        )
