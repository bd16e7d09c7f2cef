"""SegmentTable → connections and their reassembled streams."""

from __future__ import annotations

from lbtrace.tcp.connections import connections
from lbtrace.tcp.pauses import pauses

__all__ = ["connections", "pauses"]
