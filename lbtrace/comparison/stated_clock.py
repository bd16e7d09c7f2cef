"""A stated clock offset → how many pairs fit it, and whether another offset fits many more.

With a wrong offset nothing lies inside anything: exchanges are left without a partner, or pairs
that the packets themselves prove end before they begin. Then both sides are paired once more,
without what was stated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lbtrace.comparison.pairs import PairedSides, pairs_of
from lbtrace.model.pairing import Correlation, OtherOffset, Ref
from lbtrace.tables.connections import STAMPED_LATE_NS

ENOUGH = 3  # pairs: fewer may agree on an offset by chance
SHOWN = 3


def other_offset(
    given: PairedSides, stated_ns: int, without: Callable[[], Correlation]
) -> OtherOffset | None:
    """What fits better than the stated offset, None when nothing does. `without` pairs both sides
    as if none was stated.
    """
    fitting = _fitting(given, stated_ns)
    if 2 * fitting >= min(map(len, given.sides)):
        return None
    found = without()
    clocks = [clock for clock in found.clocks if not clock.refused]
    best = max(clocks, key=lambda clock: clock.pairs, default=None)
    if best is None or best.pairs < ENOUGH or best.pairs <= 2 * fitting:
        return None
    if best.low_ns - STAMPED_LATE_NS <= stated_ns <= best.high_ns + STAMPED_LATE_NS:
        return None
    every = pairs_of(PairedSides(given.clients, given.backends, found, given.sides))
    answered = every.where(every.answered)
    shown = (answered if len(answered) else every)[:SHOWN]
    if not len(shown):
        return None  # no pair to show: a clock that connections alone hold
    return OtherOffset(
        stated_ns,
        fitting,
        best.middle_ns,
        best.half_width_ns,
        best.pairs,
        tuple((pair.client_ref, Ref(*pair.backend_ref)) for pair in shown),
    )


def _fitting(given: PairedSides, offset_ns: int) -> int:
    """How many pairs have the backend exchange inside the client exchange under an offset."""
    (client, backend), pairs = given.sides, given.pairs
    asked = client.requests.first_ns[pairs.client] - backend.requests.first_ns[pairs.backend]
    answered = client.responses.first_ns[pairs.client] - backend.responses.first_ns[pairs.backend]
    both = client.responses.there[pairs.client] & backend.responses.there[pairs.backend]
    early, late = offset_ns - STAMPED_LATE_NS, offset_ns + STAMPED_LATE_NS
    inside = (asked <= late) & (~both | (answered >= early))
    return int(np.count_nonzero(inside))
