"""RecordTable → SegmentTable."""

from __future__ import annotations

from collections.abc import Callable

from lbtrace.tables import Recording, SegmentTable


def segments(recording: Recording, progress: Callable[[str, float], None]) -> SegmentTable:
    """Records → TCP segments, with everything skipped counted by reason."""
    raise NotImplementedError
