"""Whether the Date of the answers shows that both captures are of the same moments, whatever the
clocks of the captures say.

A script that ran twice gets answers of two times. So where both answers of a pair name one moment
(RFC 9110 §6.6.1), and it is the moment at which one of the captures saw its answer, the other
capture was taken then, too, and its clock is wrong. A Date that no clock of a capture agrees with
may be that of a stored answer, and shows nothing.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Sequence
from typing import Final

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.explain.unmatched import EDGE_NS
from lbtrace.http_fields import DATE
from lbtrace.tables.columns import Column, first_met

APART_S: Final = 2  # a proxy writes the Date anew, a moment later, from a clock of its own
NO_MOMENT: Final = -1
MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_FIXDATE: Final = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([1-9][0-9]{3}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


def same_moments(comparison: Comparison) -> bool:
    """Whether nine of ten pairs whose answers both have a Date name one moment in both, which the
    clock of one capture side agrees with.
    """
    (client, backend), matches = comparison.sides, comparison.all_pairs
    values = client.words.field_values
    got = client.responses.value_of(client.words, DATE)[matches.client]
    gave = backend.responses.value_of(backend.words, DATE)[matches.backend]
    seen = client.responses.first_ns[matches.client], backend.responses.first_ns[matches.backend]
    both = (got >= 0) & (gave >= 0)
    in_front, behind = _moments(values, got[both]), _moments(values, gave[both])
    dated = (in_front != NO_MOMENT) & (behind != NO_MOMENT)
    agree = dated & (np.abs(in_front - behind) <= APART_S)
    enough = 9 * max(len(dated), 1)
    return any(
        10 * int((agree & (np.abs(ns[both] - moment * 1_000_000_000) <= EDGE_NS)).sum()) >= enough
        for ns, moment in zip(seen, (in_front, behind), strict=True)
    )


def _moments(values: Sequence[str], numbers: Column) -> Column:
    """Numbers of values → the second that each names, since 1970; NO_MOMENT for other text."""
    first, which = first_met(numbers)
    at = [moment(values[n]) for n in numbers[first].tolist()]
    return np.array(at, np.int64)[which] if at else np.zeros(0, np.int64)


def moment(date: str) -> int:
    """A Date → its second since 1970 in UTC; NO_MOMENT where it is no IMF-fixdate (RFC 9110
    §5.6.7).
    """
    found = _FIXDATE.fullmatch(date)
    if found is None or found[2] not in MONTHS:
        return NO_MOMENT
    day, year, *clock = map(int, found.group(1, 3, 4, 5, 6))
    return timegm((year, MONTHS.index(found[2]) + 1, day, *clock))
