"""Enums whose members have an order: least first.

They stay strings, so that they are written as they are named. `rank` is a member's place in that
order, and its number in a column: `tuple(Confidence)[rank]` is the member again.
"""

from __future__ import annotations

from enum import StrEnum


class OrderedStrEnum(StrEnum):
    """A StrEnum that compares by rank, so `max` and `min` pick the greatest and the least.

    The value of a member may stand for it: `Confidence.HIGH > "low"`. Any other string is a
    ValueError, as no order is known.
    """

    rank: int

    def __init__(self, _value: str) -> None:
        self.rank = len(type(self).__members__)

    def __lt__(self, other: str) -> bool:
        return self.rank < type(self)(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= type(self)(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > type(self)(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= type(self)(other).rank
