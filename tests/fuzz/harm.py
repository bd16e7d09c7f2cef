"""Bytes → a recorded pair with damage on either side: packets dropped, doubled, out of order, cut,
late, with bits turned round.

The first byte names the recording, the second what the user states of the clocks; each eight bytes
after them are one harm: what, to which capture, and three numbers. Every program of bytes means
something, so a fuzzer loses no try.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from lbtrace.model.net import Side
from tests.fuzz.recordings import Point, Recorded, pool
from tests.sentences.damage import SECOND, Record, pcap_of

HARM = struct.Struct(">BBHHH")
MOST = 8  # harms of one program: what has more than that damage is all damage
HEAD = 2
HOUR_NS = 3600 * SECOND
UNITS_NS = (1_000, 100_000, 1_000_000, 100_000_000, SECOND, HOUR_NS)
Records = list[Record]
Numbers = tuple[int, int, int]
Harm = Callable[[Records, Numbers], Records]


def _place(number: int, size: int) -> int:
    """A number of 16 bits → a place among so many."""
    return number * size >> 16


def _span(records: Records, numbers: Numbers) -> slice:
    """Some packets in a row; few more often than many."""
    begin = _place(numbers[0], len(records))
    return slice(begin, begin + 1 + (numbers[1] >> 8) * len(records) // 1024)


def _time_ns(numbers: Numbers) -> int:
    """An amount of time, forwards or back."""
    return (numbers[2] % 2001 - 1000) * UNITS_NS[numbers[1] % len(UNITS_NS)]


def drop(records: Records, numbers: Numbers) -> Records:
    """Packets in a row that were not captured."""
    span = _span(records, numbers)
    return records[: span.start] + records[span.stop :]


def thin(records: Records, numbers: Numbers) -> Records:
    """Packets here and there that were not captured."""
    dice = Random(numbers[0])
    return [r for r in records if dice.randrange(1 << 16) >= numbers[1] // 2]


def begin_late(records: Records, numbers: Numbers) -> Records:
    """The first packets are missing."""
    return records[_place(numbers[0], len(records)) :]


def end_early(records: Records, numbers: Numbers) -> Records:
    """The last packets are missing."""
    return records[: _place(numbers[0], len(records)) + 1]


def double(records: Records, numbers: Numbers) -> Records:
    """Packets in a row that were captured twice, the second time a little later."""
    span = _span(records, numbers)
    apart = numbers[2] % 5 * (span.stop - span.start)
    again = [r.at(r.time_ns + numbers[2] * 1000) for r in records[span]]
    at = span.start + apart
    return records[:at] + again + records[at:]


def reorder(records: Records, numbers: Numbers) -> Records:
    """Packets in a row that stand in the file as they did not come, each with its own time."""
    span = _span(records, numbers)
    span = slice(span.start, span.stop + 1)
    mixed = records[span]
    Random(numbers[2]).shuffle(mixed)
    return records[: span.start] + mixed + records[span.stop :]


def overtake(records: Records, numbers: Numbers) -> Records:
    """Two packets that came the other way round: each has the time of the other."""
    at = _place(numbers[0], len(records))
    other = min(at + 1 + numbers[1] % 6, len(records) - 1)
    out = list(records)
    out[at], out[other] = (
        records[other].at(records[at].time_ns),
        records[at].at(records[other].time_ns),
    )
    return out


def snap(records: Records, numbers: Numbers) -> Records:
    """A snapshot length, for all packets."""
    return [r.cut(numbers[0] % 400) for r in records]


def snap_some(records: Records, numbers: Numbers) -> Records:
    """A snapshot length, for packets in a row."""
    span = _span(records, numbers)
    cut = [r.cut(numbers[2] % 1500) for r in records[span]]
    return records[: span.start] + cut + records[span.stop :]


def shift(records: Records, numbers: Numbers) -> Records:
    """Another clock."""
    return [r.at(r.time_ns + _time_ns(numbers)) for r in records]


def step(records: Records, numbers: Numbers) -> Records:
    """A clock that was set."""
    at = _place(numbers[0], len(records))
    return records[:at] + [r.at(r.time_ns + _time_ns(numbers)) for r in records[at:]]


def delay(records: Records, numbers: Numbers) -> Records:
    """One packet that was stamped late, or early."""
    at = _place(numbers[0], len(records))
    late = [records[at].at(records[at].time_ns + _time_ns(numbers))]
    return records[:at] + late + records[at + 1 :]


def flip(records: Records, numbers: Numbers) -> Records:
    """One bit of one packet."""
    at = _place(numbers[0], len(records))
    one = records[at]
    if not one.data:
        return records
    return [*records[:at], one.flipped(_place(numbers[1], 8 * len(one.data))), *records[at + 1 :]]


def flip_head(records: Records, numbers: Numbers) -> Records:
    """One bit among the first of a packet: addresses, ports, lengths, flags."""
    at = _place(numbers[0], len(records))
    one = records[at]
    if not one.data:
        return records
    return [
        *records[:at],
        one.flipped(numbers[1] % (8 * min(len(one.data), 60))),
        *records[at + 1 :],
    ]


HARMS: tuple[Harm, ...] = (
    drop, thin, begin_late, end_early, double, reorder, overtake, snap, snap_some, shift, step,
    delay, flip, flip_head,
)  # fmt: skip
MOVE_TIMES = (step, delay, overtake, double)  # a packet is no longer on the clock of its capture
UNTRUE = (flip, flip_head)  # a packet is no longer what was sent
NOTHING, TRUTH, WRONG = "nothing", "the truth", "what is an hour off"
STATED = (NOTHING, NOTHING, TRUTH, WRONG)


@dataclass(frozen=True)
class Harmed:
    """A recorded pair with its damage. `harms`: what was done, in order."""

    recorded: Recorded
    records: Mapping[Point, Records]
    harms: tuple[tuple[Harm, Point, Numbers], ...]
    stated: str

    @property
    def stated_ns(self) -> int | None:
        """What the user states of the clocks: nothing, the truth, or what is an hour off."""
        if self.stated == NOTHING or self.delta_ns is None:
            return None
        return self.delta_ns + (HOUR_NS if self.stated == WRONG else 0)

    @property
    def one_clock(self) -> bool:
        """Whether the times of both captures still differ by one amount."""
        return not any(harm in MOVE_TIMES for harm, _, _ in self.harms)

    @property
    def true(self) -> bool:
        """Whether every packet is as it was sent, and what the user states is so."""
        return not any(harm in UNTRUE for harm, _, _ in self.harms) and (
            self.stated_ns is None or (self.one_clock and self.stated_ns == self.delta_ns)
        )

    @property
    def delta_ns(self) -> int | None:
        """The client clock minus the backend clock, where that is one amount."""
        if self.recorded.delta_ns is None:
            return None
        moved = sum(
            _time_ns(numbers) * (1 if side is Side.CLIENT else -1)
            for harm, (side, _), numbers in self.harms
            if harm is shift
        )
        return self.recorded.delta_ns + moved

    def files(self) -> dict[Point, bytes]:
        """The captures."""
        return {
            point: pcap_of(self.recorded.files[point], records)
            for point, records in self.records.items()
        }

    def __str__(self) -> str:
        done = [f"{harm.__name__} {side}-{n} {numbers}" for harm, (side, n), numbers in self.harms]
        return f"{self.recorded.name}, {self.stated} is stated: {'; '.join(done) or 'nothing'}"


def harmed(data: bytes) -> Harmed:
    """Any bytes → a pair with damage."""
    data = data.ljust(HEAD, b"\0")
    recorded = pool()[data[0] % len(pool())]
    points = sorted(recorded.files)
    records = {point: list(recorded.records[point]) for point in points}
    harms = []
    for what, where, *numbers in HARM.iter_unpack(_whole(data[HEAD:])):
        harm, point = HARMS[what % len(HARMS)], points[where % len(points)]
        if records[point]:
            a, b, c = numbers
            records[point] = harm(records[point], (a, b, c))
            harms.append((harm, point, (a, b, c)))
    return Harmed(recorded, records, tuple(harms), STATED[data[1] % len(STATED)])


def _whole(data: bytes) -> bytes:
    return data[: min(len(data) // HARM.size, MOST) * HARM.size]


def programs() -> Iterator[bytes]:
    """Programs to begin with: each recording once, each harm twice, on both sides."""
    dice = Random(1)
    count = len(pool())
    for n in range(max(count, 2 * len(HARMS))):
        one, other = (
            HARM.pack(n % len(HARMS), where, *(dice.randrange(1 << 16) for _ in range(3)))
            for where in range(2)
        )
        yield bytes((n % count, n % len(STATED))) + (one if n < len(HARMS) else other)
