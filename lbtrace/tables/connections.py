"""Connections as columns, two rows of `Ends` for each: what the TCP stage makes, and a Sequence
that makes a Connection when asked for one.

A capture may have as many connections as exchanges, and a Connection with its two Directions is
forty values in four objects: two kilobytes and seven microseconds each. Who writes all of them
(render/json) reads the columns; who thinks about one asks for `table[i]`.

Invariant: `list(ConnectionTable.of(connections)) == list(connections)`. What a Connection says with
None is here NONE (−1), NEVER for a time, 0 for a frame: frames are counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from lbtrace.model.net import Endpoint, SynFingerprint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.tables.columns import Column, OnDemand, rows_of

NONE = -1
NEVER = -(1 << 63)  # a time that is not known; ns since the epoch never get there
SOURCES = tuple(RoleSource)


@dataclass(slots=True, eq=False)
class Ends:
    """What each end sent, as in `Direction`: row 2i is the client of connection i, row 2i + 1 its
    server.
    """

    packets: Column  # u32
    bytes: Column  # i64
    missing: Column  # i64
    truncated: Column  # i64
    retransmissions: Column  # u32
    out_of_order: Column  # u32
    zero_windows: Column  # u32
    fins: Column  # u32
    rsts: Column  # u32
    isn: Column  # i64 or NONE
    fin_frame: Column  # u32 or 0
    fin_ns: Column  # i64 or NEVER
    rst_frame: Column
    rst_ns: Column
    first_payload_frame: Column
    first_payload_ns: Column
    last_payload_ns: Column
    start_seq: Column  # i64 or NONE
    syn_row: Column  # i32, row of `SynOptions`; NONE: its SYN was not captured


@dataclass(slots=True, eq=False)
class SynOptions:
    """One row per end whose SYN or SYN-ACK was captured, in the order of the ends, as in
    `SynFingerprint`.
    """

    ttl: Column  # u8
    window: Column  # u16
    mss: Column  # i32 or NONE
    window_scale: Column  # i16 or NONE
    sack_permitted: Column  # bool
    timestamp: Column  # i64 or NONE
    options: Column  # u32, index in `layouts`
    layouts: Sequence[tuple[int, ...]]  # the kinds of options in wire order


@dataclass(slots=True, eq=False)
class ConnectionTable(Sequence[Connection]):
    """One row per connection, as in `Connection`; its id is its row."""

    client: Column  # u32, index in `addresses`
    client_port: Column  # u16
    server: Column
    server_port: Column
    network: Column  # u32, index in `networks`
    role_source: Column  # u8, index in SOURCES
    syns: Column  # u32
    syn_retransmissions: Column  # u32
    synacks: Column  # u32
    opened: Column  # bool
    syn_frame: Column  # u32 or 0
    syn_ns: Column  # i64 or NEVER
    synack_ns: Column
    established_ns: Column
    first_frame: Column
    first_ns: Column
    last_frame: Column
    last_ns: Column
    ends: Ends
    syn_options: SynOptions
    addresses: Sequence[str]
    networks: Sequence[str]
    _made: OnDemand[Connection] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._made = OnDemand(len(self.client), self._make)

    @classmethod
    def of(cls, connections: Sequence[Connection]) -> ConnectionTable:
        """The columns of connections made elsewhere; their ids must count from 0."""
        if isinstance(connections, cls):
            return connections
        addresses: dict[str, int] = {}
        networks: dict[str, int] = {}
        layouts: dict[tuple[int, ...], int] = {}
        directions = [end for c in connections for end in (c.from_client, c.from_server)]
        fingerprints = [end.syn for end in directions if end.syn is not None]
        columns = {
            "client": _column(
                [addresses.setdefault(c.client.address, len(addresses)) for c in connections], "u4"
            ),
            "client_port": _column([c.client.port for c in connections], "u2"),
            "server": _column(
                [addresses.setdefault(c.server.address, len(addresses)) for c in connections], "u4"
            ),
            "server_port": _column([c.server.port for c in connections], "u2"),
            "network": _column(
                [networks.setdefault(c.network, len(networks)) for c in connections], "u4"
            ),
            "role_source": _column([SOURCES.index(c.role_source) for c in connections], "u1"),
        }
        options = _column(
            [layouts.setdefault(syn.options, len(layouts)) for syn in fingerprints], "u4"
        )
        seen = np.array([end.syn is not None for end in directions], bool)
        return cls(
            **columns,
            **_columns(connections, CONNECTION),
            ends=Ends(
                **_columns(directions, DIRECTION), syn_row=np.where(seen, np.cumsum(seen) - 1, NONE)
            ),
            syn_options=SynOptions(
                **_columns(fingerprints, SYN_OPTIONS), options=options, layouts=list(layouts)
            ),
            addresses=list(addresses),
            networks=list(networks),
        )

    def __len__(self) -> int:
        return len(self.client)

    @overload
    def __getitem__(self, index: int) -> Connection: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Connection]: ...
    def __getitem__(self, index: int | slice) -> Connection | Sequence[Connection]:
        return self._made.all()[index] if isinstance(index, slice) else self._made[index]

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._made.all())

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Sequence) and self._made.all() == list(other))

    __hash__ = None  # type: ignore[assignment]

    def _make(self, rows: Column) -> list[Connection]:
        ends = self._directions(np.stack((2 * rows, 2 * rows + 1), axis=1).reshape(-1))
        named, networks = self.addresses.__getitem__, self.networks
        columns = (
            rows.tolist(),
            rows_of(
                Endpoint, (map(named, self.client[rows].tolist()), self.client_port[rows].tolist())
            ),
            rows_of(
                Endpoint, (map(named, self.server[rows].tolist()), self.server_port[rows].tolist())
            ),
            [networks[i] for i in self.network[rows].tolist()],
            [SOURCES[i] for i in self.role_source[rows].tolist()],
            *_lists(self, CONNECTION, rows),
            ends[0::2],
            ends[1::2],
        )
        return rows_of(Connection, columns)

    def _directions(self, rows: Column) -> list[Direction]:
        seen = self.ends.syn_row[rows]
        offered, which = np.unique(seen[seen != NONE], return_inverse=True)
        layouts = [self.syn_options.layouts[i] for i in self.syn_options.options[offered].tolist()]
        made = rows_of(SynFingerprint, (*_lists(self.syn_options, SYN_OPTIONS, offered), layouts))
        fingerprints: list[SynFingerprint | None] = [None] * len(rows)
        for at, number in zip(np.flatnonzero(seen != NONE).tolist(), which.tolist(), strict=True):
            fingerprints[at] = made[number]
        *most, start_seq = _lists(self.ends, DIRECTION, rows)
        return rows_of(Direction, (*most, fingerprints, start_seq))


# the fields that are one number each, in the order of the NamedTuple: (dtype, what stands for None)
CONNECTION: dict[str, tuple[str, int | None]] = {
    "syns": ("u4", None),
    "syn_retransmissions": ("u4", None),
    "synacks": ("u4", None),
    "opened": ("?", None),
    "syn_frame": ("u4", 0),
    "syn_ns": ("i8", NEVER),
    "synack_ns": ("i8", NEVER),
    "established_ns": ("i8", NEVER),
    "first_frame": ("u4", None),
    "first_ns": ("i8", None),
    "last_frame": ("u4", None),
    "last_ns": ("i8", None),
}
DIRECTION: dict[str, tuple[str, int | None]] = {
    "packets": ("u4", None),
    "bytes": ("i8", None),
    "missing": ("i8", None),
    "truncated": ("i8", None),
    "retransmissions": ("u4", None),
    "out_of_order": ("u4", None),
    "zero_windows": ("u4", None),
    "fins": ("u4", None),
    "rsts": ("u4", None),
    "isn": ("i8", NONE),
    "fin_frame": ("u4", 0),
    "fin_ns": ("i8", NEVER),
    "rst_frame": ("u4", 0),
    "rst_ns": ("i8", NEVER),
    "first_payload_frame": ("u4", 0),
    "first_payload_ns": ("i8", NEVER),
    "last_payload_ns": ("i8", NEVER),
    "start_seq": ("i8", NONE),
}
SYN_OPTIONS: dict[str, tuple[str, int | None]] = {
    "ttl": ("u1", None),
    "window": ("u2", None),
    "mss": ("i4", NONE),
    "window_scale": ("i2", NONE),
    "sack_permitted": ("?", None),
    "timestamp": ("i8", NONE),
}


def listed(column: Column, missing: int | None = None, instead: object = None) -> list[Any]:
    """A column as a list, `instead` where it has the value `missing`."""
    values: list[Any] = column.tolist()
    if missing is not None:
        for i in np.flatnonzero(column == missing).tolist():
            values[i] = instead
    return values


def _lists(
    table: ConnectionTable | Ends | SynOptions,
    kinds: dict[str, tuple[str, int | None]],
    rows: Column,
) -> list[list[Any]]:
    return [listed(getattr(table, name)[rows], missing) for name, (_, missing) in kinds.items()]


def _columns(rows: Sequence[object], kinds: dict[str, tuple[str, int | None]]) -> dict[str, Column]:
    return {
        name: _column([getattr(row, name, None) for row in rows], kind, missing)
        for name, (kind, missing) in kinds.items()
    }


def _column(values: list[Any], kind: str, missing: int | None = None) -> Column:
    """Values → a column, `missing` (0 without) for None."""
    return np.array([missing or 0 if v is None else v for v in values], kind)
