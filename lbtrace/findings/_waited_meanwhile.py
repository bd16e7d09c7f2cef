"""Requests that waited at the balancer while its attempts to connect to a server failed.

Where the captures have a common clock, the attempts began between the request in front and the one
behind. Without one, the captures' own times are taken, if every failed attempt to that server lies
in such a wait: two clocks that differ would not fit so.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, once
from lbtrace.findings._backend_events import attempted
from lbtrace.findings._where_time_went import PARTS_OF_PAIRS, Slow, slow_pairs
from lbtrace.tables.columns import Column, among, distinct

MAX_LOOKED_AT = 1000  # slow requests
NEAR_NS = 50_000_000  # by which clocks that were set alike may differ


class Waited(NamedTuple):
    """Slow pairs that waited, and the failed backend connections of each wait."""

    slow: Slow
    connections: tuple[Column, ...]

    def on(self, failed: Column) -> Column:
        """Which of the pairs waited for one of these connections."""
        waited = [bool(among(mine, failed).any()) for mine in self.connections]
        return np.flatnonzero(np.array(waited, bool))


@once
def waited_meanwhile(comparison: Comparison) -> Waited:
    """The slow pairs that were held at the balancer while attempts to connect failed; none where
    the clock of a capture was set back.
    """
    slow = slow_pairs(comparison)
    held = slow.where(
        np.flatnonzero(slow.longest_part == PARTS_OF_PAIRS.index("held"))[:MAX_LOOKED_AT]
    )
    if not comparison.steady():
        held = held.where(np.zeros(0, np.int64))
    found: list[list[int]] = [[] for _ in range(len(held.pairs))]
    for point, (times, connections) in enumerate(_attempts(comparison)):
        inside = _inside(comparison, held, point, times)
        for own, (begin, end) in zip(found, inside, strict=True):
            own += connections[begin:end]
    waited = np.array([bool(own) for own in found], bool)
    return Waited(held.where(waited), tuple(np.array(own, np.int64) for own in found if own))


def _attempts(comparison: Comparison) -> list[tuple[list[int], list[int]]]:
    """Per backend capture when the attempts to connect that came to nothing began, and the numbers
    of their connections, by time. Health checks are left out.
    """
    backend, found = comparison.sides[1], []
    for connections, first in zip(backend.connections, backend.first_connection, strict=True):
        checks = comparison.check_connections[first : first + len(connections)]
        tried = np.flatnonzero(attempted(connections) & ~checks)
        tried = tried[np.argsort(connections.first_ns[tried], kind="stable")]
        found.append((connections.first_ns[tried].tolist(), (tried + first).tolist()))
    return found


def _inside(
    comparison: Comparison, held: Slow, point: int, times: list[int]
) -> list[tuple[int, int]]:
    """Per pair which of these times of a backend capture lie in its wait: from the first to before
    the last.
    """
    client = comparison.sides[0]
    begins = client.requests.first_ns[held.pairs.client]
    ends = client.requests.last_ns[held.pairs.client] + held.parts["held"]
    found, every = [], set[int]()
    clocks = [comparison.clock(p, point) for p in client.point[held.pairs.client].tolist()]
    for clock, begin, end in zip(clocks, begins.tolist(), ends.tolist(), strict=True):
        delta = clock.delta_ns(begin - clock.middle_ns) if clock else 0
        width = clock.half_width_ns if clock else NEAR_NS
        first = bisect_left(times, begin - delta - width)
        last = bisect_right(times, end - delta + width)
        found.append((first, last))
        every.update(range(first, last))
    if None in clocks and len(every) < len(times):
        return [(0, 0)] * len(found)
    return found


def waits_explained(comparison: Comparison) -> Column:
    """The client exchanges of these pairs."""
    return distinct(waited_meanwhile(comparison).slow.pairs.client)
