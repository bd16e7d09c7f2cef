"""A capture with more packets than memory holds → its Trace, read in parts.

    records ─▶ divided ─▶ Division                  which part each packet is in
    part ─▶ read ─▶ PartRead, one after the other    as a whole capture is read
    PartReads ─▶ together ─▶ Trace

A part has all packets between some endpoints, so nothing of TCP, TLS or HPACK crosses from one part
to another. The packets stay where they are: in the capture, which is mapped. Only the records
(where each packet is) stand in temporary files (`capture.on_disk`). What is decided by all packets
of a capture together is asked of all of them: whether a mirror doubled it, who is the server where
only ports tell, and how many packets of each kind there are.

Some captures cannot be divided: there, something joins connections (`whole_because`).

Invariant: the Trace is that of the capture read at once, or a diagnostic says what is not.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np

from lbtrace import capture, decode, http, tcp
from lbtrace.capture.on_disk import chunks, full
from lbtrace.decode.duplicates import WINDOW_ROWS, are_doubled
from lbtrace.decode.overlapping_files import overlap
from lbtrace.decode.shards import divisible, shard_of_frames
from lbtrace.errors import InputError
from lbtrace.machine_memory import machine_memory
from lbtrace.model.net import Endpoint
from lbtrace.model.stream import RoleSource
from lbtrace.model.trace import Diagnostic, PacketCounts, Trace
from lbtrace.options import Options, Progress, quiet
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import SOURCES, ConnectionTable
from lbtrace.tables.packets import MOST_BACK_NS, Recording
from lbtrace.tables.trace_joining import joined, joined_diagnostics

BASE_BYTES: Final = 120_000_000  # Python, numpy and lbtrace themselves, and what is read at a time
PACKET_BYTES: Final = 275  # of memory, while the packet is read: it may be half an exchange
KEPT_BYTES: Final = 1100  # of memory for each exchange, while the parts are put together
TOLD_BYTES: Final = 2000  # of memory for each exchange of a capture, while it is shown
COMPARED_BYTES: Final = 4000  # of memory for each exchange of both sides, while they are compared
LEAST_BYTES: Final = 250_000_000  # that a limit may be
FEW_BYTES: Final = 50_000_000  # captures up to this size are read at once
BUCKETS: Final = 256  # that endpoints are dealt to; a part is some of them
MEMORY_LIMIT: Final = "memory-limit"  # the error of a limit that cannot be kept
_SHARE: Final = 0.8  # of the memory of the machine, where nobody states a limit
_SAMPLED: Final = 4096  # segments of each chunk among which copies are looked for first


@dataclass(frozen=True, slots=True)
class CapturePart:
    """Some packets of a capture. `frames`: their numbers; None: they are those of the records.
    `copies` and `doubled` as in `decode.segments`, `others` as in `tcp.connections`. `pauses`: the
    column of all frames, to be filled in. `clock`: whether they show what the clock did.
    """

    frames: Column | None = None
    copies: bool = False
    doubled: bool | None = None
    others: tcp.OtherEnds | None = None
    pauses: Column | None = None
    clock: bool = True


ALL: Final = CapturePart()


class FlowEnds(NamedTuple):
    """Per connection its ends, as indices of `ends`, and whether only their ports tell which of
    them is the client. `flow`: a number that connections of one flow share.
    """

    ends: list[Endpoint]
    client: Column
    server: Column
    guessed: Column
    flow: Column


class PartRead(NamedTuple):
    """What a part shows. What is to be said of it stands apart, by the stage that says it.
    `opened`: whether secrets opened any TLS connection. `used` as in `http.shares_suffice`.
    `payload_to`: its last frame with payload.
    """

    trace: Trace
    of_packets: tuple[Diagnostic, ...]
    of_streams: tuple[Diagnostic, ...]
    of_http: tuple[Diagnostic, ...]
    opened: bool
    used: tuple[int, bool]
    payload_to: int
    flow_ends: FlowEnds | None


class Division(NamedTuple):
    """How a capture is divided: per record its bucket, per bucket its part. Of each part: how many
    packets it has. `counts` are those of all packets, as far as no copies are left out. `clock`:
    what is to be said of the clock of the capture.
    """

    bucket: Column
    part: Column
    packets: tuple[int, ...]
    counts: PacketCounts
    copies: bool
    doubled: bool | None
    directions: bytes
    whole_because: str
    first_http3: decode.FrameAt | None = None
    clock: tuple[Diagnostic, ...] = ()


def on_disk(options: Options) -> AbstractContextManager[None]:
    """Where a limit of memory is stated, records stand on disk."""
    return nullcontext() if options.max_memory is None else capture.columns_on_disk()


def limit_for(files: Sequence[str], stated: int | None) -> int | None:
    """The bytes of memory that reading files must keep to; None where they surely do not need so
    much. Without a stated limit, it is what the machine has.
    """
    size = 0
    for path in files:
        if path == "-" or not os.path.isfile(path):
            size += FEW_BYTES if stated is not None else 0  # a pipe does not tell
        else:
            size += os.path.getsize(path)
    if stated is not None:
        return stated if size >= FEW_BYTES else None
    machine = machine_memory()
    # a packet of a capture has 80 bytes and more; compressed, some of it
    return machine if machine is not None and size * 4 > machine else None


def limited_to(files: Sequence[str], options: Options) -> Options:
    """The options with a limit of memory: the stated one, or that of the machine where the files
    may need more than it has.
    """
    limit = limit_for(files, options.max_memory)
    if limit is None or options.max_memory is not None:
        return options
    return replace(options, max_memory=max(int(limit * _SHARE), LEAST_BYTES))


def room_for_packets(limit: int) -> int:
    """How many packets may be read at a time: half of the memory is for them, half for what is
    kept of those that were read.
    """
    return max((limit - BASE_BYTES) // 2 // PACKET_BYTES, 1)


def check_told(traces: Sequence[Trace], each: int, options: Options) -> None:
    """InputError when what is told of these needs more memory than the stated limit: `each` bytes
    for an exchange.
    """
    count = sum(len(trace.exchanges) for trace in traces)
    if options.max_memory is not None and BASE_BYTES + each * count > options.max_memory:
        raise needs(f"Telling of {count} exchanges", BASE_BYTES + each * count)


def limit_that_holds(packets: int) -> int:
    """The limit under which so many packets may be read at a time."""
    return BASE_BYTES + 2 * PACKET_BYTES * packets


def divided(recording: Recording, most: int, progress: Progress) -> Division:
    """The parts of a capture, none with more than `most` packets if that can be."""
    count = len(recording.records)
    looked = _looked_at(recording, count <= WINDOW_ROWS, progress)
    if count > WINDOW_ROWS and looked.suspicious:
        looked = _looked_at(recording, True, progress)
    sizes = np.zeros(BUCKETS, np.int64)
    for rows in chunks(count):
        sizes += np.bincount(looked.bucket[rows], minlength=BUCKETS)
    part = np.zeros(BUCKETS, np.uint8)
    packets: list[int] = []
    for bucket, size in enumerate(sizes.tolist()):
        if not packets or packets[-1] + size > most:
            packets.append(0)
        part[bucket] = len(packets) - 1
        packets[-1] += size
    return Division(
        looked.bucket,
        part,
        tuple(packets),
        PacketCounts(
            count,
            0,
            tuple(looked.seen.skipped.most_common()),
            peeled=tuple(looked.seen.peeled.most_common()),
        ),
        not looked.suspicious,
        are_doubled(looked.seen.copies),
        looked.directions,
        "files of it overlap" if overlap(recording.files) else looked.whole_because,
        looked.seen.http3,
        looked.clock,
    )


def one_part(recording: Recording) -> Division:
    """All of a capture as one part."""
    count = len(recording.records)
    return Division(
        full(count, 0, "u1"),
        np.zeros(BUCKETS, np.uint8),
        (count,),
        PacketCounts(count, 0),
        False,
        None,
        b"",
        "",
    )


class _Looked(NamedTuple):
    bucket: Column
    seen: decode.SoFar
    directions: bytes
    whole_because: str
    clock: tuple[Diagnostic, ...]

    @property
    def suspicious(self) -> bool:
        """Whether packets may be there twice."""
        copies = self.seen.copies
        return are_doubled(copies) or any(len(each.certain) for each in copies)


def _looked_at(recording: Recording, thoroughly: bool, progress: Progress) -> _Looked:
    """All packets once, some at a time. `thoroughly`: all of them are compared with each other."""
    held = recording.records
    count = len(held)
    seen = decode.SoFar(sampled=WINDOW_ROWS if thoroughly else _SAMPLED)
    bucket = full(count, 0, "u1")
    directions: list[bytes] = []
    because = ""
    last_ns: int | None = None
    set_forward: tuple[int, tuple[Diagnostic, ...]] = 0, ()
    for rows in chunks(count):
        columns = {name: getattr(held, name)[rows] for name in held.declared}
        some = replace(recording, records=held.with_columns(**columns))
        table = decode.segments(some, quiet, copies=True, seen=seen)
        bucket[rows] = shard_of_frames(table, rows.stop - rows.start, BUCKETS)
        directions.append(decode.packet_directions(some))
        if len(table):
            if last_ns is not None and int(table.time_ns[0]) < last_ns - MOST_BACK_NS:
                because = because or _NOT_IN_ORDER
            last_ns = int(table.time_ns[-1])
            if not divisible(table):
                because = because or _JOINED
            set_forward = max(
                set_forward, tcp.told_set_forward(table, rows.start), key=itemgetter(0)
            )
        progress("dividing the capture", rows.stop / count)
    if any(name == decode.FRAGMENT for name in seen.skipped):
        because = _JOINED
    told = (
        b"".join(
            part or bytes(rows.stop - rows.start)
            for part, rows in zip(directions, chunks(count), strict=True)
        )
        if any(directions)
        else b""
    )
    return _Looked(bucket, seen, told, because, set_forward[1])


_NOT_IN_ORDER: Final = "its packets are not in order of time"
_JOINED: Final = "it has IP fragments, or its packets are not in order of time"


def parts_read(
    recording: Recording,
    division: Division,
    read: Callable[[Recording, CapturePart], PartRead],
    pauses: Column | None,
    progress: Progress,
) -> Iterator[tuple[int, PartRead]]:
    """What each part shows, by its number. Where another part tells who is a server in it, a part
    comes once more.
    """
    flow_ends: list[FlowEnds | None] = []
    count = len(division.packets)

    def part(k: int, others: tcp.OtherEnds | None) -> PartRead:
        rows = [
            rows.start + np.flatnonzero(division.part[division.bucket[rows]] == k)
            for rows in chunks(len(recording.records))
        ]
        mine = np.concatenate([np.zeros(0, np.int64), *rows])
        some = replace(recording, records=recording.records.taken(mine))
        frames = (mine + 1).astype(np.uint32)
        clock = count == 1 and not division.clock
        held = CapturePart(frames, division.copies, division.doubled, others, pauses, clock)
        return read(some, held)

    for k in range(count):
        progress(f"reading part {k + 1} of {count}", k / count)
        found = part(k, None)
        flow_ends.append(found.flow_ends)
        yield k, found._replace(flow_ends=None)
        del found
    for k, mine in enumerate(flow_ends):
        if count > 1 and mine is not None and mine.guessed.any():
            yield k, part(k, _other_ends(mine, flow_ends))._replace(flow_ends=None)


def flow_ends(connections: ConnectionTable) -> FlowEnds:
    """The ends of connections, before HTTP has a say in which is the client."""
    known: dict[tuple[int, int], int] = {}

    def numbers(address: Column, port: Column) -> Column:
        ends = zip(address.tolist(), port.tolist(), strict=True)
        return np.fromiter((known.setdefault(e, len(known)) for e in ends), np.uint32, len(address))

    client = numbers(connections.client, connections.client_port)
    server = numbers(connections.server, connections.server_port)
    low, high = np.minimum(client, server), np.maximum(client, server)
    keys = np.stack((low, high, connections.network.astype(np.uint32)), axis=1)
    flow = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.uint32)
    named = connections.addresses
    return FlowEnds(
        [Endpoint(named[address], port) for address, port in known],
        client,
        server,
        connections.role_source == SOURCES.index(RoleSource.PORT),
        flow,
    )


def _other_ends(mine: FlowEnds, every: Sequence[FlowEnds | None]) -> tcp.OtherEnds:
    """What all parts show of the ends of connections that are guessed here."""
    wanted = {
        mine.ends[i]
        for column in (mine.client, mine.server)
        for i in np.unique(column[mine.guessed]).tolist()
    }
    servers: set[Endpoint] = set()
    flows_of: Counter[Endpoint] = Counter()
    for held in every:
        if held is None:
            continue
        for i in np.unique(held.server[~held.guessed]).tolist():
            if held.ends[i] in wanted:
                servers.add(held.ends[i])
        _, first = np.unique(held.flow, return_index=True)
        for column in (held.client, held.server):
            found, count = np.unique(column[first], return_counts=True)
            for i, n in zip(found.tolist(), count.tolist(), strict=True):
                if held.ends[i] in wanted:
                    flows_of[held.ends[i]] += n
    return tcp.OtherEnds(servers, flows_of)


def together(found: Sequence[PartRead], division: Division, pauses: Column) -> PartRead:
    """What all parts show."""
    trace = joined([each.trace for each in found]).trace
    limited = () if http.shares_suffice([each.used for each in found]) else (_LIMITED,)
    payload_to = max(each.payload_to for each in found)
    counts = counted(division, [each.trace.packets for each in found])
    return PartRead(
        replace(
            trace,
            packets=counts,
            packet_directions=division.directions,
            pauses=pauses[: payload_to + 1].data,
        ),
        (*decode.said_of(counts, 0, division.first_http3), *division.clock),
        _told([each.of_streams for each in found]),
        (*_told([each.of_http for each in found]), *limited),
        any(each.opened for each in found),
        (0, False),
        payload_to,
        None,
    )


_LIMITED: Final = Diagnostic(
    "limits-of-parts",
    "The capture was read in parts, and each part may have as many odd messages and tiny exchanges "
    "as a whole capture: read at once, fewer of them would be told.",
)


def _told(said: Sequence[Sequence[Diagnostic]]) -> tuple[Diagnostic, ...]:
    every = joined_diagnostics(each for some in said for each in some)
    return tuple(sorted(every, key=lambda each: (each.slug, each.text)))


def counted(division: Division, parts: Sequence[PacketCounts]) -> PacketCounts:
    """The packets of all parts, counted as those of one capture."""
    copies = sum(each.duplicates for each in parts)
    skipped = Counter(dict(division.counts.skipped))
    if copies:
        skipped["duplicate"] += copies
    return replace(
        division.counts,
        decoded=sum(each.decoded for each in parts),
        skipped=tuple(skipped.most_common()),
        truncated=sum(each.truncated for each in parts),
        duplicates=copies,
    )


def slice_exchanges(limit: int) -> int:
    """How many exchanges of each side are compared at a time, where slices differ by a quarter."""
    return max((limit - BASE_BYTES) * 2 // (COMPARED_BYTES * 5), 1)


def needs(what: str, bytes_needed: int) -> InputError:
    """The error of a limit that cannot be kept."""
    return InputError(
        MEMORY_LIMIT,
        f"{what} needs about {_megabytes(bytes_needed)} of memory, more than --max-memory allows.",
        f"Give more: --max-memory {_megabytes(bytes_needed)}.",
    )


def _megabytes(count: int) -> str:
    return f"{-(-count // 10**7) * 10}MB"
