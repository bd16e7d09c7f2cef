"""The columns of segments before their flows are numbered: what the fast path and the slow path
both make.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.columns import Column
from lbtrace.tables.table import Table, column, table

V6_BIT = 1 << 32  # set in `ports` when the addresses are of IPv6


@table
class SegmentRows(Table):
    """One row per TCP segment; see SegmentTable for what is not explained here."""

    record: Column = column("i8", "row of the record")
    source_a: Column = column("u8", "upper half of the packed source address, 0 for IPv4")
    source_b: Column = column("u8", "lower half of it")
    target_a: Column = column("u8", "upper half of the packed destination address, 0 for IPv4")
    target_b: Column = column("u8", "lower half of it")
    ports: Column = column("u8", "source << 16 | destination, V6_BIT for IPv6")
    seq: Column = column("u4", "sequence number")
    ack: Column = column("u4", "acknowledgement number")
    flags: Column = column("u1", "flags of the TCP header")
    window: Column = column("u2", "window as sent, not scaled")
    ttl: Column = column("u1", "TTL or hop limit")
    ip_id: Column = column("u2", "identification of IPv4, 0 for IPv6")
    buffer: Column = column("u1", "the buffer its bytes are in")
    tcp: Column = column("i8", "offset of the TCP header in its buffer", "bytes")
    payload: Column = column("i8", "offset of the payload in its buffer", "bytes")
    length: Column = column("u4", "payload captured", "bytes")
    wire_length: Column = column("u4", "payload sent", "bytes")
    network: Column = column("u2", "VLAN or tunnel, by its number")


def joined(parts: list[SegmentRows]) -> SegmentRows:
    """Batches → one, ordered by record."""
    rows = SegmentRows.joined([part.as_declared() for part in parts])
    ascending = bool((rows.record[1:] > rows.record[:-1]).all())
    return rows if ascending else rows.taken(np.argsort(rows.record, kind="stable"))


def from_tuples(rows: list[tuple[int, ...]]) -> SegmentRows:
    """Rows given one by one (in order of the columns) → columns."""
    values = zip(*rows, strict=True) if rows else [()] * len(SegmentRows.declared)
    return SegmentRows(
        **{
            d.name: d.column(column)
            for d, column in zip(SegmentRows.declared.values(), values, strict=True)
        }
    )
