"""Which end of a connection is the client: the strongest evidence decides.

    SYN       the end that sent a SYN without ACK
    SYN-ACK   the end that did not send it
    payload   the end whose first payloads begin as a client's do (an HTTP request, a ClientHello, a
              PROXY header), or the peer of one whose payloads begin as a server's do
    port      an end seen as server elsewhere in the capture; an end in more flows; a port below
              1024; the lower port

Invariant: every connection gets a role and states what decided; only the port is a guess.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lbtrace.model.net import Endpoint
from lbtrace.model.stream import RoleSource
from lbtrace.tables.columns import distinct, group_starts
from lbtrace.tables.connections import SOURCES
from lbtrace.tables.packets import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import first_of, stable_order
from lbtrace.tcp.incarnations import Incarnations

_SYN, _SYNACK, _PAYLOAD, _PORT = (
    SOURCES.index(source)
    for source in (RoleSource.SYN, RoleSource.SYNACK, RoleSource.PAYLOAD, RoleSource.PORT)
)
_MAX_PEEKED_PAYLOADS = 4  # per direction
_MAX_PEEKED_BYTES = 24
_METHODS = (
    b"GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PROPFIND|REPORT|M-SEARCH|NOTIFY|"
    b"SUBSCRIBE|MKCOL|COPY|MOVE"
)
_CLIENT = re.compile(
    rb"(?:" + _METHODS + rb")[ \t]"
    rb"|PRI \* HTTP/2|PROXY (?:TCP|UNKNOWN)|\r\n\r\n\x00\r\nQUIT\n|\x16\x03[\x00-\x04]..\x01",
    re.DOTALL,
)
_SERVER = re.compile(rb"HTTP/\d|\x16\x03[\x00-\x04]..\x02|220[ -]|\+OK |\* OK ", re.DOTALL)


@dataclass(slots=True)
class Roles:
    """Per connection: whether the client is the lower endpoint of the flow, and what decided it."""

    client_forward: Column  # bool
    source: Column  # u8, place in SOURCES


class OtherEnds(NamedTuple):
    """What connections that are read apart from these show: which ends are servers, and in how many
    flows of the whole capture an end is.
    """

    servers: Set[Endpoint]
    flows_of: Mapping[Endpoint, int]


def roles(
    table: SegmentTable, incarnations: Incarnations, others: OtherEnds | None = None
) -> Roles:
    """The roles of all connections. `others`: those of the capture that are not in the table."""
    count, of = incarnations.count, incarnations.of
    rows = np.flatnonzero((table.flags & (SYN | RST)) == SYN)
    bare = (table.flags[rows] & ACK) == 0
    syn = first_of(of[rows[bare]], rows[bare], count)
    synack = first_of(of[rows[~bare]], rows[~bare], count)
    found = Roles(np.zeros(count, bool), np.full(count, _PORT, np.uint8))
    found.client_forward[synack >= 0] = ~table.forward[synack[synack >= 0]]
    found.source[synack >= 0] = _SYNACK
    found.client_forward[syn >= 0] = table.forward[syn[syn >= 0]]
    found.source[syn >= 0] = _SYN
    if (found.source == _PORT).any():
        _by_payload(table, incarnations, found)
        _by_port(table, incarnations, found, others)
    return found


def _by_payload(table: SegmentTable, incarnations: Incarnations, found: Roles) -> None:
    """Decide by the first payloads, where nothing has yet."""
    decided: set[int] = set()
    rows = _first_payloads(table, incarnations, found.source == _PORT)
    columns = (
        incarnations.of[rows],
        table.forward[rows],
        table.buffer[rows],
        table.payload[rows],
        table.length[rows],
    )
    for connection, forward, buffer, at, length in zip(*(c.tolist() for c in columns), strict=True):
        if connection in decided:
            continue
        payload = bytes(table.buffers[buffer][at : at + min(length, _MAX_PEEKED_BYTES)])
        as_client = _CLIENT.match(payload) is not None
        if as_client or _SERVER.match(payload):
            found.client_forward[connection] = forward == as_client
            found.source[connection] = _PAYLOAD
            decided.add(connection)


def _first_payloads(table: SegmentTable, incarnations: Incarnations, wanted: Column) -> Column:
    """The rows of the first payloads of each direction of the connections wanted, in order."""
    of = incarnations.of
    rows = np.flatnonzero((table.length > 0) & ((table.flags & RST) == 0) & wanted[of])
    way = of[rows] * 2 + table.forward[rows]
    order = stable_order(way, incarnations.count * 2)
    rows, way = rows[order], way[order]
    starts = group_starts(way)
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return np.sort(rows[rank < _MAX_PEEKED_PAYLOADS])


def _by_port(
    table: SegmentTable, incarnations: Incarnations, found: Roles, others: OtherEnds | None
) -> None:
    """Guess, where nothing has decided."""
    servers: set[Endpoint] = set(others.servers if others else ())
    known = found.source != _PORT
    for flow in distinct(incarnations.flow[known & found.client_forward]).tolist():
        servers.add(table.flows[flow][1])
    for flow in distinct(incarnations.flow[known & ~found.client_forward]).tolist():
        servers.add(table.flows[flow][0])
    flows_of: Mapping[Endpoint, int] = (
        others.flows_of if others else Counter(end for flow in table.flows for end in flow)
    )
    for connection in np.flatnonzero(~known).tolist():
        low, high = table.flows[int(incarnations.flow[connection])]
        rank_low = (low in servers, flows_of[low], low.port < 1024, -low.port)
        rank_high = (high in servers, flows_of[high], high.port < 1024, -high.port)
        found.client_forward[connection] = rank_high >= rank_low
