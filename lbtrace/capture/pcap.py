"""A pcap file → its records (draft-ietf-opsawg-pcap, and the variants libpcap and Wireshark know).

In: a buffer and the position of a file header (captures may be concatenated, so it need not be 0).
Out: one `Block` of records and where it ended. Invariant: every record reported lies wholly in the
file. A record the end of the file cuts is no frame, as in Wireshark, and a diagnostic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

import numpy as np

from lbtrace import compiled
from lbtrace.capture.block import Block, NextSection
from lbtrace.capture.on_disk import chunks, empty, filled, full, together
from lbtrace.capture.resync import Budget, Reference, resume
from lbtrace.capture.walk import SEQUENTIAL_RECORDS, STOP, walk
from lbtrace.tables.packets import Buffer, Column
from lbtrace.tables.views import strided

MAX_PACKET_BYTES = 262_144  # bytes; libpcap's and Wireshark's limit unless the header states more
MAX_STATED_PACKET_BYTES = 16 << 20
FILE_HEADER_BYTES = 24
DAY_S = 86_400
GUESS_WINDOW_BYTES = 2048  # bytes in which a record is looked for
MAX_DOUBTS = 8  # times that records already walked are given up in a file


@dataclass(frozen=True, slots=True)
class Dialect:
    """A magic number: ns per unit of the fraction of a second, the record header lengths it is
    known with, bytes after the file header.
    """

    name: str
    unit_ns: int
    headers: tuple[int, ...]
    extra: int = 0


MAGIC: dict[int, Dialect] = {
    0xA1B2C3D4: Dialect("pcap", 1000, (16, 24, 20)),  # 24: ss990417 and ss991029 patches, 20: Nokia
    0xA1B23C4D: Dialect("pcap", 1, (16,)),  # nanoseconds
    0xA1B2CD34: Dialect("pcap (modified)", 1000, (24, 28, 16)),  # Kuznetzov; 28: ss990915
    0xA1B234CD: Dialect("pcap (modified)", 1000, (24, 16)),  # Mesquita
    0xA12B3C4D: Dialect("pcap (Navtel)", 1, (16,)),
    0x1C0001AC: Dialect("pcap (IXIA)", 1, (16,), 4),
    0x1C0001AB: Dialect("pcap (IXIA)", 1000, (16,), 4),
}
_MAGICS = frozenset(
    m for magic in MAGIC for m in (magic, int.from_bytes(magic.to_bytes(4, "little"), "big"))
)
_ZEROS = bytes(16)
_AT_ONCE = 1 << 16  # records that the compiled core walks before it comes back

AIX_LINKS = {
    6: 1,
    9: 6,
    15: 10,
    24: 0,
}  # AIX writes version 2.2, interface types for link types, and nanoseconds


def magic_order(data: Buffer, at: int) -> str | None:
    """The byte order ("<" or ">") of the pcap header at `at`, None when there is no pcap magic."""
    head = bytes(data[at : at + 4])
    if int.from_bytes(head, "little") in MAGIC:
        return "<"
    if int.from_bytes(head, "big") in MAGIC:
        return ">"
    return None


class PcapChain:
    """Record headers that follow each other (see `walk.Chain`): seconds, fraction, captured length,
    wire length, and perhaps more.

    `length_at` is where the captured length stands: 8, or 12 in files older than version 2.3, which
    have the lengths swapped.
    """

    def __init__(
        self, data: Buffer, order: str, header: int, largest: int, length_at: int = 8
    ) -> None:
        self.data = data
        self.size = len(data)
        self.header = header
        self.largest = largest
        self.length_at = length_at
        self.u32 = strided(data, order + "u4")
        self.headers = strided(data, "V16")
        self.big = order == ">"
        self.length = Struct(order + "I")
        self.fields = Struct(order + "IIII")

    def sequence(
        self, start: int, most: int, until: Callable[[int], bool] | None
    ) -> tuple[list[int], int, bool]:
        """See `walk.Chain.sequence`."""
        data, header, largest, size, length_at = (
            self.data,
            self.header,
            self.largest,
            self.size,
            self.length_at,
        )
        unpack = self.length.unpack_from
        found: list[int] = []
        at = start
        for _ in range(most):
            if at + header > size:
                return found, at, True
            length = unpack(data, at + length_at)[0]
            after = at + header + length
            if length > largest or after > size or (not length and self._no_record(at)):
                return found, at, True
            found.append(at)
            at = after
            if until is not None and until(at):
                break
        return found, at, False

    def steps(self, start: int) -> tuple[Column, int, bool] | None:
        """See `walk.Chain.steps`."""
        if compiled.core is None:
            return None
        positions = np.empty(_AT_ONCE, np.int64)
        count, at = compiled.core.records(
            self.data, start, self.header, self.length_at, self.big, self.largest, positions
        )
        if count == _AT_ONCE:
            return positions, at, False
        # refused, or empty: that is for Python to tell, and empty ones come in crowds
        more, at, stopped = self.sequence(at, SEQUENTIAL_RECORDS, None)
        return np.append(positions[:count], np.array(more, np.int64)), at, stopped

    def _no_record(self, at: int) -> bool:
        """What looks like an empty packet may be another file header, or zeros: disks and broken
        writers leave them by the megabyte.
        """
        return (
            self.length.unpack_from(self.data, at)[0] in _MAGICS
            or bytes(self.data[at : at + 16]) == _ZEROS
        )

    def many(self, positions: Column) -> Column:
        """See `walk.Chain.many`."""
        length = self.u32[np.minimum(positions, self.size - self.header) + self.length_at]
        after: Column = length + (
            positions + self.header
        )  # beyond the end, too, where the header itself is
        bad = (length > self.largest) | (after > self.size)
        if not length.all():
            for i in np.flatnonzero((length == 0) & ~bad).tolist():
                bad[i] = self._no_record(int(positions[i]))
        if bad.any():
            after[bad] = STOP
        return after

    def guess(self, position: int, known: int) -> int:
        """See `walk.Chain.guess`: a place whose time is near that of a known record, and from which
        a few records follow sensibly.
        """
        window = self.u32[position : position + GUESS_WINDOW_BYTES]
        second = int(self.u32[known])
        for candidate in self._near(window, second)[:16].tolist():
            if self.sensible(position + candidate, Reference(second, DAY_S), 4):
                return position + int(candidate)
        return STOP

    @staticmethod
    def _near(window: Column, second: int) -> Column:
        return np.flatnonzero(
            (window - np.uint32((second - DAY_S) & 0xFFFFFFFF)) < np.uint32(2 * DAY_S)
        )

    def reference(self, positions: Column) -> Reference | None:
        """The time around the last records: their median, so that one wrong time does not
        matter.
        """
        if not len(positions):
            return None
        seconds = np.sort(self.u32[positions[-65:]])
        return Reference(int(seconds[len(seconds) // 2]), DAY_S)

    def in_step(self, positions: Column) -> int:
        """How many of the records are believable: after a record whose length was damaged, the
        chain may go on four bytes off.

        It then takes fractions for seconds, and lengths on the wire for captured lengths. The sign
        is a record that claims more bytes than were on the wire, and after which all times differ.
        """
        if (
            len(positions) < 2
            or abs(int(self.u32[positions[-1]]) - int(self.u32[positions[0]])) <= DAY_S
        ):
            return len(positions)
        at = self.length_at
        long = np.concatenate(
            [
                part.start
                + np.flatnonzero(
                    self.u32[positions[part] + at] > self.u32[positions[part] + 20 - at]
                )
                for part in chunks(len(positions))
            ]
        )
        long = long[long < len(positions) - 1]
        before, after = (self.u32[positions[rows]].astype(np.int64) for rows in (long, long + 1))
        jumps = long[np.abs(after - before) > DAY_S]
        return int(jumps[0]) + 1 if len(jumps) else len(positions)

    def candidates(self, low: int, high: int, reference: Reference | None) -> Column:
        """Where in [low, high) a record header may stand, by its own fields alone."""
        if reference is None:  # no time to go by: the length on the wire rules out most places
            at = np.flatnonzero(
                self.u32[low + 20 - self.length_at : high + 20 - self.length_at] - np.uint32(1)
                < MAX_STATED_PACKET_BYTES
            )
        else:
            at = self._near(self.u32[low:high], reference.second)
        at = low + at[at + low + 16 <= self.size]
        captured, wire = self.u32[at + self.length_at], self.u32[at + 20 - self.length_at]
        good = (
            (captured <= wire)
            & (captured <= self.largest)
            & (wire <= MAX_STATED_PACKET_BYTES)
            & (self.u32[at + 4] < 1_000_000_000)
            & (wire > 0)
        )
        likely: Column = at[good]
        return likely

    def sensible(self, at: int, reference: Reference | None, records: int) -> bool:
        """Whether `records` records from `at` on look like records: near in time, captured ≤ wire,
        sizes in range.
        """
        for i in range(records):
            if at == self.size:
                return i > 0
            if at + self.header > self.size:
                return False
            seconds, fraction, first, second = self.fields.unpack_from(self.data, at)
            captured, wire = (first, second) if self.length_at == 8 else (second, first)
            if reference is None:
                reference = Reference(seconds, DAY_S)
            if (
                captured > wire
                or captured > self.largest
                or wire > MAX_STATED_PACKET_BYTES
                or fraction >= 1_000_000_000
                or not reference.near(seconds)
            ):
                return False
            at += self.header + captured
            if at > self.size:
                return i > 0
        return True

    def after(self, at: int) -> int:
        """Where the record at `at` says that it ends."""
        return at + self.header + int(self.length.unpack_from(self.data, at + self.length_at)[0])


def read_pcap(
    data: Buffer, start: int, next_section: NextSection, progress: Callable[[float], None]
) -> Block:
    """The records after the file header at `start`, which is whole. `next_section` knows other
    headers when it sees one.
    """
    order = magic_order(data, start) or "<"
    magic = int.from_bytes(bytes(data[start : start + 4]), "little" if order == "<" else "big")
    dialect = MAGIC[magic]
    major, minor = Struct(order + "HH").unpack_from(data, start + 4)
    snaplen, network = Struct(order + "II").unpack_from(data, start + 16)
    link, unit_ns = (
        network & 0xFFFF,
        dialect.unit_ns,
    )  # the upper half holds the length of the frame check sequence
    if (major, minor) == (2, 2) and link in AIX_LINKS:
        link, unit_ns = AIX_LINKS[link], 1
    first = start + FILE_HEADER_BYTES + dialect.extra
    chain = _chain(data, first, order, dialect, snaplen, (major, minor))
    block = Block(format=dialect.name, snaplen=snaplen or None, resolution_ns=unit_ns)
    positions = _records(chain, first, block, next_section, progress)
    _columns(chain, positions, unit_ns, link, block)
    return block


def _chain(
    data: Buffer, first: int, order: str, dialect: Dialect, snaplen: int, version: tuple[int, int]
) -> PcapChain:
    """Patched libpcaps wrote longer record headers under the same magic, old ones swapped lengths:
    take what three records agree with.
    """
    largest = snaplen if MAX_PACKET_BYTES < snaplen <= MAX_STATED_PACKET_BYTES else MAX_PACKET_BYTES
    places = (
        (12,)
        if (version < (2, 3) and version != (2, 2)) or version[0] == 543
        else (8, 12)
        if version == (2, 3)
        else (8,)
    )
    chains = [
        PcapChain(data, order, header, largest, place)
        for header in dialect.headers
        for place in places
    ]
    return next((chain for chain in chains if chain.sensible(first, None, 3)), chains[0])


def _records(
    chain: PcapChain,
    first: int,
    block: Block,
    next_section: NextSection,
    progress: Callable[[float], None],
) -> Column:
    """Walk, and walk on after damage; fills in what the block says about damage."""
    damage = _Damage(chain, first, block, next_section)
    parts: list[Column] = []
    at = first
    while True:
        positions, block.end = walk(chain, at, chain.size, progress)
        positions, resumed = damage.doubted(positions)
        if resumed is None:
            before = positions if len(positions) or not parts else parts[-1]
            resumed = damage.behind(positions, chain.reference(before))
        if resumed is None:
            parts.append(positions)
            break
        kept, at = resumed
        parts.append(positions[:kept])
        damage.count(parts, at)
        if next_section(at):
            block.end = at
            break
    return together(parts, "i8")


@dataclass(slots=True)
class _Damage:
    """Where to go on after damage in one file, counted in its block."""

    chain: PcapChain
    first: int
    block: Block
    next_section: NextSection
    budget: Budget = field(default_factory=Budget)
    doubts: int = MAX_DOUBTS

    def doubted(self, positions: Column) -> tuple[Column, tuple[int, int] | None]:
        """Records walked → those to be believed, and where others follow, as `resume` says it."""
        stands = self.chain.in_step(positions) if self.doubts else len(positions)
        if stands == len(positions):
            return positions, None
        self.doubts -= 1
        believed = positions[:stands]
        resumed = resume(
            self.chain,
            believed,
            int(positions[stands]),
            self.chain.reference(believed),
            self.next_section,
            self.budget,
        )
        return (believed, resumed) if resumed else (positions, None)

    def behind(self, positions: Column, reference: Reference | None) -> tuple[int, int] | None:
        """Where to go on after a walk, as `resume` says it; None at the end of the block."""
        chain, block = self.chain, self.block
        left = chain.size - block.end
        if not left or self.next_section(block.end):
            return None
        if left < chain.header or (
            chain.after(block.end) > chain.size and _looks_cut(chain, block.end, reference)
        ):
            block.cut_bytes, block.end = left, chain.size
            return None
        resumed = resume(chain, positions, block.end, reference, self.next_section, self.budget)
        if resumed is None:
            block.garbage_bytes += left
            block.resyncs += 1
            block.end = chain.size
        return resumed

    def count(self, parts: list[Column], at: int) -> None:
        """Count what lies between the last record of `parts` and `at`, where reading goes on."""
        chain, block = self.chain, self.block
        row = sum(map(len, parts))
        if len(parts[-1]):
            last = int(parts[-1][-1])
            if chain.after(last) > at:
                block.clipped[row - 1] = at - last - chain.header
            block.garbage_bytes += max(at - chain.after(last), 0)
        else:
            block.garbage_bytes += at - self.first
        block.first_garbage = row if not block.resyncs else block.first_garbage
        block.resyncs += 1


def _looks_cut(chain: PcapChain, at: int, reference: Reference | None) -> bool:
    """Whether a sensible record header stands at `at` (its packet runs past the end of the
    file).
    """
    seconds, fraction, captured, wire = chain.fields.unpack_from(chain.data, at)
    if chain.length_at == 12:
        captured, wire = wire, captured
    return (
        captured <= min(wire, chain.largest)
        and fraction < 1_000_000_000
        and (reference is None or reference.near(seconds))
    )


def _columns(chain: PcapChain, positions: Column, unit_ns: int, link: int, block: Block) -> None:
    n = len(positions)
    block.time_ns, block.captured, block.wire = empty(n, "i8"), empty(n, "u4"), empty(n, "u4")
    for rows in chunks(n):
        if compiled.core is not None:
            columns = (c[rows] for c in (block.time_ns, block.captured, block.wire))
            compiled.core.record_fields(
                chain.data, positions[rows], chain.length_at, chain.big, unit_ns, *columns
            )
            continue
        fields = chain.headers[positions[rows]].view(chain.u32.dtype).reshape(-1, 4)
        block.time_ns[rows] = (
            fields[:, 0].astype(np.int64) * 1_000_000_000 + fields[:, 1].astype(np.int64) * unit_ns
        )
        block.captured[rows] = fields[:, chain.length_at // 4]
        block.wire[rows] = fields[:, 5 - chain.length_at // 4]
    for row, captured in block.clipped.items():
        block.captured[row] = captured
    block.offset = filled(n, "i8", lambda rows: positions[rows] + chain.header)
    block.link = full(n, link, "u2")
