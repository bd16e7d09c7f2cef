"""SegmentTable → connections and their reassembled streams."""

from __future__ import annotations

from lbtrace.model.stream import Connection
from lbtrace.tables import SegmentTable, StreamTable


def connections(segments: SegmentTable) -> tuple[list[Connection], StreamTable]:
    """Segments → connection incarnations, in order of their first frame, and their streams."""
    raise NotImplementedError
