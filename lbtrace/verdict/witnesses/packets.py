"""Comparison → what the packets of the connections say: sequence numbers, SYNs, addresses, hops
(RFC 9293 §3.1, RFC 791 §3.2).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, ConnectionPairs
from lbtrace.comparison.syn_options import SynOptionColumns, syn_option_columns
from lbtrace.model.net import Side
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.tables.columns import Column, among, distinct, first_met
from lbtrace.tables.connections import NONE
from lbtrace.tables.sequence import RING
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint
from lbtrace.verdict.weigh import Observation


def isn(comparison: Comparison) -> Iterator[Observation]:
    """Initial sequence numbers; without a captured SYN, the sequence numbers by which the
    connections were paired.
    """
    pairs = comparison.connection_pairs
    same = pairs.where(pairs.by(ConnectionBasis.SAME_PACKETS))
    if same:
        yield Observation.of(
            "isn",
            "same",
            "The sequence numbers are the same on both sides in {count} of {of} pairs of "
            "connections.",
            comparison.connection_frames(same),
            count=len(same),
            of=len(pairs),
        )
        return
    # a passed-on connection has its number on both sides, whoever is paired with whom: so
    # interchangeable pairs testify as well
    (client, backend), exchanges = comparison.sides, comparison.pairs
    isns, connection = _isns(client, np.concatenate((exchanges.client_connection, pairs.client)))
    isns_behind, connection_behind = _isns(
        backend, np.concatenate((exchanges.backend_connection, pairs.backend))
    )
    if len(isns) and len(isns_behind) and not among(isns, isns_behind).any():
        yield Observation.of(
            "isn",
            "different",
            "No initial sequence number of {fronts} client connections ({front}, for example) "
            "occurs on their {backs} backend connections "
            "({back}).",
            [
                comparison.connection_frame(Side.CLIENT, client.connection_ref(connection)),
                comparison.connection_frame(
                    Side.BACKEND, backend.connection_ref(connection_behind)
                ),
            ],
            fronts=len(isns),
            backs=len(isns_behind),
            front=str(isns[0]),
            back=str(isns_behind[0]),
        )
    elif not len(isns) or not len(isns_behind):
        yield from _numbers_of_requests(comparison)


def _numbers_of_requests(comparison: Comparison) -> Iterator[Observation]:
    """Without a captured SYN: the sequence numbers at which paired requests begin. Packets that are
    passed on keep them.
    """
    (client, backend), exchanges = comparison.sides, comparison.pairs
    numbers = _request_numbers(client, exchanges.client)
    behind = _request_numbers(backend, exchanges.backend)
    known = (numbers != NONE) & (behind != NONE)
    if not known.any() or (numbers[known] == behind[known]).any():
        return
    compared = exchanges.where(known)
    yield Observation.of(
        "isn",
        "different",
        "The requests of {count} pairs begin at other sequence numbers on the two sides; no SYN "
        "was captured.",
        comparison.request_frames(compared),
        count=len(compared),
    )


def _request_numbers(table: SideTable, exchanges: Column) -> Column:
    """The sequence number of the first byte of each request, NONE where that is not known."""
    start = table.of_ends("start_seq", server=False)[table.connection[exchanges]]
    known = (start != NONE) & table.requests.from_client[exchanges]
    return np.where(known, (start + table.requests.offset[exchanges]) % RING, NONE)


def _isns(table: SideTable, connections: Column) -> tuple[Column, int]:
    """(the initial sequence numbers of connections, each once, in the order they are met; a
    connection that has the first).
    """
    connections = connections[first_met(connections)[0]]
    numbers = table.of_ends("isn", server=False)[connections]
    known = numbers != NONE
    numbers, connections = numbers[known], connections[known]
    first, which = first_met(numbers)
    return numbers[first], int(connections[which == 0][-1]) if len(first) else 0


def syn_options(comparison: Comparison) -> Iterator[Observation]:
    """What the SYNs offer: option kinds and order, window scale, timestamp. The MSS is left out,
    because routers clamp it.
    """
    joined, layouts = comparison.joined_connections, dict[tuple[int, ...], int]()
    asked, sent = (
        syn_option_columns(table, server=False, layouts=layouts) for table in comparison.sides
    )
    known = joined.where(asked.there[joined.client] & sent.there[joined.backend])
    if not known:
        return
    alike = [
        getattr(asked, name)[known.client] == getattr(sent, name)[known.backend]
        for name in ("options", "window_scale", "sack_permitted", "timestamp")
    ]
    same = np.logical_and.reduce(alike)
    if same.all() and (asked.timestamp[known.client] != NONE).any():
        yield Observation.of(
            "syn-options",
            "same",
            "In {count} of {count} pairs of connections the two SYNs carry the same options and "
            "the same timestamp.",
            comparison.connection_frames(known),
            count=len(known),
        )
    elif not same.any() and not _only_removed(asked, sent, known).all():
        yield Observation.of(
            "syn-options",
            "different",
            "In {count} of {count} pairs of connections the two SYNs differ in options or "
            "timestamp.",
            comparison.connection_frames(known),
            count=len(known),
        )


def _only_removed(
    asked: SynOptionColumns, sent: SynOptionColumns, pairs: ConnectionPairs
) -> Column:
    """Per pair, whether the second SYN is the first without some of its options: a firewall may
    take them out of packets that it passes on. The timestamp must be the same.
    """
    (stamp, scale, sack), (stamp_behind, scale_behind, sack_behind) = (
        [getattr(syns, name)[rows] for name in ("timestamp", "window_scale", "sack_permitted")]
        for syns, rows in ((asked, pairs.client), (sent, pairs.backend))
    )
    removed: Column = (stamp != NONE) & (stamp == stamp_behind)
    removed &= (scale_behind == scale) | (scale_behind == NONE)
    removed &= (sack_behind == sack) | (sack_behind == 0)
    return removed


def addresses(comparison: Comparison) -> Iterator[Observation]:
    """Whether both ends of the connections have the same addresses on both sides."""
    (client, backend), joined, exchanges = (
        comparison.sides,
        comparison.joined_connections,
        comparison.pairs,
    )
    client_connections, backend_connections = (
        (joined.client, joined.backend)
        if joined
        else (exchanges.client_connection, exchanges.backend_connection)
    )
    if not len(client_connections):
        return
    ends_of = [
        (client.sources[client_connections], backend.sources[backend_connections]),
        (client.servers[client_connections], backend.servers[backend_connections]),
    ]
    if joined:
        same = np.logical_and.reduce([on_client == on_backend for on_client, on_backend in ends_of])
    else:
        # who is whose is not known: ends that any client connection has are taken for that one's
        both = joint(*(np.concatenate(pair) for pair in ends_of))
        same = among(both[len(client_connections) :], both[: len(client_connections)])
    frames = comparison.connection_frames(joined) or comparison.request_frames(exchanges)
    if same.all():
        yield Observation.of(
            "addresses",
            "same",
            "Client and server address and port are the same on both sides, for {count} "
            "connections.",
            frames,
            count=len(same),
        )
        return
    rewritten = int(np.flatnonzero(~same)[0])
    (front_client, back_client), (front_server, back_server) = (
        [str(client.endpoint(int(column[rewritten]))) for column in pair] for pair in ends_of
    )
    yield Observation.of(
        "addresses",
        "rewritten",
        "What goes from {front_client} to {front_server} on the client side goes from "
        "{back_client} to {back_server} on the backend side "
        "({count} of {of} pairs of connections that belong together).",
        frames,
        front_client=front_client,
        front_server=front_server,
        back_client=back_client,
        back_server=back_server,
        count=int((~same).sum()),
        of=len(same),
    )


def direct_return(comparison: Comparison) -> Iterator[Observation]:
    """Signs of a balancer that hands packets on with their addresses (direct server return), among
    connections that look direct.

    Two backends that answer for one address; or a way to the backend that is longer than the way
    back, as the hop counts (TTL) tell.
    """
    same = _passed_on(comparison)
    if not same:
        return
    backend = comparison.sides[1]
    server, point = backend.servers[same.backend], _points(backend)[same.backend]
    address, answers = np.unique(np.stack((server, point)), axis=1)
    # by rank: an address is a number of millions, which is no place in a column
    _, which, times = np.unique(address, return_inverse=True, return_counts=True)
    points = distinct(answers[times[which] > 1])
    there, back = _hops(comparison, same)
    frames = comparison.connection_frames(same)
    if len(points):
        yield Observation.of(
            "direct-return",
            "several-backends",
            "{count} backends answer for the same address, which no packet between the captures "
            "had rewritten.",
            frames,
            count=len(points),
        )
    elif len(there) and (there != back).all():
        yield Observation.of(
            "direct-return",
            "detour" if back[0] == 0 and there[0] > 0 else "asymmetric",
            "Packets pass {there} hops on the way to the backend and {back} on the way back, as "
            "their TTLs tell.",
            frames,
            there=int(there[0]),
            back=int(back[0]),
        )


def _passed_on(comparison: Comparison) -> ConnectionPairs:
    """The connections that have the same ends and the same initial sequence number on both
    sides.
    """
    (client, backend), joined = comparison.sides, comparison.joined_connections
    same = (
        client.of_ends("isn", server=False)[joined.client]
        == backend.of_ends("isn", server=False)[joined.backend]
    )
    return joined.where(same & comparison.same_endpoints(joined.client, joined.backend))


def _points(table: SideTable) -> Column:
    """The capture point of each connection."""
    sizes = [len(of_point) for of_point in table.connections]
    return np.repeat(np.arange(len(sizes)), sizes)


def _hops(comparison: Comparison, pairs: ConnectionPairs) -> tuple[Column, Column]:
    """(hops from client to backend, hops back) by the TTL of SYN and SYN-ACK on both sides, of
    those that have all four and make sense.
    """
    (client, backend), layouts = comparison.sides, dict[tuple[int, ...], int]()
    sent, returned = (
        syn_option_columns(client, server, layouts).ttl[pairs.client] for server in (False, True)
    )
    arrived, answered = (
        syn_option_columns(backend, server, layouts).ttl[pairs.backend] for server in (False, True)
    )
    there, home = sent - arrived, answered - returned
    known = (
        np.logical_and.reduce([ttl != NONE for ttl in (sent, arrived, answered, returned)])
        & (there >= 0)
        & (home >= 0)
    )
    return there[known], home[known]
