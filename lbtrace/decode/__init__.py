"""RecordTable → SegmentTable: link headers, tags, tunnels and IP are taken off, TCP segments become
rows, flows are numbered.

Common packets go through `fast_path` (numpy, a batch at a time), everything unusual through
`slow_path` (one packet at a time); both give the same answer where both can. Where the compiled
core is there, the plainest packets go through `compiled_path` first. Invariant: every record read
is either a row or counted in `counts.skipped` by reason.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lbtrace import compiled
from lbtrace.decode import fast_path, slow_path
from lbtrace.decode.compiled_path import PlainPackets
from lbtrace.decode.direction import packet_directions as packet_directions
from lbtrace.decode.dispatch import FAST_LINKS, LINK_TYPES
from lbtrace.decode.duplicates import Copies, copies_in, find_duplicates
from lbtrace.decode.flows import FlowBook, flow_table
from lbtrace.decode.fragments import Fragments
from lbtrace.decode.networks import NetworkBook, separate_networks
from lbtrace.decode.overlapping_files import in_another_file, overlap
from lbtrace.decode.overlapping_files import same_recording as same_recording
from lbtrace.decode.packet import Packet, Skip
from lbtrace.decode.rows import SegmentRows, from_tuples, joined
from lbtrace.decode.shards import FRAGMENT as FRAGMENT
from lbtrace.decode.udp_tunnels import HTTP3_SKIP
from lbtrace.model.net import IcmpError
from lbtrace.model.trace import HTTP3_NOT_READ, Diagnostic, PacketCounts
from lbtrace.tables.packets import NO_PACKET, Column, Recording, SegmentTable
from lbtrace.tables.views import Views

for _module in pkgutil.iter_modules(__path__):  # each registers the numbers it reads
    importlib.import_module(f"{__name__}.{_module.name}")

IN_ANOTHER_FILE = "in another file too"  # why a packet was skipped
BATCH_RECORDS = 1 << 15  # records decoded together
MOST_ICMP = 10_000  # ICMP errors that are kept; all are counted
# the columns of SegmentTable, and what is needed until flows are numbered and copies are found
COLUMNS = {
    name: d.dtype
    for name, d in (
        *SegmentTable.declared.items(),
        *((name, SegmentRows.declared[name]) for name in ("network", "ip_id")),
    )
    if d.role == "column"
}
# those that a row has before its flow is numbered
OF_ROWS = tuple(name for name in COLUMNS if name in SegmentRows.declared)


def segments(
    recording: Recording,
    progress: Callable[[str, float], None],
    copies: bool = False,
    doubled: bool | None = None,
    seen: SoFar | None = None,
) -> SegmentTable:
    """Records → TCP segments, with everything skipped counted by reason. `copies`: packets that are
    there twice are not left out. `doubled`: whether a mirror doubled the capture, where the records
    are only some of it; None: they tell it. `seen`: what the records before these showed; these are
    added.
    """
    return _Decoding(recording, copies, doubled, seen or SoFar()).run(progress)


class FrameAt(NamedTuple):
    """A frame, by its number and its time."""

    frame: int
    time_ns: int


@dataclass(slots=True)
class SoFar:
    """What the records of a capture showed so far, where they are decoded some at a time. Copies
    are looked for among the first `sampled` segments of each time.
    """

    skipped: Counter[str] = field(default_factory=Counter)
    peeled: Counter[str] = field(default_factory=Counter)
    copies: list[Copies] = field(default_factory=list)
    sampled: int = 0
    records: int = 0
    http3: FrameAt | None = None  # the first packet that may be of HTTP/3


class _Decoding:
    """One run over the records of a capture point."""

    def __init__(
        self, recording: Recording, copies: bool, doubled: bool | None, seen: SoFar
    ) -> None:
        self.copies = copies
        self.doubled = doubled
        self.records = recording.records
        self.files = recording.files
        self.buffers = list(recording.buffers)
        self.link_names = recording.link_names
        self.views = [Views(data) for data in recording.buffers]
        self.flows = FlowBook()
        self.networks = NetworkBook()
        self.fragments = Fragments()
        self.seen = seen
        self.skipped, self.peeled = seen.skipped, seen.peeled
        self.icmp: list[IcmpError] = []
        self.count = 0
        n = len(self.records.offset)  # untouched pages of an empty column cost nothing
        self.columns = {name: np.empty(n, dtype=kind) for name, kind in COLUMNS.items()}

    def run(self, progress: Callable[[str, float], None]) -> SegmentTable:
        n = len(self.records.offset)
        for low in range(0, n, BATCH_RECORDS):
            parts = self._batch(low, min(low + BATCH_RECORDS, n))
            if parts:
                self._add(joined(parts))
            progress("decoding", low / n)
        return self._table()

    def _batch(self, low: int, high: int) -> list[SegmentRows]:
        """The rows of records low … high, as parts."""
        records = self.records
        kinds = records.link[low:high].astype(np.int64) << 8 | records.buffer[low:high]
        distinct = kinds[:1] if (kinds == kinds[0]).all() else np.unique(kinds)
        parts: list[SegmentRows] = []
        remaining: list[Column] = []
        for kind in distinct.tolist():
            alike = np.arange(low, high)
            if len(distinct) > 1:
                alike = alike[kinds == kind]
            remaining.append(self._fast(alike, kind >> 8, kind & 0xFF, parts))
        rows = self._slow(np.sort(np.concatenate(remaining)))
        return [*parts, from_tuples(rows)] if rows else parts

    def _fast(self, alike: Column, link_type: int, buffer: int, parts: list[SegmentRows]) -> Column:
        """Records of one link type and buffer through the fast path; adds to `parts`, returns the
        records left to the slow path.
        """
        link = FAST_LINKS.get(link_type)
        if link is None or not len(self.views[buffer].u64):
            return alike
        offset = self.records.offset[alike]
        captured = self.records.captured[alike].astype(np.int64)
        wire = np.maximum(self.records.wire[alike].astype(np.int64), captured)
        if compiled.core is not None and link.kind_at >= 0:
            packets = PlainPackets(self.buffers[buffer], buffer, alike, offset, captured, wire)
            rows, left = packets.rows(compiled.core, link)
            if len(rows):
                parts.append(rows)
            if not len(left):
                return left
            alike, offset, captured, wire = (c[left] for c in (alike, offset, captured, wire))
        batch = fast_path.Batch(
            alike, offset, captured, wire, self.views[buffer], buffer, self.networks
        )
        done = fast_path.decode(batch, link)
        parts += done.parts
        self.skipped.update(done.skipped)
        self.peeled.update(done.peeled)
        if done.http3:
            self._met_http3(min(done.http3))
        rest: Column = alike[done.remaining()]
        return rest

    def _slow(self, records: Column) -> list[tuple[int, ...]]:
        """Records through the slow path, one by one."""
        table = self.records
        rows: list[tuple[int, ...]] = []
        columns = (
            table.offset,
            table.captured,
            table.wire,
            table.link,
            table.buffer,
            table.time_ns,
        )
        for record, at, captured, wire, link, buffer, time_ns in zip(
            records.tolist(), *(c[records].tolist() for c in columns), strict=True
        ):
            packet = Packet(
                self.buffers[buffer],
                at,
                at + captured,
                at + max(wire, captured),
                link,
                record,
                buffer,
                time_ns,
                self.fragments,
            )
            outcome = slow_path.dissect(packet, len(self.views))
            if packet.icmp is not None and len(self.icmp) < MOST_ICMP:
                self.icmp.append(packet.icmp)
            if packet.peeled:
                self.peeled.update(packet.peeled)
            if isinstance(outcome, Skip):
                self.skipped[self._reason(outcome, link)] += 1
                if outcome.reason == HTTP3_SKIP:
                    self._met_http3(record)
            else:
                rows.append((*outcome, self.networks.number(" / ".join(packet.networks))))
        return rows

    def _met_http3(self, record: int) -> None:
        """A packet that may be of HTTP/3: the first one is kept."""
        frame = FrameAt(self.seen.records + record + 1, int(self.records.time_ns[record]))
        self.seen.http3 = min(frame, self.seen.http3 or frame)

    def _reason(self, skip: Skip, link: int) -> str:
        """Why a packet was skipped; link types that are not read are named."""
        name = self.link_names.get(link)
        if name and link >= NO_PACKET:
            return name
        return f"{skip.reason} ({name})" if name and link not in LINK_TYPES else skip.reason

    def _add(self, rows: SegmentRows) -> None:
        """Number the flows of some rows and store them."""
        part = slice(self.count, self.count + len(rows))
        columns = self.columns
        columns["flow"][part], columns["forward"][part] = self.flows.of_rows(rows)
        columns["frame"][part] = rows.record + 1
        columns["time_ns"][part] = self.records.time_ns[rows.record]
        columns["header"][part] = rows.payload - rows.tcp
        for name in OF_ROWS:
            columns[name][part] = getattr(rows, name)
        self.count += len(rows)

    def _table(self) -> SegmentTable:
        columns = {name: column[: self.count] for name, column in self.columns.items()}
        del self.columns
        if self.count and not self.copies and overlap(self.files):
            columns = self._once(columns)
        copies = np.zeros(0, np.int64)
        if self.seen.sampled:
            few = min(len(columns["seq"]), self.seen.sampled)
            self.seen.copies.append(copies_in(columns, self.views, 0, few))
        if not self.copies:
            copies = find_duplicates(columns, self.views, self.doubled)
        if len(copies):
            keep = np.ones(len(columns["seq"]), dtype=bool)
            keep[copies] = False
            columns = {name: column[keep] for name, column in columns.items()}
            self.skipped["duplicate"] += len(copies)
        del columns["ip_id"]
        network = columns.pop("network")
        flow, same, flow_network = separate_networks(
            columns["flow"], columns["forward"], network, self.flows.count, self.networks
        )
        columns["flow"] = flow
        words = self.flows.words
        self.seen.records += len(self.records.offset)
        counts = PacketCounts(
            read=len(self.records.offset),
            decoded=len(flow),
            skipped=tuple(self.skipped.most_common()),
            truncated=int((columns["length"] < columns["wire_length"]).sum()),
            duplicates=len(copies),
            peeled=tuple(self.peeled.most_common()),
        )
        return SegmentTable(
            **columns,
            buffers=[*self.buffers, self.fragments.buffer()],
            flows=flow_table(words if len(same) == len(words) else words[same]),
            flow_network=flow_network,
            networks=self.networks.names,
            icmp=tuple(self.icmp),
            counts=counts,
            diagnostics=said_of(counts, self.fragments.unfinished, self.seen.http3),
        )

    def _once(self, columns: dict[str, Column]) -> dict[str, Column]:
        """Files that overlap: the rows of packets that two of them hold once, in order of time."""
        again = in_another_file(columns, self.files)
        if not len(again):
            return columns
        self.skipped[IN_ANOTHER_FILE] += len(again)
        rows = np.delete(np.arange(self.count), again)
        rows = rows[np.argsort(columns["time_ns"][rows], kind="stable")]
        return {name: column[rows] for name, column in columns.items()}


def said_of(
    counts: PacketCounts, unfinished: int, first_http3: FrameAt | None
) -> tuple[Diagnostic, ...]:
    """What is worth saying of the packets of a capture point. `unfinished`: datagrams of which
    fragments are missing. `first_http3`: the first packet that may be of HTTP/3.
    """
    skipped = dict(counts.skipped)
    http3, again = skipped.get(HTTP3_SKIP, 0), skipped.get(IN_ANOTHER_FILE, 0)
    found = (
        (
            "ip-fragments-missing",
            unfinished,
            "Fragmented IP packets that could not be put together, because fragments are "
            f"missing: {unfinished}.",
        ),
        (
            "snaplen-cut",
            counts.truncated,
            f"Packets of which only a part was captured (snapshot length): {counts.truncated}.",
        ),
        (
            HTTP3_NOT_READ,
            http3,
            f"{http3} UDP packets to or from port 443: HTTP/3 (QUIC) is not read. To compare "
            "these requests, make the clients use HTTP/2 or HTTP/1.1 over TCP.",
        ),
        (
            "mirrored-twice",
            counts.duplicates,
            f"{counts.duplicates} packets are copies of others in the capture (a mirror "
            "that shows packets twice) and were left out.",
        ),
        (
            "same-packets-in-files",
            again,
            f"{again} packets stand in another file of this side too, "
            "at the same times: a file was given twice, or files overlap. They count once.",
        ),
    )
    where = {HTTP3_NOT_READ: first_http3 or ()}
    return tuple(
        Diagnostic(slug, text, count, *where.get(slug, ())) for slug, count, text in found if count
    )
