"""Where to go on reading after damage, if anywhere.

Damage is a record header that makes no sense where one must stand: bytes were inserted or lost, or
a length was changed. Reading resumes only at a position from which several records in a row make
sense (sizes in range, times near those before), so packet bytes are not mistaken for records: a
place inside the last record's packet must in addition lead past that packet's end. The search costs
time in proportion to the bytes it skips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lbtrace.capture.block import NextSection
from lbtrace.tables.packets import Column

FIRST_WINDOW_BYTES = 1 << 12
MAX_WINDOW_BYTES = 1 << 20
MIN_SENSIBLE_RECORDS = 4  # in a row that must make sense
MAX_RECORDS_BACK = 8  # records before the damage that may themselves be nonsense
MAX_CHECKS = 200_000  # records looked at closely in all searches of a file


@dataclass(slots=True)
class Budget:
    """How many records may still be looked at closely: hostile files must not cost more time than
    their size is worth.
    """

    left: int = MAX_CHECKS

    def spend(self) -> bool:
        """Take one; whether there was one."""
        self.left -= 1
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Reference:
    """The time, in seconds since the epoch, that records are expected near."""

    second: int
    width: int

    def near(self, seconds: int) -> bool:
        """Whether a time is near."""
        return abs(seconds - self.second) <= self.width


class Damaged(Protocol):
    """What the search needs to know of a format."""

    size: int
    header: int

    def candidates(self, low: int, high: int, reference: Reference | None) -> Column: ...
    def sensible(self, at: int, reference: Reference | None, records: int) -> bool: ...
    def after(self, at: int) -> int: ...


def resume(
    chain: Damaged,
    positions: Column,
    end: int,
    reference: Reference | None,
    next_section: NextSection,
    budget: Budget,
) -> tuple[int, int] | None:
    """Records read so far and where they stopped → (how many of them stand, where to go on), None
    when nothing further makes sense.
    """
    kept = len(positions)
    for _ in range(MAX_RECORDS_BACK):
        if kept and not chain.sensible(int(positions[kept - 1]), reference, 1):
            kept -= 1
    if not kept:  # nothing before the damage is sensible by this measure, so the measure is not
        kept = len(positions)
    low = int(positions[kept - 1]) + chain.header if kept else end
    inside_to = chain.after(int(positions[kept - 1])) if kept else end
    window = FIRST_WINDOW_BYTES
    while low < chain.size:
        high = min(low + window, chain.size)
        for at in chain.candidates(low, high, reference).tolist():
            if not budget.spend():
                return None
            if next_section(at):
                return kept, at
            if (
                at != end
                and chain.sensible(at, reference, MIN_SENSIBLE_RECORDS)
                and _leads_past(chain, at, inside_to, reference, budget)
            ):
                return kept, at
        low = high
        window = min(window * 4, MAX_WINDOW_BYTES)
    return None


def _leads_past(
    chain: Damaged, at: int, limit: int, reference: Reference | None, budget: Budget
) -> bool:
    while at < limit:
        if not budget.spend() or not chain.sensible(at, reference, 1):
            return False
        at = chain.after(at)
    return True
