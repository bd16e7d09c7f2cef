"""The columns of segments before their flows are numbered: what the fast path and the slow path
both make.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from lbtrace.tables.packets import Column

V6_BIT = 1 << 32  # set in `ports` when the addresses are of IPv6


@dataclass(slots=True)
class SegmentRows:
    """One row per TCP segment. `source_*`/`target_*` are the two words of a packed address; see
    SegmentTable for the rest.
    """

    record: Column  # i64
    source_a: Column  # u64
    source_b: Column  # u64
    target_a: Column  # u64
    target_b: Column  # u64
    ports: Column  # u64, source << 16 | target, V6_BIT for IPv6
    seq: Column  # u32
    ack: Column  # u32
    flags: Column  # u8
    window: Column  # u16
    ttl: Column  # u8
    ip_id: Column  # u16, 0 for IPv6
    buffer: Column  # u8
    tcp: Column  # i64
    payload: Column  # i64
    length: Column  # u32
    wire_length: Column  # u32
    network: Column  # u16

    def __len__(self) -> int:
        return len(self.record)


KINDS = {
    "record": "i8",
    "source_a": "u8",
    "source_b": "u8",
    "target_a": "u8",
    "target_b": "u8",
    "ports": "u8",
    "seq": "u4",
    "ack": "u4",
    "flags": "u1",
    "window": "u2",
    "ttl": "u1",
    "ip_id": "u2",
    "buffer": "u1",
    "tcp": "i8",
    "payload": "i8",
    "length": "u4",
    "wire_length": "u4",
    "network": "u2",
}


def joined(parts: list[SegmentRows]) -> SegmentRows:
    """Batches → one, ordered by record."""
    if len(parts) == 1 and (parts[0].record[1:] > parts[0].record[:-1]).all():
        return parts[0]
    columns = {
        f.name: np.concatenate(
            [np.empty(0, KINDS[f.name]), *(getattr(p, f.name) for p in parts)]
        ).astype(KINDS[f.name])
        for f in fields(SegmentRows)
    }
    order = np.argsort(columns["record"], kind="stable")
    return SegmentRows(**{name: column[order] for name, column in columns.items()})


def from_tuples(rows: list[tuple[int, ...]]) -> SegmentRows:
    """Rows given one by one (in field order) → columns."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(KINDS)
    return SegmentRows(
        **{
            name: np.array(column, dtype=kind)
            for (name, kind), column in zip(KINDS.items(), columns, strict=True)
        }
    )
