"""Two sides → the connections that went straight to a backend, past the balancer: those of a client
that asks the backend itself, to compare, or of a monitor.

Such a connection has the same addresses and the same packets on both sides, and its server is one
that the balancer opens connections of its own to. Where a balancer passes packets on and keeps both
addresses (direct server return), nothing else goes to that server.
"""

from __future__ import annotations

import numpy as np

from lbtrace.comparison.once import once
from lbtrace.comparison.pairs import ConnectionPairs, PairedSides, Pairs
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable


@once
def straight(sides: PairedSides) -> ConnectionPairs:
    """The pairs of connections that are one connection, which no balancer had in its hands."""
    (client, backend), exchanges = sides.sides, sides.pairs
    passed = sides.connection_pairs
    passed = passed.where(passed.by(ConnectionBasis.SAME_PACKETS))
    past = went_straight(
        client,
        backend,
        np.concatenate((passed.client, exchanges.client_connection)),
        np.concatenate((passed.backend, exchanges.backend_connection)),
        np.concatenate(
            (np.ones(len(passed), bool), among(exchanges.backend_connection, passed.backend))
        ),
    )
    return passed.where(past[: len(passed)])


def went_straight(
    client: SideTable, backend: SideTable, mine: Column, theirs: Column, passed_on: Column
) -> Column:
    """Which of these connections of clients (`mine`) and of backends (`theirs`), two by two, went
    past the balancer. `passed_on`: whether they have the same packets.
    """
    server = backend.servers[theirs]
    same = (client.servers[mine] == server) & (client.sources[mine] == backend.sources[theirs])
    past: Column = passed_on & same & among(server, server[~passed_on])
    return past


@once
def through_the_balancer(sides: PairedSides) -> Pairs:
    """The pairs of exchanges whose connections did not go straight to a backend."""
    past = straight(sides)
    return sides.pairs.where(~among(sides.pairs.client_connection, past.client))
