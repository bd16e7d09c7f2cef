"""The clocks of a report → by how much the times of each capture point are moved, so that all are
those of one clock: that of the first client capture.

δ = client clock − backend clock is added to the times of a backend. Another client capture is
reached over a backend that both have a clock with. A point that no clock reaches keeps its times,
and whoever writes them says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock
from lbtrace.model.report import Report
from lbtrace.tables.columns import Column

_BILLION = 1_000_000_000
_Place = tuple[Side, int]


class Leg(NamedTuple):
    """A clock that is crossed: from a backend to a client, or back."""

    clock: Clock
    to_client: bool


class PointShift(NamedTuple):
    """The clocks that are crossed on the way to the first client capture."""

    legs: tuple[Leg, ...] = ()

    def moved(self, time_ns: Column) -> Column:
        """Times of the point → the same by the one clock."""
        for clock, to_client in self.legs:
            delta = _delta_ns(clock, time_ns)
            time_ns = time_ns + delta if to_client else time_ns - delta
        return time_ns

    @property
    def middle_ns(self) -> int:
        """By how much, in the middle of what is known."""
        return sum(c.middle_ns if to_client else -c.middle_ns for c, to_client in self.legs)

    @property
    def half_width_ns(self) -> int:
        """By how much that may be wrong."""
        return sum(clock.half_width_ns for clock, _ in self.legs)


def shifts(report: Report) -> dict[_Place, PointShift]:
    """The shift of every point that a clock reaches; the first client capture is not moved."""
    found: dict[_Place, PointShift] = {(Side.CLIENT, 0): PointShift()}
    ready = [(Side.CLIENT, 0)]
    while ready:
        place = ready.pop(0)
        for other, leg in _beside(report, place):
            if other not in found:
                found[other] = PointShift((leg, *found[place].legs))
                ready.append(other)
    return found


def _beside(report: Report, place: _Place) -> Iterator[tuple[_Place, Leg]]:
    """The points that have a clock with this one."""
    for clock in report.correlation.clocks:
        client, backend = (Side.CLIENT, clock.client_point), (Side.BACKEND, clock.backend_point)
        if clock.refused:
            continue
        if place == client:
            yield backend, Leg(clock, True)
        elif place == backend:
            yield client, Leg(clock, False)


def _delta_ns(clock: Clock, time_ns: Column) -> Column:
    """`Clock.delta_ns` at many times."""
    seconds, rest = np.divmod(time_ns - clock.reference_ns, _BILLION)
    drift: Column = clock.drift_ppb * seconds + clock.drift_ppb * rest // _BILLION
    return clock.middle_ns + drift
