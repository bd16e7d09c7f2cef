"""A pcapng file → its records (draft-ietf-opsawg-pcapng; section numbers below are the draft's).

In: a buffer and the position of a Section Header Block. Out: one `Block` of records for that
section, and where the section ended. A section has its own byte order and its own interfaces; each
interface has its link type, time resolution and time offset. Blocks of unknown type are skipped, as
§3.1 demands.

Frames are numbered as Wireshark does (wiretap/pcapng.c): custom blocks, systemd journal entries and
sysdig events count, so each is a record without bytes, of a link type that nothing reads. It gets
the time of the record before it, or after it when it comes first.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from struct import Struct
from typing import NamedTuple

import numpy as np

from lbtrace.capture.block import Block, NextSection
from lbtrace.capture.link_names import CUSTOM_BLOCK, JOURNAL_ENTRY, NO_INTERFACE, SYSDIG_EVENT
from lbtrace.capture.on_disk import Growing, chunks, filled, full, together
from lbtrace.capture.resync import Budget, Reference, resume
from lbtrace.capture.walk import STOP, walk
from lbtrace.tables.columns import distinct
from lbtrace.tables.packets import Buffer, Column
from lbtrace.tables.views import strided

SECTION = 0x0A0D0D0A
INTERFACE, OLD_PACKET, SIMPLE, NAMES, STATISTICS, ENHANCED, SECRETS = 1, 2, 3, 4, 5, 6, 10
SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"  # the type of a Section Header Block, in any byte order
PACKETS = (ENHANCED, SIMPLE, OLD_PACKET)
EVENTS = {
    0x0BAD: CUSTOM_BLOCK,
    0x40000BAD: CUSTOM_BLOCK,
    9: JOURNAL_ENTRY,
    **dict.fromkeys((0x204, 0x216, 0x221), SYSDIG_EVENT),
}  # block types → link types
MIN_EVENT_BYTES = 16
# codes of options (§3.5, §4.2, §4.3, §4.6): of all blocks, interfaces, statistics, packets
COMMENT, TIME_RESOLUTION, TIME_OFFSET, STATISTICS_DROPS, PACKET_DROPS = 1, 9, 14, (5, 7), 4
NAME_BYTES = {1: 4, 2: 16}  # kind of a name record (§4.5) → bytes of its address
MAGIC = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
KNOWN = (INTERFACE, OLD_PACKET, SIMPLE, NAMES, STATISTICS, ENHANCED, SECRETS, SECTION)
MIN_BLOCK_BYTES = 12
MIN_SECTION_BYTES = 28
BILLION = 1_000_000_000
MAX_TIME_S = 9_000_000_000  # a little less than what i64 ns hold
_FAR_S = 1 << 40  # seconds: any offset beyond it is as far
MAX_COMMENTS = 10_000
MAX_BLOCK_BYTES = 64 << 20
MAX_OPTION_BYTES = 4096  # bytes of options a packet is likely to have


@dataclass(slots=True)
class Interface:
    """An Interface Description Block (§4.2): ticks are `per_second` to the second; `offset_s` is
    added to every time.
    """

    link: int
    snaplen: int
    per_second: int = 1_000_000
    offset_s: int = 0
    dropped: int | None = None


class Described(NamedTuple):
    """The interfaces of a section: link types, which of `units` (to the second) their times have,
    offsets in seconds; and the snapshot length of the first one, 0 without.
    """

    link: Column
    unit: Column
    units: list[int]
    offset_s: Column
    snaplen: int


@dataclass(slots=True)
class Section:
    """What the blocks of a section other than packets say."""

    interfaces: list[Interface] = field(default_factory=list)
    secrets: list[tuple[int, bytes]] = field(default_factory=list)
    names: dict[str, dict[str, None]] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)

    def described(self) -> Described:
        """Its interfaces, as columns."""
        units: dict[int, int] = {}  # a file may have any number of interfaces, but 256 units
        return Described(
            np.array([i.link for i in self.interfaces], np.uint16),
            np.array([units.setdefault(i.per_second, len(units)) for i in self.interfaces], int),
            list(units),
            np.array([min(max(i.offset_s, -_FAR_S), _FAR_S) for i in self.interfaces], np.int64),
            self.interfaces[0].snaplen if self.interfaces else 0,
        )


def section_order(data: Buffer, at: int) -> str | None:
    """The byte order of the section whose header block is at `at`, None when there is none."""
    if bytes(data[at : at + 4]) != SECTION_MAGIC:
        return None
    return MAGIC.get(bytes(data[at + 8 : at + 12]))


class BlockChain:
    """Blocks that follow each other up to the next section; see `walk.Chain`."""

    def __init__(self, data: Buffer, order: str) -> None:
        self.data = data
        self.size = len(data)
        self.u32 = strided(data, order + "u4")
        self.headers = strided(data, "V28")
        self.head = Struct(order + "II")
        self.length = Struct(order + "I")

    def sequence(
        self, start: int, most: int, until: Callable[[int], bool] | None
    ) -> tuple[list[int], int, bool]:
        """See `walk.Chain.sequence`."""
        data, size = self.data, self.size
        head, tail = self.head.unpack_from, self.length.unpack_from
        found: list[int] = []
        at = start
        for _ in range(most):
            if at + MIN_BLOCK_BYTES > size:
                return found, at, True
            kind, length = head(data, at)
            after = at + length
            if (
                length < MIN_BLOCK_BYTES
                or length & 3
                or after > size
                or kind == SECTION
                or tail(data, after - 4)[0] != length
            ):
                return found, at, True
            found.append(at)
            at = after
            if until is not None and until(at):
                break
        return found, at, False

    def steps(self, start: int) -> None:
        """See `walk.Chain.steps`."""

    def many(self, positions: Column) -> Column:
        """See `walk.Chain.many`."""
        safe = np.minimum(positions, self.size - MIN_BLOCK_BYTES)
        length = self.u32[safe + 4].astype(np.int64)
        after: Column = (
            positions + length
        )  # beyond the end, too, where the block itself begins too late
        good = (
            (length >= MIN_BLOCK_BYTES)
            & (length & 3 == 0)
            & (after <= self.size)
            & (self.u32[safe] != SECTION)
        )
        if good.all():
            good = self.u32[after - 4] == length
        else:
            good[good] = self.u32[after[good] - 4] == length[good]
        if not good.all():
            after[~good] = STOP
        return after

    def guess(self, position: int, known: int) -> int:
        """See `walk.Chain.guess`: an Enhanced Packet Block whose two lengths agree."""
        low = position + 3 & ~3
        window = self.u32[low : low + 8192 : 4]
        for candidate in np.flatnonzero(window == ENHANCED)[:64]:
            at = low + 4 * int(candidate)
            if self.sequence(at, 3, None)[2] is False:
                return at
        return STOP

    header = 8

    def candidates(self, low: int, high: int, reference: Reference | None) -> Column:
        """Where in [low, high) a block may begin: a known type and two lengths that agree, or a
        section.
        """
        window = self.u32[low:high]
        at = low + np.flatnonzero(np.isin(window, KNOWN))
        at = at[at + MIN_BLOCK_BYTES <= self.size]
        likely: Column = at[(self.many(at) != STOP) | (self.u32[at] == SECTION)]
        return likely

    def sensible(self, at: int, reference: Reference | None, records: int) -> bool:
        """Whether a block stands at `at` and the file ends or goes on sensibly behind it."""
        found, after, _ = self.sequence(at, 2, None)
        return len(found) == 2 or (
            len(found) == 1 and (after == self.size or section_order(self.data, after) is not None)
        )

    def after(self, at: int) -> int:
        """Where the block at `at` says that it ends."""
        return at + self.length_at(at)

    def length_at(self, at: int) -> int:
        """The length that the block at `at` states."""
        return int(self.head.unpack_from(self.data, at)[1])


def options(data: Buffer, at: int, end: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The options of a block (§3.5): (code, value)."""
    head = Struct(order + "HH")
    while at + 4 <= end:
        code, length = head.unpack_from(data, at)
        if code == 0 or at + 4 + length > end:
            return
        yield code, bytes(data[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)


def read_section(
    data: Buffer, start: int, next_section: NextSection, progress: Callable[[float], None]
) -> Block:
    """The packets of the section that begins at `start` with a known byte order. `next_section`
    knows other headers when it sees one.
    """
    order = section_order(data, start) or "<"
    length = Struct(order + "I").unpack_from(data, start + 4)[0]
    chain = BlockChain(data, order)
    sane = length >= MIN_SECTION_BYTES and length % 4 == 0 and start + length <= len(data)
    block = Block(format="pcapng", resolution_ns=1000)
    first = start + (length if sane else MIN_SECTION_BYTES)
    positions = _blocks(chain, first, block, next_section, progress)
    section = Section()
    if sane:
        said = options(data, start + 24, start + length - 4, order)
        comments = (text(value) for code, value in said if code == COMMENT)
        section.comments += [(0, comment) for comment in islice(comments, MAX_COMMENTS)]
    framed = Growing("i8")
    for rows in chunks(len(positions)):
        at = positions[rows]
        is_frame = _frames(chain, at, block)
        for other in at[~is_frame].tolist():
            _describe(chain, order, other, section)
        framed.append(at if is_frame.all() else at[is_frame])
    positions = framed.column()
    kinds = filled(len(positions), "u4", lambda rows: chain.u32[positions[rows]])
    block.first_garbage = int(np.searchsorted(positions, block.first_garbage))
    _columns(chain, order, positions, kinds, section, block)
    return block


def _frames(chain: BlockChain, at: Column, block: Block) -> Column:
    """Which of the blocks are frames (bool each); packets that are too short are counted."""
    kinds, length = chain.u32[at], chain.u32[at + 4]
    found = _one_of(kinds, PACKETS)
    too_short = found & (length < np.where(kinds == SIMPLE, 16, 32))
    found &= ~too_short
    block.odd_lengths += int(too_short.sum())
    if not found.all():
        found |= _one_of(kinds, EVENTS) & (length >= MIN_EVENT_BYTES)
    return found


def _blocks(
    chain: BlockChain,
    first: int,
    block: Block,
    next_section: NextSection,
    progress: Callable[[float], None],
) -> Column:
    """Walk, and walk on after damage; fills in what the block says about damage."""
    parts: list[Column] = []
    budget = Budget()
    at = first
    while True:
        positions, end = walk(chain, at, chain.size, progress)
        parts.append(positions)
        block.end = end
        left = chain.size - end
        if left <= 0 or next_section(end):
            break
        found, length = None, 0
        if left >= MIN_BLOCK_BYTES:
            length = chain.length_at(end)
            found = resume(chain, positions[:0], end, None, next_section, budget)
        if found is None or (length > left and found[1] < _data_end(chain, end)):
            _count_rest(chain, end, length, block)
            break
        at = found[1]
        if length >= MIN_BLOCK_BYTES and end + length == at and chain.u32[end] in KNOWN:
            parts.append(np.array([end], dtype=np.int64))  # only the length at its end is damaged
            block.odd_lengths += 1
            continue
        block.garbage_bytes += at - end
        block.first_garbage = block.first_garbage if block.resyncs else end
        block.resyncs += 1
        if next_section(at):
            block.end = at
            break
    return together(parts, "i8")


def _count_rest(chain: BlockChain, at: int, length: int, block: Block) -> None:
    """Nothing sensible follows `at`: the rest of the file is a block cut by its end, or garbage."""
    left = chain.size - at
    is_known = length > left and length <= MAX_BLOCK_BYTES and chain.u32[at] in KNOWN
    if left < MIN_BLOCK_BYTES or is_known:
        block.cut_bytes = left
    else:
        block.garbage_bytes += left
        block.resyncs += 1
    block.end = chain.size


def _data_end(chain: BlockChain, at: int) -> int:
    """Where the packet of a block ends, when it agrees with the block's length; what stands before
    is packet, whatever it looks like.
    """
    if chain.u32[at] != ENHANCED or at + 32 > chain.size:
        return at
    length, captured, wire = (
        int(chain.u32[at + 4]),
        int(chain.u32[at + 20]),
        int(chain.u32[at + 24]),
    )
    agrees = captured <= wire and 0 <= length - 32 - (captured + 3 & ~3) <= MAX_OPTION_BYTES
    return at + 28 + captured if agrees else at


def text(value: bytes) -> str:
    """UTF-8 text of an option, whatever it holds."""
    return value.decode("utf-8", "replace").rstrip("\0")


def _describe(chain: BlockChain, order: str, at: int, section: Section) -> None:
    """Take what a block that is no packet says into `section`."""
    data = chain.data
    kind, length = chain.head.unpack_from(data, at)
    body, end = at + 8, at + length - 4
    if kind == INTERFACE and body + 8 <= end:
        section.interfaces.append(_interface(data, order, body, end))
    elif kind == STATISTICS and body + 12 <= end:
        number = chain.length.unpack_from(data, body)[0]
        drops = [
            _number(value, order)
            for code, value in options(data, body + 12, end, order)
            if code in STATISTICS_DROPS and len(value) == 8
        ]
        if drops and number < len(section.interfaces):
            interface = section.interfaces[number]
            interface.dropped = max(interface.dropped or 0, *drops)
    elif kind == NAMES:
        _names(data, order, body, end, section.names)
    elif kind == SECRETS and body + 8 <= end:
        secret, size = chain.head.unpack_from(data, body)
        section.secrets.append((secret, bytes(data[body + 8 : min(body + 8 + size, end)])))


def _interface(data: Buffer, order: str, body: int, end: int) -> Interface:
    link, _, snaplen = Struct(order + "HHI").unpack_from(data, body)
    interface = Interface(link, snaplen)
    for code, value in options(data, body + 8, end, order):
        if code == TIME_RESOLUTION and len(value) == 1:
            base, exponent = 2 if value[0] & 0x80 else 10, value[0] & 0x7F
            interface.per_second = base**exponent
        elif code == TIME_OFFSET and len(value) == 8:
            interface.offset_s = _number(value, order, signed=True)
    return interface


def _number(value: bytes, order: str, signed: bool = False) -> int:
    return int.from_bytes(value, "little" if order == "<" else "big", signed=signed)


def _names(data: Buffer, order: str, at: int, end: int, names: dict[str, dict[str, None]]) -> None:
    """Name Resolution Block (§4.5): address → names."""
    for code, value in options(data, at, end, order):
        size = NAME_BYTES.get(code)
        if size is None or len(value) <= size:
            continue
        address = socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, value[:size])
        names.setdefault(address, {}).update(
            dict.fromkeys(text(name) for name in value[size:].split(b"\0") if name)
        )


def _times(ticks: Column, unit: int, offset_s: Column) -> Column:
    """Ticks since the epoch, u64, `unit` to the second, and the interfaces' offsets → ns, i64; what
    does not fit is clamped.
    """
    if unit < 1 << 64:
        seconds, rest = ticks // np.uint64(unit), ticks % np.uint64(unit)
    else:
        seconds, rest = np.zeros_like(ticks), ticks
    whole = np.minimum(seconds, np.uint64(1 << 40)).astype(np.int64) + offset_s
    return np.clip(whole, -MAX_TIME_S, MAX_TIME_S) * BILLION + _fraction_ns(rest, unit)


def _fraction_ns(rest: Column, unit: int) -> Column:
    """Ticks less than a second, `unit` to the second → ns, i64."""
    if unit <= BILLION and BILLION % unit == 0:
        ns = rest * np.uint64(BILLION // unit)
    elif unit % BILLION == 0 and unit // BILLION < 1 << 64:
        ns = rest // np.uint64(unit // BILLION)
    elif unit & (unit - 1) == 0 and unit < 1 << 94:
        # a power of two: 34 bits of the fraction are kept, so that the product fits
        bits = unit.bit_length() - 1
        shift = min(max(bits - 34, 0), 30)
        ns = (rest >> np.uint64(shift)) * np.uint64(BILLION) >> np.uint64(bits - shift)
    else:
        ns = np.zeros_like(rest)
    return ns.astype(np.int64)


def _columns(
    chain: BlockChain, order: str, positions: Column, kinds: Column, section: Section, block: Block
) -> None:
    n = len(positions)
    block.time_ns, block.offset = full(n, 0, "i8"), full(n, 0, "i8")
    block.captured, block.wire = full(n, 0, "u4"), full(n, 0, "u4")
    block.link = full(n, NO_INTERFACE, "u2")
    block.snaplen = max((i.snaplen for i in section.interfaces), default=0) or None
    block.secrets, block.names, block.comments = section.secrets, section.names, section.comments
    drops = [i.dropped for i in section.interfaces if i.dropped is not None]
    block.dropped = sum(drops) if drops else None
    block.resolution_ns = max(
        (BILLION // min(i.per_second, BILLION) for i in section.interfaces),
        default=1000,
    )
    described = section.described()
    for part in chunks(n):
        _chunk(chain, order, positions[part], kinds[part], described, block, part)
    if not all(_one_of(kinds[part], PACKETS).all() for part in chunks(n)):
        _events(kinds, _one_of(kinds, PACKETS), block)
    _packet_options(chain, order, positions, kinds, block)


def _chunk(
    chain: BlockChain,
    order: str,
    at: Column,
    kinds: Column,
    interfaces: Described,
    block: Block,
    part: slice,
) -> None:
    """Fill the columns of some packet blocks (§4.3, §4.4, appendix A for the old Packet Block)."""
    simple, old = kinds == SIMPLE, kinds == OLD_PACKET
    packet = simple | old | (kinds == ENHANCED)
    # so that the wire length of both kinds stands at 24; a simple packet has no other field, and
    # of an event none is read
    start = np.where(simple | ~packet, at - 16, at)
    fields = chain.headers[start].view(chain.u32.dtype).reshape(-1, 7)
    length = np.where(simple, fields[:, 5], fields[:, 1]).astype(np.int64)
    room = length - np.where(simple, 16, 32)  # for packet data (and options)
    captured, wire = fields[:, 5].astype(np.int64), fields[:, 6]
    interface = np.where(simple, 0, fields[:, 2]).astype(np.int64)
    if old.any():  # 16 bits, and 16 of drops
        number = interface >> 16 if order == ">" else interface & 0xFFFF
        interface = np.where(old, number, interface)
    if simple.any():
        captured = np.where(simple, np.minimum(wire, interfaces.snaplen or 0xFFFFFFFF), captured)
    block.odd_lengths += int((packet & (captured > room)).sum())
    block.captured[part] = np.minimum(captured, room)
    block.wire[part] = wire
    block.offset[part] = at + np.where(simple, 12, 28)
    ticks = fields[:, 3].astype(np.uint64) << np.uint64(32) | fields[:, 4].astype(np.uint64)
    _of_interfaces(interface, ticks, interfaces, block, part)
    if simple.any():
        _carry_times(block, part, simple)


def _of_interfaces(
    interface: Column, ticks: Column, interfaces: Described, block: Block, part: slice
) -> None:
    """Fill link types and times of some packets, where their interface is described."""
    known = interface < len(interfaces.link)
    if not known.any():
        return
    described, ticks = interface[known], ticks[known]
    unit, offset_s = interfaces.unit[described], interfaces.offset_s[described]
    times = np.empty(len(described), dtype=np.int64)
    for number in distinct(unit).tolist():
        these = unit == number
        times[these] = _times(ticks[these], interfaces.units[number], offset_s[these])
    block.link[part][known], block.time_ns[part][known] = interfaces.link[described], times


def _one_of(kinds: Column, wanted: Iterable[int]) -> Column:
    """Which are among those wanted, of which there are few (bool each)."""
    found = np.zeros(len(kinds), bool)
    for kind in wanted:
        found |= kinds == kind
    return found


def _events(kinds: Column, packet: Column, block: Block) -> None:
    """What is no `packet`: no bytes, a link type of its own, and the time of its neighbour."""
    rows = np.flatnonzero(~packet)
    block.captured[rows] = block.wire[rows] = 0
    block.offset[rows] -= 20  # of what all blocks begin with
    block.link[rows] = [EVENTS[kind] for kind in kinds[rows].tolist()]
    timed = np.flatnonzero(packet)
    block.time_ns[rows] = 0
    if len(timed):
        before = np.maximum(np.searchsorted(timed, rows) - 1, 0)
        block.time_ns[rows] = block.time_ns[timed[before]]


def _carry_times(block: Block, part: slice, simple: Column) -> None:
    """Simple packets carry no time: they get that of the packet before them (0 when there is
    none).
    """
    index = np.where(simple, -1, np.arange(len(simple)))
    last = np.maximum.accumulate(index)
    before = int(block.time_ns[part.start - 1]) if part.start else 0
    times = block.time_ns[part]
    times[simple] = np.where(last[simple] >= 0, times[np.maximum(last[simple], 0)], before)
    block.untimed += int(simple.sum())


def _with_options(
    chain: BlockChain, positions: Column, kinds: Column, block: Block
) -> Iterator[int]:
    """The rows of packet blocks that have options."""
    for part in chunks(len(positions)):
        enhanced = np.flatnonzero((kinds[part] == ENHANCED) | (kinds[part] == OLD_PACKET))
        enhanced += part.start
        padded = block.captured[enhanced].astype(np.int64) + 3 & ~3
        spare = chain.u32[positions[enhanced] + 4].astype(np.int64) - 32 - padded
        yield from enhanced[spare >= 8].tolist()


def _packet_options(
    chain: BlockChain, order: str, positions: Column, kinds: Column, block: Block
) -> None:
    """Comments and drop counts of Enhanced Packet Blocks that have options (§4.3)."""
    for row in islice(_with_options(chain, positions, kinds, block), MAX_COMMENTS):
        at = int(positions[row])
        end = chain.after(at) - 4
        for code, value in options(
            chain.data, int(block.offset[row]) + (int(block.captured[row]) + 3 & ~3), end, order
        ):
            if code == COMMENT and len(block.comments) < MAX_COMMENTS:
                block.comments.append((row + 1, text(value)))
            elif code == PACKET_DROPS and len(value) == 8:
                block.dropped = (block.dropped or 0) + _number(value, order)
