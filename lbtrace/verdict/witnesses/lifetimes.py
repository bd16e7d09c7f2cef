"""Comparison → whether connections behind outlast those of the clients, whose bytes TLS hides.

    client   ├─TLS─┤    ├─TLS─┤    ├─TLS─┤
    behind      GET        GET        GET       on one connection

A proxy of byte streams opens a connection for each client's, and passes on what this client sends:
its requests come while the client's connection is open. Each length of time is of one capture, so
no common clock is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import ns
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import LATER
from lbtrace.tables.side_table import SideTable
from lbtrace.verdict.weigh import Observation
from lbtrace.verdict.witnesses.streams import server_name


def lifetimes(comparison: Comparison) -> Iterator[Observation]:
    """Without a pair of exchanges, because the client side is encrypted, where names or times of
    connections show that the captures belong together: the requests of one connection behind come
    over a longer time than any client's connection lasts, and there are fewer connections behind.
    Either alone may be so because a client, or a backend, was not captured.
    """
    if comparison.pairs:
        return
    if not comparison.connection_pairs and next(server_name(comparison), None) is None:
        return
    client, backend = comparison.sides
    lasted_ns = _lifetimes(comparison, client)
    asked = np.flatnonzero(backend.requests.there & ~comparison.check_exchanges)
    if not len(lasted_ns) or not len(asked) or not comparison.steady():
        return
    on, came_ns = backend.connection[asked], backend.requests.first_ns[asked]
    behind = distinct(on)
    first, last = (np.full(len(backend.of_connections("first_ns")), v) for v in (LATER, -LATER))
    np.minimum.at(first, on, came_ns)
    np.maximum.at(last, on, came_ns)
    spans = (last - first)[behind]
    longest = int(spans.argmax())
    if len(behind) >= len(lasted_ns) or spans[longest] <= lasted_ns.max():
        return
    mine = asked[on == behind[longest]]
    shown = np.append(mine[: FRAMES_PER_SIDE - 1], mine[-1:])
    yield Observation.of(
        "connection-mapping",
        "outlasting",
        "The requests of one backend connection came over {span}, and none of the {count} client "
        "connections, which are encrypted, lasted longer than {lasted}.",
        [comparison.request_frame(Side.BACKEND, backend.ref(row)) for row in shown.tolist()],
        span=ns(int(spans[longest])),
        lasted=ns(int(lasted_ns.max())),
        count=len(lasted_ns),
    )


def _lifetimes(comparison: Comparison, client: SideTable) -> Column:
    """How long each client's connection lasted that carried something; none where one of them was
    open before the capture or after it, or is not encrypted.
    """
    carried = (client.of_ends("bytes", server=False) > 0) & (
        client.of_ends("bytes", server=True) > 0
    )
    encrypted = np.array(
        [a.tls is not None and not a.opened for t in comparison.clients for a in t.applications],
        bool,
    )
    ended = np.minimum(client.ended_ns(server=True), client.ended_ns(server=False)) != LATER
    whole = client.of_connections("opened") & ended & encrypted
    if not whole[carried].all():
        return np.zeros(0, np.int64)
    lasted: Column = (client.of_connections("last_ns") - client.of_connections("first_ns"))[carried]
    return lasted
