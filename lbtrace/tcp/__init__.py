"""SegmentTable → connections and their reassembled streams."""

from __future__ import annotations

from lbtrace.tcp.connections import connections

__all__ = ["connections"]
