"""The two ends of connections as columns: one number per endpoint, alike on both sides; and what
their SYNs offer.

An endpoint is the number of its address in `Words.texts` and its port in one integer, so that
comparing two is comparing integers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lbtrace.model.net import Endpoint
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NONE
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import Words

_PORT_BITS = 16


def ends(table: SideTable, server: bool) -> Column:
    """The client's end, or the server's, of each connection of a side."""
    address = table.server_address if server else table.client_address
    end: Column = address << _PORT_BITS | table.of_connections(
        "server_port" if server else "client_port"
    )
    return end


def endpoint(words: Words, end: int) -> Endpoint:
    """What a number of `ends` stands for."""
    return Endpoint(words.text_list[end >> _PORT_BITS], end & ((1 << _PORT_BITS) - 1))


class SynOptionColumns(NamedTuple):
    """What the SYN (the SYN-ACK) of each connection of a side offers; `there` is False where it was
    not captured. Layouts of options are numbered alike on both sides by `layouts`.
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
    for held in table.connections:
        row = held.ends.syn_row[int(server) :: 2]
        there = row != NONE
        number = np.array(
            [layouts.setdefault(layout, len(layouts)) for layout in held.syn_options.layouts],
            np.int64,
        )
        columns[0].append(there)
        for column, name in zip(columns[1:], SynOptionColumns._fields[1:], strict=True):
            values = (
                number[held.syn_options.options]
                if name == "options"
                else getattr(held.syn_options, name)
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
