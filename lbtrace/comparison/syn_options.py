"""The options of the SYNs of a side, as columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NONE
from lbtrace.tables.side_table import SideTable


class SynOptionColumns(NamedTuple):
    """What the SYN (the SYN-ACK) of each connection of a side offers. `there` is False where it was
    not captured. `layouts` numbers the layouts of options alike on both sides.
    """

    there: Column
    options: Column
    window_scale: Column
    sack_permitted: Column
    timestamp: Column
    ttl: Column


def syn_option_columns(
    table: SideTable, server: bool, layouts: dict[tuple[int, ...], int]
) -> SynOptionColumns:
    """The SYN options of one end of the connections of a side."""
    columns: list[list[Column]] = [[] for _ in SynOptionColumns._fields]
    for connections in table.connections:
        row = connections.ends.syn_row[int(server) :: 2]
        there = row != NONE
        number = np.array(
            [
                layouts.setdefault(layout, len(layouts))
                for layout in connections.syn_options.layouts
            ],
            np.int64,
        )
        columns[0].append(there)
        for column, name in zip(columns[1:], SynOptionColumns._fields[1:], strict=True):
            values = (
                number[connections.syn_options.options]
                if name == "options"
                else getattr(connections.syn_options, name)
            )
            filled = np.full(len(row), NONE, np.int64)
            filled[there] = values[row[there]]
            column.append(filled)
    return SynOptionColumns(
        *(
            np.concatenate([*parts, np.zeros(0, bool if n == 0 else np.int64)])
            for n, parts in enumerate(columns)
        )
    )
