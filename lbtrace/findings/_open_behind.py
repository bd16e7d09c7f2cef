"""How many requests of clients are open behind the balancer at a time: sent, and not answered to
the end.

Only of one backend capture: of several it is not known what was open at the same moment.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, once
from lbtrace.tables.columns import Column


class OpenBehind(NamedTuple):
    """When requests came to the backends and when their responses ended, each in order, by the
    clock of the backend capture `point`; `most`: how many were open at once, at most.
    """

    point: int
    begins: Column
    ends: Column
    most: int

    def at(self, times: Column) -> Column:
        """How many are open at these times of the backend capture."""
        open_then: Column = np.searchsorted(self.begins, times, "right") - np.searchsorted(
            self.ends, times, "right"
        )
        return open_then

    def last_end(self, times: Column) -> Column:
        """The end of a response that came last before each of these times; the first one, where
        none did.
        """
        found: Column = self.ends[np.maximum(np.searchsorted(self.ends, times, "right") - 1, 0)]
        return found


@once
def open_behind(comparison: Comparison) -> OpenBehind | None:
    """None where several backend captures hold requests, or none does."""
    backend = comparison.sides[1]
    q, r = backend.requests, backend.responses
    known = np.flatnonzero(q.there & r.there & ~comparison.check_exchanges)
    points = np.unique(backend.point[known])
    if len(points) != 1:
        return None
    begins, ends = np.sort(q.first_ns[known]), np.sort(r.last_ns[known])
    most = int((np.arange(1, len(begins) + 1) - np.searchsorted(ends, begins, "right")).max())
    return OpenBehind(int(points[0]), begins, ends, most)
