"""RecordTable → SegmentTable: link, tags, tunnels and IP are taken off, TCP segments become rows,
flows are numbered.

Common packets go through `fast` (numpy, a batch at a time), everything unusual through `odd` (one
packet at a time); both give the same answer where both can. Invariant: every record read is either
a row or counted in `counts.skipped` by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from lbtrace.decode import duplicates as twins
from lbtrace.decode import fast_path as fast
from lbtrace.decode import slow_path as odd
from lbtrace.decode.direction import packet_directions as packet_directions
from lbtrace.decode.flows import FlowBook
from lbtrace.decode.flows import table as flow_table
from lbtrace.decode.fragments import Fragments
from lbtrace.decode.link import registry
from lbtrace.decode.networks import NetworkBook, settle
from lbtrace.decode.packet import Packet
from lbtrace.decode.rows import Rows, from_tuples, joined
from lbtrace.decode.views import Views
from lbtrace.model.trace import Diagnostic, PacketCounts
from lbtrace.tables.packets import Column, Recording, SegmentTable

BATCH = 1 << 15


def segments(recording: Recording, progress: Callable[[str, float], None]) -> SegmentTable:
    """Records → TCP segments, with everything skipped counted by reason."""
    return _Decoding(recording).run(progress)


class _Decoding:
    """One run over the records of a capture point."""

    def __init__(self, recording: Recording) -> None:
        self.records = recording.records
        self.buffers = list(recording.buffers)
        self.link_names = recording.link_names
        self.views = [Views(data) for data in recording.buffers]
        self.flows = FlowBook()
        self.networks = NetworkBook()
        self.fragments = Fragments()
        self.skipped: Counter[str] = Counter()
        self.peeled: Counter[str] = Counter()
        n = len(self.records.offset)
        self.count = 0
        empty = {
            name: np.empty(n, dtype=kind) for name, kind in COLUMNS.items()
        }  # untouched pages cost nothing
        self.columns = empty

    def run(self, progress: Callable[[str, float], None]) -> SegmentTable:
        n = len(self.records.offset)
        for low in range(0, n, BATCH):
            parts = self._batch(low, min(low + BATCH, n))
            if parts:
                self._add(joined(parts))
            progress("decoding", low / n)
        return self._table()

    def _batch(self, low: int, high: int) -> list[Rows]:
        """The rows of records low … high, as parts."""
        records = self.records
        kinds = records.link[low:high].astype(np.int64) << 8 | records.buffer[low:high]
        distinct = kinds[:1] if (kinds == kinds[0]).all() else np.unique(kinds)
        parts: list[Rows] = []
        left: list[Column] = []
        for kind in distinct.tolist():
            mine = (
                low + np.flatnonzero(kinds == kind) if len(distinct) > 1 else np.arange(low, high)
            )
            link = registry().get(kind >> 8)
            if link is None or not hasattr(link, "locate") or not len(self.views[kind & 0xFF].u64):
                left.append(mine)
                continue
            captured, wire = (
                records.captured[mine].astype(np.int64),
                records.wire[mine].astype(np.int64),
            )
            number = kind & 0xFF
            views = self.views[number]
            batch = fast.Batch(
                mine,
                records.offset[mine],
                captured,
                np.maximum(wire, captured),
                views,
                number,
                self.networks,
            )
            done = fast.decode(batch, link)  # type: ignore[arg-type]
            parts += done.parts
            self.skipped.update(done.skipped)
            self.peeled.update(done.peeled)
            left.append(mine[done.odd()])
        odd_rows = self._odd(np.sort(np.concatenate(left))) if left else []
        if odd_rows:
            parts.append(from_tuples(odd_rows))
        return parts

    def _odd(self, records: Column) -> list[tuple[int, ...]]:
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
            end, wire_end = at + captured, at + max(wire, captured)
            packet = Packet(
                self.buffers[buffer],
                at,
                end,
                wire_end,
                link,
                record,
                buffer,
                time_ns,
                self.fragments,
            )
            outcome = odd.unpeel(packet, len(self.views))
            for name in packet.peeled:
                self.peeled[name] += 1
            if isinstance(outcome, str):
                self.skipped[self._named(outcome, link)] += 1
            else:
                rows.append((*outcome, self.networks.number(" / ".join(packet.networks))))
        return rows

    def _named(self, reason: str, link: int) -> str:
        name = self.link_names.get(link)
        return f"{reason} ({name})" if name and reason == f"link type {link}" else reason

    def _add(self, rows: Rows) -> None:
        """Number the flows of some rows and store them."""
        source, target = (
            rows.ports >> np.uint64(16) & np.uint64(0xFFFF),
            rows.ports & np.uint64(0xFFFF),
        )
        backward = (rows.source_b > rows.target_b) | (
            (rows.source_b == rows.target_b) & (source > target)
        )
        high: tuple[Column | None, Column | None] = (
            None,
            None,
        )  # the upper halves of IPv6 addresses
        if rows.ports.max() >> np.uint64(32):
            backward = (rows.source_a > rows.target_a) | (
                (rows.source_a == rows.target_a) & backward
            )
            high = (
                np.where(backward, rows.target_a, rows.source_a),
                np.where(backward, rows.source_a, rows.target_a),
            )
        swapped = rows.ports & ~np.uint64(0xFFFFFFFF) | target << np.uint64(16) | source
        lower, upper = (
            np.where(backward, rows.target_b, rows.source_b),
            np.where(backward, rows.source_b, rows.target_b),
        )
        words = (high[0], lower, high[1], upper, np.where(backward, swapped, rows.ports))
        part = slice(self.count, self.count + len(rows))
        columns = self.columns
        columns["flow"][part] = self.flows.number(words)
        columns["forward"][part] = ~backward
        columns["frame"][part] = rows.record + 1
        columns["time_ns"][part] = self.records.time_ns[rows.record]
        columns["header"][part] = rows.payload - rows.tcp
        for name in (
            "seq",
            "ack",
            "flags",
            "window",
            "ttl",
            "buffer",
            "payload",
            "length",
            "wire_length",
            "network",
            "ip_id",
        ):
            columns[name][part] = getattr(rows, name)
        self.count += len(rows)

    def _table(self) -> SegmentTable:
        columns = {name: column[: self.count] for name, column in self.columns.items()}
        del self.columns
        if len(doubled := twins.copies(columns, self.views)):
            keep = np.ones(self.count, dtype=bool)
            keep[doubled] = False
            columns = {name: column[keep] for name, column in columns.items()}
            self.skipped["duplicate"] += len(doubled)
        del columns["ip_id"]
        network = columns.pop("network")
        flow, same, flow_network = settle(
            columns["flow"], columns["forward"], network, self.flows.count, self.networks
        )
        columns["flow"] = flow
        words = self.flows.words
        counts = PacketCounts(
            read=len(self.records.offset),
            decoded=len(flow),
            skipped=tuple(self.skipped.most_common()),
            truncated=int((columns["length"] < columns["wire_length"]).sum()),
            duplicates=len(doubled),
            peeled=tuple(self.peeled.most_common()),
        )
        return SegmentTable(
            **columns,
            buffers=[*self.buffers, self.fragments.buffer()],
            flows=flow_table(words if len(same) == len(words) else words[same]),
            flow_network=flow_network,
            networks=self.networks.names,
            counts=counts,
            diagnostics=self._diagnostics(counts),
        )

    def _diagnostics(self, counts: PacketCounts) -> tuple[Diagnostic, ...]:
        said = []
        if self.fragments.unfinished:
            text = (
                "Fragmented IP packets that could not be put together, because fragments are "
                f"missing: {self.fragments.unfinished}."
            )
            said.append(Diagnostic("ip-fragments-missing", text, self.fragments.unfinished))
        if counts.truncated:
            text = (
                f"Packets of which only a part was captured (snapshot length): {counts.truncated}."
            )
            said.append(Diagnostic("snaplen-cut", text, counts.truncated))
        if counts.duplicates:
            text = (
                f"{counts.duplicates} packets are copies of others in the capture (a mirror "
                "that shows packets twice) and were left out."
            )
            said.append(Diagnostic("mirrored-twice", text, counts.duplicates))
        return tuple(said)


COLUMNS = {
    "frame": "u4",
    "time_ns": "i8",
    "flow": "u4",
    "forward": "?",
    "seq": "u4",
    "ack": "u4",
    "flags": "u1",
    "window": "u2",
    "ttl": "u1",
    "buffer": "u1",
    "header": "u1",
    "payload": "i8",
    "length": "u4",
    "wire_length": "u4",
    "network": "u2",
    "ip_id": "u2",
}
