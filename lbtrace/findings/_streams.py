"""The HTTP/2 streams of a side, and the control frames about them (RFC 9113)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.model.http import Mark
from lbtrace.model.http2 import ControlFrame, ControlKind
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among
from lbtrace.tables.control_frames import ControlFrames
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import marked

AGAIN_NS = 10_000_000_000  # who sends a request again does so within ten seconds
CAME_AGAIN = " The same request came again within ten seconds for {again} of them."


class Steered(NamedTuple):
    """A control frame. `number`: of its connection; `row`: the exchange on its stream, −1 without
    one.
    """

    trace: Trace
    number: int
    frame: ControlFrame
    row: int

    @property
    def ref(self) -> FrameRef:
        """Where it is."""
        return self.trace.ref(self.frame.frame, self.frame.time_ns)


class Group(NamedTuple):
    """What control frames of one sender and one code have in common."""

    from_client: bool
    code: int


def steered(
    comparison: Comparison, side: Side, kind: ControlKind, code: int | None = None
) -> list[Steered]:
    """The control frames of a type on a side, in order of the capture points and connections. With
    `code` only those of one error code, or one setting.
    """
    found: list[Steered] = []
    for trace, number, frames, row in _columns(comparison, side, kind):
        chosen = np.arange(len(frames)) if code is None else np.flatnonzero(frames.code == code)
        made = frames.make(chosen)  # which keeps none of them
        found += map(Steered, repeat(trace), number[chosen].tolist(), made, row[chosen].tolist())
    return found


def _columns(
    comparison: Comparison, side: Side, kind: ControlKind
) -> Iterator[tuple[Trace, Column, ControlFrames, Column]]:
    """Per capture point its control frames of a type, with the number of the connection of each,
    and the exchange on its stream, −1 without one.
    """
    table = comparison.table(side)
    for trace, first in zip(comparison.traces(side), table.first_connection, strict=True):
        frames = ControlFrames.of(trace.control).of_kind(kind)
        number = frames.connection + np.int64(first)
        yield trace, number, frames, _on_streams(table, number, frames.stream)


def grouped(frames: Iterable[Steered]) -> dict[Group, list[Steered]]:
    """Control frames by who sent them and what error code they have."""
    groups: dict[Group, list[Steered]] = defaultdict(list)
    for each in frames:
        groups[Group(each.frame.from_client, each.frame.code or 0)].append(each)
    return groups


def _on_streams(table: SideTable, connection: Column, stream: Column) -> Column:
    """The exchanges on these streams, −1 where there is none; the last one of a stream."""
    rows = np.flatnonzero(among(table.connection, connection))
    held = _key(table.connection[rows], table.stream[rows])
    order = np.argsort(held, kind="stable")
    held, rows = held[order], rows[order]
    wanted = _key(connection, stream)
    at = np.searchsorted(held, wanted, "right") - 1
    found = np.full(len(wanted), -1)
    known = np.flatnonzero(at >= 0)
    known = known[held[at[known]] == wanted[known]]
    found[known] = rows[at[known]]
    return found


def _key(connection: Column, stream: Column) -> Column:
    """One number for a stream of a connection."""
    key: Column = connection.astype(np.int64) << 32 | stream.astype(np.int64)
    return key


def was_reset(comparison: Comparison, side: Side) -> Column:
    """Per exchange of a side, whether its stream was reset."""
    reset = np.zeros(len(comparison.table(side)), bool)
    for _, _, _, row in _columns(comparison, side, ControlKind.RST_STREAM):
        reset[row[row >= 0]] = True
    return reset


def answered(table: SideTable, rows: Column) -> Column:
    """Which of these exchanges have a response that was not cut short."""
    cut = marked(
        table.responses.marks,
        Mark.RESET,
        Mark.CLOSED,
        Mark.BODY_TRUNCATED,
        Mark.CAPTURE_ENDED,
    )
    whole: Column = table.responses.there[rows] & ~cut[rows]
    return whole


def came_again(table: SideTable, rows: list[int], after_ns: list[int]) -> int:
    """For how many of these requests the same one came from the same host within ten seconds after
    a time, one for each.
    """
    q = table.requests
    client = table.client_address[table.connection]
    keys = np.stack((client, q.method, q.start, q.digest), axis=1)
    wanted = {tuple(key) for key in keys[rows].tolist()}
    like = among(q.start, q.start[rows]) & q.there
    times: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row in np.flatnonzero(like)[np.argsort(q.first_ns[like], kind="stable")].tolist():
        key = tuple(keys[row].tolist())
        if key in wanted:
            times[key].append(int(q.first_ns[row]))
    return sum(
        _one_within(times[tuple(keys[row].tolist())], after)
        for row, after in sorted(zip(rows, after_ns, strict=True), key=lambda one: one[1])
    )


def _one_within(times: list[int], after_ns: int) -> bool:
    """Whether there is a time soon after another; it is taken away, so that it counts once."""
    at = int(np.searchsorted(np.array(times, np.int64), after_ns, "right"))
    if at == len(times) or times[at] - after_ns > AGAIN_NS:
        return False
    del times[at]
    return True


def frames_of(comparison: Comparison, side: Side, those: list[Steered]) -> Iterator[FrameRef]:
    """The first of these control frames, each behind the request of its stream."""
    table = comparison.table(side)
    for each in those[: FRAMES_PER_SIDE // 2]:
        if each.row >= 0 and table.requests.there[each.row]:
            yield comparison.request_frame(side, table.ref(each.row))
        yield each.ref
