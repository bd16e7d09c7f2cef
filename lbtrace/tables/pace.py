"""Times → how evenly they come, and what counts as a pause between two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

# shorter pauses of a stream are made by windows and slow links
PAUSE_NS: Final = 100_000_000
FEWEST: Final = 3  # times that show a pace


def pace(times: Sequence[int]) -> tuple[int | None, bool]:
    """Sorted times → (median distance, None with fewer than FEWEST times; whether the pace is
    even).
    """
    if len(times) < FEWEST:
        return None, False
    gaps = np.diff(np.array(times, np.int64))
    period = int(np.median(gaps))
    if period <= 0:
        return 0, False
    multiples = np.maximum(np.rint(gaps / period), 1)
    if len(times) < 6:
        return period, bool((np.abs(gaps / period - 1) <= 0.05).all())
    even = np.abs(gaps / period - multiples) <= 0.1
    return period, bool(even.mean() >= 0.75)
