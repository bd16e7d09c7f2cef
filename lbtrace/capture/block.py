"""What `pcap` and `pcapng` hand back: the records behind one file or section header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from lbtrace.tables.packets import Column

# whether another file or section header stands at a position
NextSection: TypeAlias = Callable[[int], bool]


def _none(kind: str) -> Column:
    return np.empty(0, dtype=kind)


@dataclass(slots=True)
class Block:
    """Records as columns (see RecordTable), what the headers say, and what went wrong.

    `end` is where reading stopped. `cut_bytes` are in the file of a last record that is longer.
    `garbage_bytes` were skipped in `resyncs` places, the first of them before record
    `first_garbage` (from 0). `clipped` are records whose length was damaged: row → bytes left to
    them. `odd_lengths` counts records that contradict themselves about their length, `untimed`
    those without a time. `dropped` is what the capture itself reports, None when it does not say.
    """

    format: str
    resolution_ns: int
    snaplen: int | None = None
    time_ns: Column = field(default_factory=lambda: _none("i8"))
    offset: Column = field(default_factory=lambda: _none("i8"))
    captured: Column = field(default_factory=lambda: _none("u4"))
    wire: Column = field(default_factory=lambda: _none("u4"))
    link: Column = field(default_factory=lambda: _none("u2"))
    end: int = 0
    cut_bytes: int = 0
    resyncs: int = 0
    garbage_bytes: int = 0
    first_garbage: int = 0
    clipped: dict[int, int] = field(default_factory=dict)
    odd_lengths: int = 0
    untimed: int = 0
    dropped: int | None = None
    secrets: list[tuple[int, bytes]] = field(default_factory=list)
    names: dict[str, dict[str, None]] = field(default_factory=dict)  # address → its names, in order
    # (record of the block from 1, or 0 for the section; text)
    comments: list[tuple[int, str]] = field(default_factory=list)
