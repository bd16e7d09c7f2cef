"""Which end of a connection is the client: strongest witness first.

    SYN       the end that sent a SYN without ACK
    SYN-ACK   the end that did not send it
    payload   the end that speaks as a client does (an HTTP request, a ClientHello, a PROXY header)
              or that is not the one who speaks as a server does; the first payloads of either
              direction are looked at
    port      an end seen as server elsewhere in the capture; an end in more flows; a port below
              1024; the lower port

Invariant: every connection gets a role and says which witness decided; only the last one is a
guess.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from lbtrace.model.net import Endpoint
from lbtrace.tables.packets import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import first_of, stable_order
from lbtrace.tcp.incarnations import Incarnations
from lbtrace.tcp.sequence import group_starts

_MAX_PEEKED_PAYLOADS = 4  # payloads looked at per direction
_MAX_PEEKED_BYTES = 24
_CLIENT = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PROPFIND|REPORT|M-SEARCH|NOTIFY|SUBSCRIBE|MKCOL|COPY|MOVE)[ "  # noqa: E501
    rb"\t]"
    rb"|PRI \* HTTP/2|PROXY (?:TCP|UNKNOWN)|\r\n\r\n\x00\r\nQUIT\n|\x16\x03[\x00-\x04]..\x01",
    re.DOTALL,
)
_SERVER = re.compile(rb"HTTP/\d|\x16\x03[\x00-\x04]..\x02|220[ -]|\+OK |\* OK ", re.DOTALL)


def roles(table: SegmentTable, lives: Incarnations) -> tuple[Column, Column]:
    """Per connection: whether the client is the lower endpoint of the flow (bool), and what decided
    it (u8, place in RoleSource).
    """
    rows = np.flatnonzero((table.flags & (SYN | RST)) == SYN)
    bare = (table.flags[rows] & ACK) == 0
    syn = first_of(lives.of[rows[bare]], rows[bare], lives.count)
    synack = first_of(lives.of[rows[~bare]], rows[~bare], lives.count)
    forward = np.zeros(lives.count, bool)
    source = np.zeros(lives.count, np.uint8)
    forward[synack >= 0] = ~table.forward[synack[synack >= 0]]
    source[synack >= 0] = 1
    forward[syn >= 0] = table.forward[syn[syn >= 0]]
    source[syn >= 0] = 0
    rest = np.flatnonzero((syn < 0) & (synack < 0))
    if len(rest):
        _by_payload(table, lives, rest, forward, source)
        _by_port(table, lives, forward, source)
    return forward, source


def _by_payload(
    table: SegmentTable, lives: Incarnations, rest: Column, forward: Column, source: Column
) -> None:
    wanted = np.zeros(lives.count, bool)
    wanted[rest] = True
    source[rest] = 3
    rows = np.flatnonzero((table.length > 0) & ((table.flags & RST) == 0) & wanted[lives.of])
    way = lives.of[rows] * 2 + table.forward[rows]
    order = stable_order(way, lives.count * 2)
    rows, way = rows[order], way[order]
    starts = group_starts(way)
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    rows = np.sort(rows[rank < _MAX_PEEKED_PAYLOADS])
    columns = (
        lives.of[rows],
        table.forward[rows],
        table.buffer[rows],
        table.payload[rows],
        table.length[rows],
    )
    settled: set[int] = set()
    for connection, is_forward, buffer, at, length in zip(
        *(c.tolist() for c in columns), strict=True
    ):
        if connection in settled:
            continue
        said = bytes(table.buffers[buffer][at : at + min(length, _MAX_PEEKED_BYTES)])
        as_client = _CLIENT.match(said) is not None
        if as_client or _SERVER.match(said):
            forward[connection] = is_forward == as_client
            source[connection] = 2
            settled.add(connection)


def _by_port(table: SegmentTable, lives: Incarnations, forward: Column, source: Column) -> None:
    servers: set[Endpoint] = set()
    for flow in np.unique(lives.flow[(source < 3) & forward]).tolist():
        servers.add(table.flows[flow][1])
    for flow in np.unique(lives.flow[(source < 3) & ~forward]).tolist():
        servers.add(table.flows[flow][0])
    shared = Counter(end for flow in table.flows for end in flow)
    for connection in np.flatnonzero(source == 3).tolist():
        low, high = table.flows[int(lives.flow[connection])]
        rank_low = (low in servers, shared[low], low.port < 1024, -low.port)
        rank_high = (high in servers, shared[high], high.port < 1024, -high.port)
        forward[connection] = rank_high >= rank_low
