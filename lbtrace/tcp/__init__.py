"""SegmentTable → connections and their reassembled streams."""

from __future__ import annotations

from lbtrace.tcp.connections import connections
from lbtrace.tcp.pauses import pauses
from lbtrace.tcp.roles import OtherEnds
from lbtrace.tcp.time_order import in_time_order, told_set_forward

__all__ = ["OtherEnds", "connections", "in_time_order", "pauses", "told_set_forward"]
