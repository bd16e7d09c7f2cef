"""A pcap file → its records (draft-ietf-opsawg-pcap, and the variants libpcap and Wireshark know).

In: a buffer and the position of a file header (captures may be concatenated, so it need not be 0). Out: one `Block` of
records and where it ended. Invariant: a record is reported only when all of its bytes but perhaps the last packet's are
in the file; after damage, reading goes on only at a place from which several records in a row make sense, and the bytes
skipped are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

import numpy as np

from lbtrace.capture.walk import STOP, view, walk
from lbtrace.tables import Buffer, Column

LARGEST_PACKET = 262_144  # bytes; libpcap's and Wireshark's limit unless the header states more
LARGEST_EVER = 16 << 20
FILE_HEADER = 24
DAY_S = 86_400
MOST_RESYNCS = 10_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """A magic number: ns per unit of the fraction of a second, and the record header lengths it is known with, likeliest first."""

    name: str
    unit_ns: int
    headers: tuple[int, ...]


MAGIC: dict[int, Dialect] = {
    0xA1B2C3D4: Dialect("pcap", 1000, (16, 24, 20)),  # 24: ss990417 and ss991029 patches, 20: Nokia
    0xA1B23C4D: Dialect("pcap", 1, (16,)),  # nanoseconds
    0xA1B2CD34: Dialect("pcap (modified)", 1000, (24, 28, 16)),  # Kuznetzov; 28: ss990915
    0xA1B234CD: Dialect("pcap (modified)", 1000, (24, 16)),  # Mesquita
    0xA12B3C4D: Dialect("pcap", 1, (16,)),  # Navtel
    0x1C0001AC: Dialect("pcap (IXIA)", 1, (16,)),
    0x1C0001AB: Dialect("pcap (IXIA)", 1000, (16,)),
}


@dataclass(slots=True)
class Block:
    """Records that share a file header, as columns (see RecordTable), with what the header says and what went wrong.

    `end` is where reading stopped. `cut`: the last record misses bytes. `garbage_bytes` were skipped in `resyncs` places.
    """

    format: str
    time_ns: Column
    offset: Column
    captured: Column
    wire: Column
    link: Column
    resolution_ns: int
    snaplen: int | None
    end: int
    cut: int | None = None  # index of the record that the file's end cuts
    resyncs: int = 0
    garbage_bytes: int = 0
    first_garbage: int = 0  # records before the first skipped byte
    odd_lengths: int = 0
    dropped: int | None = None
    secrets: list[tuple[int, bytes]] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)  # (record of the block from 1, or 0; text)
    problems: list[tuple[str, str, int]] = field(default_factory=list)  # (slug, text, count)


def magic_order(data: Buffer, at: int) -> str | None:
    """The byte order ("<" or ">") of the pcap header at `at`, None when there is no pcap magic."""
    head = bytes(data[at : at + 4])
    if int.from_bytes(head, "little") in MAGIC:
        return "<"
    if int.from_bytes(head, "big") in MAGIC:
        return ">"
    return None


class PcapChain:
    """Record headers that follow each other; see `walk.Chain`."""

    def __init__(self, data: Buffer, order: str, header: int, largest: int) -> None:
        self.data = data
        self.size = len(data)
        self.header = header
        self.largest = largest
        self.u32 = view(data, order + "u4")
        self.length = Struct(order + "I")
        self.fields = Struct(order + "IIII")

    def sequence(self, start: int, most: int, until: Callable[[int], bool] | None) -> tuple[list[int], int, bool]:
        """See `walk.Chain.sequence`."""
        data, header, largest, size = self.data, self.header, self.largest, self.size
        unpack = self.length.unpack_from
        found: list[int] = []
        at = start
        for _ in range(most):
            if at + header > size:
                return found, at, True
            length = unpack(data, at + 8)[0]
            after = at + header + length
            if length > largest or after > size:
                return found, at, True
            found.append(at)
            at = after
            if until is not None and until(at):
                break
        return found, at, False

    def many(self, positions: Column) -> Column:
        """See `walk.Chain.many`."""
        inside = positions + self.header <= self.size
        safe = np.where(inside, positions, 0) + 8
        length = self.u32[safe].astype(np.int64)
        after: Column = positions + self.header + length
        after[~inside | (length > self.largest) | (after > self.size)] = STOP
        return after

    def guess(self, position: int) -> int:
        """See `walk.Chain.guess`: a place whose time is near the file's and from which a few records follow sensibly."""
        return self.plausible(position, min(position + 4096, self.size), self.near, 4)

    near = 0  # seconds; where times are expected

    def plausible(self, low: int, high: int, second: int, records: int) -> int:
        """The first position in [low, high) from which `records` sensible records follow (or the file ends exactly), STOP if none."""
        window = self.u32[low:high]
        close = np.flatnonzero((window - np.uint32((second - DAY_S) & 0xFFFFFFFF)) < np.uint32(2 * DAY_S))
        for candidate in close[:64]:
            if self.sensible(low + int(candidate), second, records):
                return low + int(candidate)
        return STOP

    def sensible(self, at: int, second: int, records: int) -> bool:
        """Whether `records` records from `at` on look like records: near in time, captured ≤ wire, sizes in range."""
        for i in range(records):
            if at == self.size:
                return i > 0
            if at + self.header > self.size:
                return False
            seconds, fraction, captured, wire = self.fields.unpack_from(self.data, at)
            if (
                captured > wire
                or captured > self.largest
                or wire > LARGEST_EVER
                or abs(seconds - second) > DAY_S
                or fraction >= 1_000_000_000
            ):
                return False
            at += self.header + captured
            if at > self.size:
                return i > 0
        return True


def read_pcap(data: Buffer, start: int, progress: Callable[[float], None]) -> Block:
    """The records after the file header at `start`, which has a known magic and is whole."""
    order = magic_order(data, start) or "<"
    magic = int.from_bytes(bytes(data[start : start + 4]), "little" if order == "<" else "big")
    dialect = MAGIC[magic]
    major, minor = Struct(order + "HH").unpack_from(data, start + 4)
    snaplen, network = Struct(order + "II").unpack_from(data, start + 16)
    first = start + FILE_HEADER + (4 if dialect.name == "pcap (IXIA)" else 0)
    largest = LARGEST_PACKET if snaplen <= LARGEST_PACKET or snaplen > LARGEST_EVER else snaplen
    header = _header_length(data, first, order, dialect, largest)
    chain = PcapChain(data, order, header, largest)
    if first + 4 <= len(data):
        chain.near = int(chain.u32[first])
    positions, end = walk(chain, first, len(data), progress)
    cut = _cut_record(chain, end)
    if cut:
        positions = np.append(positions, end)
        end = len(data)
    block = _columns(chain, positions, dialect.unit_ns if (major, minor) != (2, 2) else 1, network & 0xFFFF, (major, minor))
    if cut:
        block.cut = len(positions) - 1
        block.captured[-1] = len(data) - block.offset[-1]
    elif end < len(data) < end + header and not magic_order(data, end):
        block.cut = -1
    block.format, block.snaplen, block.end = dialect.name, snaplen or None, end
    return block


def _cut_record(chain: PcapChain, at: int) -> bool:
    """Whether a record begins at `at` whose packet the end of the file cuts."""
    if at + chain.header > chain.size:
        return False
    _, _, captured, _ = chain.fields.unpack_from(chain.data, at)
    return bool(captured <= chain.largest) and at + chain.header + captured > chain.size


def _header_length(data: Buffer, first: int, order: str, dialect: Dialect, largest: int) -> int:
    """Patched libpcaps wrote longer record headers under the same magic: take the first length that three records agree with."""
    for length in dialect.headers:
        chain = PcapChain(data, order, length, largest)
        if first + 16 <= len(data) and chain.sensible(first, int(chain.u32[first]), 3):
            return length
    return dialect.headers[0]


def _columns(chain: PcapChain, positions: Column, unit_ns: int, link: int, version: tuple[int, int]) -> Block:
    n = len(positions)
    time_ns = np.empty(n, dtype=np.int64)
    captured = np.empty(n, dtype=np.uint32)
    wire = np.empty(n, dtype=np.uint32)
    for low in range(0, n, 1 << 17):
        part = positions[low : low + (1 << 17)]
        high = low + len(part)
        time_ns[low:high] = chain.u32[part].astype(np.int64) * 1_000_000_000 + chain.u32[part + 4].astype(np.int64) * unit_ns
        captured[low:high] = chain.u32[part + 8]
        wire[low:high] = chain.u32[part + 12]
    return Block(
        format="pcap",
        time_ns=time_ns,
        offset=positions + chain.header,
        captured=captured,
        wire=wire,
        link=np.full(n, link, dtype=np.uint16),
        resolution_ns=unit_ns,
        snaplen=None,
        end=0,
    )
