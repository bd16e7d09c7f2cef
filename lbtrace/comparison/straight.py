"""Two sides → the connections that went straight to a backend, past the balancer: those of a client
that asks the backend itself, to compare, or of a monitor.

Such a connection has the same addresses and the same packets on both sides, and its server is one
that the balancer opens connections of its own to. Where a balancer passes packets on and keeps both
addresses (direct server return), nothing else goes to that server.
"""

from __future__ import annotations

from lbtrace.comparison.once import once
from lbtrace.comparison.pairs import ConnectionPairs, PairedSides, Pairs
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.tables.columns import among


@once
def straight(sides: PairedSides) -> ConnectionPairs:
    """The pairs of connections that are one connection, which no balancer had in its hands."""
    (client, backend), pairs = sides.sides, sides.connection_pairs
    passed = pairs.where(pairs.by(ConnectionBasis.SAME_PACKETS))
    same = (client.sources[passed.client] == backend.sources[passed.backend]) & (
        client.servers[passed.client] == backend.servers[passed.backend]
    )
    one = passed.where(same)
    if not one:
        return one
    exchanges = sides.pairs
    opened = exchanges.backend_connection[~among(exchanges.backend_connection, passed.backend)]
    return one.where(among(backend.servers[one.backend], backend.servers[opened]))


@once
def through_the_balancer(sides: PairedSides) -> Pairs:
    """The pairs of exchanges whose connections did not go straight to a backend."""
    past = straight(sides)
    return sides.pairs.where(~among(sides.pairs.client_connection, past.client))
