"""Capture points of one side or of both → the trace of each.

Points are read side by side, in several processes, if `jobs` allows it. They are read one after the
other where one needs secrets of TLS that another one, or a key log, has.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from lbtrace import tls
from lbtrace.inspection import inspect_with
from lbtrace.model.net import Side
from lbtrace.model.trace import Trace
from lbtrace.options import Options, Progress
from lbtrace.recordings import recordings

_Asked = tuple[Sequence[str], Side, int]  # the files of a point, its side, its number there


def of_both_sides(
    clients: Sequence[Sequence[str]],
    backends: Sequence[Sequence[str]],
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
) -> tuple[tuple[Trace, ...], tuple[Trace, ...]]:
    """The capture points of both sides."""
    asked = _asked(clients, Side.CLIENT) + _asked(backends, Side.BACKEND)
    traces = _points(asked, options, progress, keylogs)
    front, behind = traces[: len(clients)], traces[len(clients) :]
    return (
        _recordings(clients, front, Side.CLIENT, options, progress, keylogs),
        _recordings(backends, behind, Side.BACKEND, options, progress, keylogs),
    )


def of_one_side(
    points: Sequence[Sequence[str]],
    side: Side,
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
) -> tuple[Trace, ...]:
    """The capture points of a side."""
    traces = _points(_asked(points, side), options, progress, keylogs)
    return _recordings(points, traces, side, options, progress, keylogs)


def _recordings(
    points: Sequence[Sequence[str]],
    traces: tuple[Trace, ...],
    side: Side,
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
) -> tuple[Trace, ...]:
    """The capture points of a side. Points that turn out to be one recording, because they hold the
    same packets, are read again as one.
    """
    found = recordings(points, traces, progress)
    if len(found) == len(points):
        return traces
    return _points(_asked(found, side), options, progress, keylogs)


def _asked(points: Sequence[Sequence[str]], side: Side) -> list[_Asked]:
    """The capture points of a side, as `inspect` asks for them."""
    return [(files, side, i) for i, files in enumerate(points)]


def _points(
    asked: list[_Asked], options: Options, progress: Progress, keylogs: tls.KeyLogs
) -> tuple[Trace, ...]:
    """Capture points, one by one; side by side if `jobs` allows it, unless one needs secrets that
    another one, or a key log, has.
    """
    if options.jobs > 1 and len(asked) > 1 and not options.keylogs:
        read = _side_by_side(asked, options, progress)
        if read is not None:
            return read
    return tuple(
        inspect_with(files, side, i, options, progress, keylogs) for files, side, i in asked
    )


def _side_by_side(
    asked: list[_Asked], options: Options, progress: Progress
) -> tuple[Trace, ...] | None:
    """Capture points, read by several processes; None if they have secrets, or cannot be read
    twice.
    """
    from lbtrace import side_by_side

    every = [path for files, _, _ in asked for path in files]
    if not all(map(os.path.isfile, every)):
        return None
    jobs = options.jobs
    options = replace(options, jobs=max(jobs // len(asked), 1))  # for the shards of each

    def read(k: int, progress: Progress) -> tuple[Trace, bool]:
        keylogs = tls.read(())
        trace = inspect_with(*asked[k], options, progress, keylogs)
        return trace, bool(keylogs.secrets)

    sizes = [sum(map(os.path.getsize, files)) for files, _, _ in asked]
    found = side_by_side.results(read, sizes, jobs, progress)
    if any(secrets for _, secrets in found):
        return None
    return tuple(trace for trace, _ in found)
