"""The one page of the fleet: from a plan to its report, stage by stage."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Final

import numpy as np

from lbtrace._version import __version__
from lbtrace.errors import NO_ROOM, OptionError
from lbtrace.fleet import reduced, store
from lbtrace.fleet.borders import Border, PointClock, borders, point_clocks
from lbtrace.fleet.engine import Engine, Task, done
from lbtrace.fleet.inspected import ShardIndex, inspected
from lbtrace.fleet.plan import Plan, PlannedPoint
from lbtrace.fleet.slices import (
    NOTHING_SETTLED,
    Cutting,
    PointParts,
    Settled,
    SettledExchange,
    SliceResult,
    SliceTask,
    cut,
    judge,
    settle,
)
from lbtrace.fleet.split import SplitPoint, split_points
from lbtrace.model.fleet import FleetFile, FleetPoint, FleetReport, SliceSummary
from lbtrace.model.net import Side
from lbtrace.model.trace import SET_BACK, SET_FORWARD, PacketCounts
from lbtrace.options import Options, Progress, quiet
from lbtrace.tables.trace_joining import joined_diagnostics

PARTS: Final = "parts"  # the folder, in the output, of what a further run can use
TABLES: Final = "pairs"  # that of the tables
_TABLE: Final = re.compile(r"slice-\d{4,}\.parquet")
NO_CLOCK: Final = (
    "Nothing tells how far the clocks of all capture points are apart, so nothing was cut: all was "
    "compared at once."
)
SET_CLOCK: Final = (
    "The clock of a capture point was set, so nothing was cut: all was compared at once."
)


def run(plan: Plan, engine: Engine, progress: Progress = quiet) -> FleetReport:
    """What the captures of a plan show. InputError when one cannot be read, OptionError when the
    output folder cannot be used, or has no room.
    """
    try:
        return _found(plan, engine, progress)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise OptionError(
            "output-unwritable",
            f"{plan.output}: {error.strerror}.",
            "It needs about as much room as the captures.",
        ) from error


def _found(plan: Plan, engine: Engine, progress: Progress) -> FleetReport:
    folder = store.prepared(os.path.join(store.prepared(plan.output), PARTS))
    planned = (*plan.clients, *plan.backends)
    split = split_points(
        [point.files for point in planned], plan.shard_bytes, folder, engine, progress
    )
    options = Options(
        clock_offset_ns=plan.clock_offset_ns,
        keylogs=tuple(map(os.path.abspath, (*plan.keylogs, *_secrets(split, folder)))),
    )
    indexes = inspected(planned, split, options, folder, engine, progress)
    clocks, found, whole_because = place_borders(plan, planned, split, indexes)
    stage = Slicing(plan, planned, split, indexes, clocks, found, options, folder, engine)
    results, tables = stage.results(progress)
    return stage.report(results, tables, whole_because)


def _secrets(split: Sequence[SplitPoint], folder: str) -> list[str]:
    """A key log of the secrets that the captures themselves hold, if any; for its owner alone."""
    from lbtrace.tables.packets import TLS_SECRETS

    logs = [data for point in split for kind, data in point.secrets if kind == TLS_SECRETS]
    if not logs:
        return []
    text = b"\n".join(logs) + b"\n"
    path = os.path.join(folder, f"{store.name_of('secrets', text)}.keys")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(text)
    return [path]


def place_borders(
    plan: Plan,
    planned: Sequence[PlannedPoint],
    split: Sequence[SplitPoint],
    indexes: Sequence[Sequence[ShardIndex]],
) -> tuple[list[PointClock], list[Border], str]:
    """The clocks of the points, where to cut, and why nothing is cut though it is wanted."""
    one = [PointClock(0, 0)] * len(planned)
    every = sum(len(i.begins_ns) for of_point in indexes for i in of_point)
    if every <= 2 * plan.slice_exchanges:
        return one, [], ""
    if any(d.slug in (SET_BACK, SET_FORWARD) for point in split for d in point.diagnostics):
        return one, [], SET_CLOCK
    clocks = point_clocks(planned, indexes, plan.clock_offset_ns)
    if clocks is None:
        return one, [], NO_CLOCK
    return clocks, borders(indexes, clocks, plan.slice_exchanges), ""


class Slicing:
    """The stages that cut, and compare what was cut."""

    def __init__(
        self,
        plan: Plan,
        planned: Sequence[PlannedPoint],
        split: Sequence[SplitPoint],
        indexes: Sequence[Sequence[ShardIndex]],
        clocks: Sequence[PointClock],
        found: Sequence[Border],
        options: Options,
        folder: str,
        engine: Engine,
        tables: bool = True,
    ) -> None:
        self.tables = tables and find_spec("pyarrow") is not None
        self.plan, self.planned, self.split, self.indexes = plan, planned, split, indexes
        self.clocks, self.borders = clocks, tuple(found)
        self.options, self.folder, self.engine = options, folder, engine
        self.ran = _when_it_ran(split, clocks)

    def results(self, progress: Progress) -> tuple[list[SliceResult], list[str]]:
        """What each slice shows, and the tables of its pairs."""
        settled = self._settled(progress) if any(b.around_ns for b in self.borders) else {}
        cuttings = self._cuttings(False, settled)
        held = self._cut(cuttings, "cutting slices", progress)
        tables: list[str] = []
        tasks = []
        for number in range(len(self.borders) + 1):
            comparing = self._comparing(number, cuttings, held, *self._times(number))
            path = self._path("judge", comparing)
            if self.tables:
                tables.append(f"{path}.parquet")
                comparing = replace(comparing, table=tables[-1])
            tasks.append(Task(judge, comparing, path, self._size(comparing)))
        found = done(tasks, self.engine, "comparing slices", progress)
        return found, self._named(tables)

    def _named(self, tables: Sequence[str]) -> list[str]:
        """The tables, in the folder for people, by the numbers of their slices. Those of a run
        before go; whatever else is there stays.
        """
        if not tables:
            return []
        folder = store.prepared(os.path.join(self.plan.output, TABLES))
        for old in filter(_TABLE.fullmatch, os.listdir(folder)):
            os.unlink(os.path.join(folder, old))
        named = []
        for number, table in enumerate(tables, 1):
            named.append(os.path.join(folder, f"slice-{number:04}.parquet"))
            try:
                os.link(table, named[-1])
            except OSError:  # a file system without hard links
                shutil.copyfile(table, named[-1])
        return named

    def _path(self, stage: str, key: object) -> str:
        return os.path.join(self.folder, store.name_of(stage, key))

    def _size(self, comparing: SliceTask) -> int:
        points = (*comparing.clients, *comparing.backends)
        return sum(os.path.getsize(path) for p in points for path in p.shards if path)

    def _cuttings(
        self, around: bool, settled: dict[tuple[int, int], Settled]
    ) -> list[list[Cutting]]:
        out: list[list[Cutting]] = []
        for point, (of_point, clock) in enumerate(zip(self.indexes, self.clocks, strict=True)):
            out.append([])
            for shard, index in enumerate(of_point):
                own = settled.get((point, shard), NOTHING_SETTLED)
                key = index.trace, clock, self.borders, around, [c.tolist() for c in own]
                path = self._path("cut", key)
                out[-1].append(Cutting(index.trace, clock, self.borders, around, own, path))
        return out

    def _cut(
        self, cuttings: Sequence[Sequence[Cutting]], what: str, progress: Progress
    ) -> list[list[tuple[bool, ...]]]:
        """Per point and shard, which parts hold anything."""
        tasks = [
            [Task(cut, c, c.path, os.path.getsize(c.trace)) for c in of_point]
            for of_point in cuttings
        ]
        every = iter(done([t for held in tasks for t in held], self.engine, what, progress))
        return [[next(every) for _ in held] for held in tasks]

    def _times(self, number: int) -> tuple[int, int]:
        """When a slice begins and ends, by the clock of the first client point."""
        at = [self.ran[0], *(b.at_ns for b in self.borders), self.ran[1]]
        return at[number], at[number + 1]

    def _comparing(
        self,
        number: int,
        cuttings: Sequence[Sequence[Cutting]],
        held: Sequence[Sequence[tuple[bool, ...]]],
        first_ns: int,
        last_ns: int,
    ) -> SliceTask:
        """The parts of that number, of all points."""
        sides: dict[Side, list[PointParts]] = {Side.CLIENT: [], Side.BACKEND: []}
        for k, point in enumerate(self.planned):
            found, clock = self.split[k], self.clocks[k]
            begin, end = found.window_ns
            window = (
                min(max(begin, first_ns - clock.shift_ns), end),
                max(min(end, last_ns - clock.shift_ns), begin),
            )
            shards = tuple(
                c.part(number) if there[number] else ""
                for c, there in zip(cuttings[k], held[k], strict=True)
            )
            sides[point.side].append(
                PointParts(
                    point.side,
                    len(sides[point.side]),
                    shards,
                    found.files,
                    PacketCounts(sum(f.frames for f in found.files), 0),
                    found.diagnostics,
                    window,
                )
            )
        clients, backends = (tuple(sides[side]) for side in Side)
        return SliceTask(number, clients, backends, self.options)

    def _settled(self, progress: Progress) -> dict[tuple[int, int], Settled]:
        """Of each shard of the backend side, the exchanges that are of another slice than their
        time says.
        """
        cuttings = self._cuttings(True, {})
        held = self._cut(cuttings, "reading around borders", progress)
        clients = [k for k, p in enumerate(self.planned) if p.side is Side.CLIENT]
        backends = [k for k, p in enumerate(self.planned) if p.side is Side.BACKEND]
        shifts = tuple(self.clocks[k].shift_ns for k in clients)
        tasks, numbers = [], []
        for number, border in enumerate(self.borders):
            if not border.around_ns:
                continue
            span = border.at_ns - border.around_ns, border.at_ns + border.around_ns
            comparing = self._comparing(number, cuttings, held, *span)
            if not all(
                any(s for p in points for s in p.shards)
                for points in (comparing.clients, comparing.backends)
            ):
                continue
            argument = comparing, border.at_ns, shifts
            path = self._path("settle", argument)
            tasks.append(Task(settle, argument, path, self._size(comparing)))
            numbers.append(number)
        results = done(tasks, self.engine, "pairing around borders", progress)
        found: dict[tuple[int, int], tuple[dict[int, int], dict[int, int]]] = {}
        for number, exchanges in zip(numbers, results, strict=True):
            for each in exchanges:
                self._add(each, number, backends[each.point], found)
        return {
            at: tuple(  # type: ignore[misc]
                np.array(values, np.int64)
                for slices in own
                for values in (list(slices), list(slices.values()))
            )
            for at, own in found.items()
        }

    def _add(
        self,
        each: SettledExchange,
        number: int,
        point: int,
        found: dict[tuple[int, int], tuple[dict[int, int], dict[int, int]]],
    ) -> None:
        """One exchange whose client exchange is known: it may have to change over the border."""
        own = found.setdefault((point, each.shard), ({}, {}))
        index, clock = self.indexes[point][each.shard], self.clocks[point]
        if each.bare:
            place = np.flatnonzero(index.bare == each.id)
            if not len(place):
                return
            time_ns = int(index.bare_ns[place[0]])
        else:
            time_ns = int(index.first_ns[each.id])
        by_time = sum(b.at_ns <= time_ns + clock.shift_ns for b in self.borders)
        if by_time == number + 1 and not each.after:
            own[each.bare][each.id] = number
        elif by_time == number and each.after:
            own[each.bare][each.id] = number + 1

    def report(
        self, results: Sequence[SliceResult], tables: Sequence[str], whole_because: str
    ) -> FleetReport:
        """The results of all slices as one."""
        verdict, differing = reduced.verdict(results)
        points = {side: self._points(side, results) for side in Side}
        return FleetReport(
            version=__version__,
            engine=self.engine.name,
            clients=points[Side.CLIENT],
            backends=points[Side.BACKEND],
            slices=tuple(self._summary(r) for r in results),
            client_counts=reduced.counts(results, Side.CLIENT),
            backend_counts=reduced.counts(results, Side.BACKEND),
            verdict=verdict,
            differing=differing,
            pairs=reduced.pairs(results),
            by_points=reduced.by_points(results),
            unpaired=reduced.unpaired(results),
            changes=reduced.changes(results),
            latency=reduced.latency(results),
            findings=reduced.findings(results),
            slowest=reduced.slowest(results),
            clocks=tuple((r.number, c) for r in results for c in r.report.correlation.clocks),
            cut=reduced.cut_connections(results),
            whole_because=whole_because,
            tables=tuple(tables),
        )

    def _points(self, side: Side, results: Sequence[SliceResult]) -> tuple[FleetPoint, ...]:
        out = []
        for k, point in enumerate(self.planned):
            if point.side is not side:
                continue
            found, indexes = self.split[k], self.indexes[k]
            out.append(
                FleetPoint(
                    point.name,
                    side,
                    tuple(FleetFile(f.path, f.frames, f.first_ns, f.last_ns) for f in found.files),
                    sum(f.frames for f in found.files),
                    sum(i.decoded for i in indexes),
                    sum(i.connections for i in indexes),
                    sum(len(i.first_ns) for i in indexes),
                    len(indexes),
                    tuple(
                        d.text
                        for d in joined_diagnostics(
                            (*found.diagnostics, *(d for i in indexes for d in i.diagnostics))
                        )
                    ),
                )
            )
        return tuple(out)

    def _summary(self, result: SliceResult) -> SliceSummary:
        first_ns, last_ns = self._times(result.number)
        return SliceSummary(
            result.number,
            first_ns,
            last_ns,
            result.report.verdict,
            *result.exchanges,
            sum(count for *_, count in result.by_tier),
            self._command(first_ns, last_ns),
        )

    def _command(self, first_ns: int, last_ns: int) -> str:
        """The command that compares the files of a slice; "" where `compare` takes no such
        captures: those of a balancer beside others, or of one side alone.
        """
        files = {
            k: [
                f.path
                for f in self.split[k].files
                if f.first_ns is not None
                and f.last_ns is not None
                and f.first_ns + self.clocks[k].shift_ns <= last_ns
                and f.last_ns + self.clocks[k].shift_ns >= first_ns
            ]
            for k in range(len(self.planned))
        }
        if any(point.on_balancer for point in self.planned):
            words = self._on_balancer(files)
        else:
            words = self._of_sides(files)
        if not words:
            return ""
        if self.plan.clock_offset_ns is not None:
            words.append(f"--clock-offset={self.plan.clock_offset_ns}ns")
        words += (f"--keylog={os.path.abspath(path)}" for path in self.plan.keylogs)
        return shlex.join(["lbtrace", "compare", *words])

    def _of_sides(self, files: Mapping[int, Sequence[str]]) -> list[str]:
        words: list[str] = []
        for side in Side:
            given = [f for k, p in enumerate(self.planned) if p.side is side for f in files[k]]
            if not given:
                return []
            words += (f"--{side.value}", *given)
        return words

    def _on_balancer(self, files: Mapping[int, Sequence[str]]) -> list[str]:
        """Of one balancer, which is a point of each side."""
        point = self.planned[0]
        if len(self.planned) > 2 or not files[0]:
            return []
        words = [word for path in files[0] for word in ("--lb", path)]
        words += (word for each in point.addresses for word in ("--lb-address", each))
        return words + [word for each in point.ports for word in ("--lb-port", str(each))]


def _when_it_ran(split: Sequence[SplitPoint], clocks: Sequence[PointClock]) -> tuple[int, int]:
    """The times of the first and the last frame of all, by the clock of the first client point."""
    spans = [
        (point.window_ns[0] + clock.shift_ns, point.window_ns[1] + clock.shift_ns)
        for point, clock in zip(split, clocks, strict=True)
        if any(point.window_ns)
    ]
    return min((s[0] for s in spans), default=0), max((s[1] for s in spans), default=0)
