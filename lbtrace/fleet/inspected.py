"""A shard → its Trace, kept in a file, and an ShardIndex: what is needed to cut it into slices.

The index has a few numbers for each exchange, and the values that occur once in the shard. A value
that occurs once on each side tells how far two clocks are apart.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import xxhash

from lbtrace.fleet import store
from lbtrace.fleet.engine import Engine, Task, done
from lbtrace.fleet.plan import PlannedPoint
from lbtrace.fleet.split import SplitPoint
from lbtrace.inspection import inspect_shard
from lbtrace.model.net import Side
from lbtrace.model.trace import Diagnostic, Trace
from lbtrace.options import Options, Progress
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.messages import Messages
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import side_table
from lbtrace.tables.trace_parts import IN_NONE, exchange_spans, parts
from lbtrace.tables.words import Words

MIN_VALUE: Final = 8  # characters of a field value that may be one of a kind
MOST_VALUES: Final = 50_000  # kept of a shard: those with the smallest digests, the same everywhere


@dataclass(frozen=True, slots=True)
class PointShard:
    """A shard of a capture point, to be inspected. The trace is written to `path`.trace."""

    captures: tuple[str, ...]
    lots: tuple[tuple[str, int], ...]  # as in SplitPoint
    place: int  # which shard it is of its point
    point: PlannedPoint
    number: int  # of the capture point on its side
    options: Options
    path: str

    @property
    def trace(self) -> str:
        """Where its trace is."""
        return f"{self.path}.trace"


class ShardIndex(NamedTuple):
    """What a shard holds: per exchange when it begins and ends; of each connection without an
    exchange its id and when it begins (`bare`, `bare_ns`); values that occur once, as digests, and
    when. Times are those of the capture point. `trace`: the file of the trace. `decoded`: its
    segments.
    """

    trace: str
    decoded: int
    diagnostics: tuple[Diagnostic, ...]
    connections: int
    first_ns: Column
    last_ns: Column
    bare: Column
    bare_ns: Column
    values: Column
    values_ns: Column

    @property
    def begins_ns(self) -> Column:
        """When exchanges begin, and connections without any."""
        return np.concatenate((self.first_ns, self.bare_ns))


def inspected(
    planned: Sequence[PlannedPoint],
    split: Sequence[SplitPoint],
    options: Options,
    folder: str,
    engine: Engine,
    progress: Progress,
) -> list[list[ShardIndex]]:
    """The capture points of both sides, in shards → the index of each shard."""
    keylogs = [store.content_of(path) for path in options.keylogs]
    number = {Side.CLIENT: 0, Side.BACKEND: 0}
    tasks: list[list[Task]] = []
    for point, found in zip(planned, split, strict=True):
        tasks.append([])
        for k, (captures, lots) in enumerate(zip(found.captures, found.lots, strict=True)):
            key = "inspect", found.key, k, found.files, keylogs, options.decode_content, point
            path = os.path.join(folder, store.name_of(*key, number[point.side]))
            shard = PointShard(captures, lots, k, point, number[point.side], options, path)
            tasks[-1].append(Task(inspect, shard, path, sum(map(os.path.getsize, captures))))
        number[point.side] += 1
    every = done([t for of_point in tasks for t in of_point], engine, "reading shards", progress)
    results = iter(every)
    return [[next(results) for _ in of_point] for of_point in tasks]


def inspect(shard: PointShard) -> ShardIndex:
    """Read a shard. InputError when its captures cannot be read."""
    frames = [store.read(path).frames[shard.place] + first for path, first in shard.lots]
    trace = inspect_shard(
        shard.captures, np.concatenate(frames), shard.point.side, shard.number, shard.options
    )
    trace = replace(trace, pauses=np.asarray(trace.pauses, np.uint32), packet_directions=b"")  # type: ignore[arg-type]
    if shard.point.on_balancer:
        trace = _of_side(trace, shard.point)
    return indexed(trace, shard.trace)


def indexed(trace: Trace, path: str) -> ShardIndex:
    """Keep a trace in a file → its index."""
    spans = exchange_spans(trace)
    connections = ConnectionTable.of(trace.connections)
    bare = np.flatnonzero(np.bincount(spans.connection, minlength=len(connections)) == 0)
    values, values_ns = _single_values(trace)
    store.write(path, trace)
    return ShardIndex(
        path,
        trace.packets.decoded,
        trace.diagnostics,
        len(connections),
        spans.first_ns,
        spans.last_ns,
        bare,
        connections.first_ns[bare],
        values,
        values_ns,
    )


def _of_side(trace: Trace, point: PlannedPoint) -> Trace:
    """Of a capture that was taken on the balancer, the connections of one side: those that it took
    are in front.
    """
    front = np.array(
        [
            (not point.ports or c.server.port in point.ports)
            and (not point.addresses or c.server.address in point.addresses)
            and not (point.addresses and not point.ports and c.client.address in point.addresses)
            for c in trace.connections
        ],
        bool,
    )
    of_connection = np.where(front == (point.side is Side.CLIENT), 0, IN_NONE)
    spans = exchange_spans(trace)
    return parts(trace, spans, of_connection[spans.connection], of_connection, 1)[0].trace


def _single_values(trace: Trace) -> tuple[Column, Column]:
    """Digests of the values that occur in one exchange or connection of a trace, and when they do:
    field values, targets, bodies, sequence numbers, client randoms of TLS.
    """
    words = Words()
    table = side_table([trace], words)
    digests: list[Column] = []
    times: list[Column] = []
    for messages in (table.requests, table.responses):
        for found, rows in _single_texts(table, messages):
            digests.append(found)
            times.append(messages.first_ns[rows])
    connections = ConnectionTable.of(trace.connections)
    isn = connections.ends.isn.reshape(-1, 2)
    rows = np.flatnonzero((isn >= 0).all(axis=1) & (connections.syns > 0))
    digests.append(_digests([f"isn {one} {other}" for one, other in isn[rows].tolist()]))
    times.append(connections.first_ns[rows])
    hellos = [a.tls for a in trace.applications if a.tls is not None and a.tls.time_ns]
    digests.append(_digests([f"hello {hello.random}" for hello in hellos]))
    times.append(np.array([hello.time_ns for hello in hellos], np.int64))
    every, at = np.concatenate(digests), np.concatenate(times)
    found, first, count = np.unique(every, return_index=True, return_counts=True)
    once = np.flatnonzero(count == 1)[:MOST_VALUES]
    return found[once], at[first[once]]


def _single_texts(table: SideTable, messages: Messages) -> list[tuple[Column, Column]]:
    """(digests, exchanges) of field lines, and of targets and bodies, that one message has."""
    words = table.words
    line = messages.heads.line
    count = np.bincount(line, minlength=len(words.line_list))
    at = np.flatnonzero(count[line] == 1) if len(line) else np.zeros(0, np.int64)
    values = [words.line_list[n].value for n in line[at].tolist()]
    long = [i for i, value in enumerate(values) if len(value) >= MIN_VALUE]
    found = [(_digests([values[i] for i in long]), messages.heads.owner[at[long]])]
    texts = [messages.digest]
    if messages is table.requests:
        texts.append(messages.start)
    for column in texts:
        held = np.bincount(column)
        rows = np.flatnonzero((held[column] == 1) & (column > 0)) if len(column) else column
        said = [words.text_list[n] for n in column[rows].tolist()]
        long = [i for i, text in enumerate(said) if len(text) >= MIN_VALUE]
        found.append((_digests([said[i] for i in long]), rows[long]))
    return found


def _digests(texts: Sequence[str]) -> Column:
    made = (xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts)
    return np.fromiter(made, np.uint64, len(texts))
