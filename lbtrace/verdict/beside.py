"""Connections whose packets were passed on, beside others that the balancer opened itself → whether
the first tell what kind of balancer it is.

A host that ends connections may pass some on as well: a NAT turns one of its own back to it, or it
hands one port on and proxies another. Equal sequence numbers then speak for those few, and hide
what becomes of the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, ConnectionPairs
from lbtrace.comparison.straight import straight
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, ConnectionBasis, Tier
from lbtrace.tables.columns import among
from lbtrace.tables.connections import NONE
from lbtrace.tables.pairs import PairTable
from lbtrace.verdict.weigh import Judgement

DOUBTED = Confidence.MEDIUM  # passed-on packets are no surer where other connections were opened


class MostTraffic(NamedTuple):
    """What is judged, and whether other connections speak against what passed-on packets say."""

    comparison: Comparison
    doubted: bool

    def weaken(self, judged: Judgement) -> Judgement:
        """A judgement, no surer than the doubt allows."""
        sure = min(judged.confidence, DOUBTED) if self.doubted else judged.confidence
        return judged._replace(confidence=sure)


def beside(comparison: Comparison) -> MostTraffic:
    """A comparison → the same, without connections that went past the balancer, and without those
    that were passed on where more others were opened; as it is where fewer were.
    """
    past = straight(comparison)
    if past:
        comparison = _without(comparison, past)
    passed = comparison.connection_pairs
    passed = passed.where(passed.by(ConnectionBasis.SAME_PACKETS))
    if not passed:
        return MostTraffic(comparison, False)
    others = max(_paired_otherwise(comparison), _opened_by_whom_clients_ask(comparison, passed))
    used = int(comparison.pairs_that_carried(passed).sum())
    if others <= used:
        return MostTraffic(comparison, others > 0)
    return MostTraffic(_without(comparison, passed), True)


def _paired_otherwise(comparison: Comparison) -> int:
    """How many connections belong together and began with other sequence numbers."""
    joined = comparison.joined_connections
    one, other = (
        table.of_ends("isn", server=False)[connections]
        for table, connections in zip(
            comparison.sides, (joined.client, joined.backend), strict=True
        )
    )
    used = comparison.pairs_that_carried(joined)
    return int(((one != NONE) & (other != NONE) & (one != other) & used).sum())


def _opened_by_whom_clients_ask(comparison: Comparison, passed: ConnectionPairs) -> int:
    """How many connections of clients end at hosts that opened connections of their own, as a proxy
    does: of the smaller side, those that carried something and go to servers that no passed-on
    connection goes to.
    """
    client, backend = comparison.sides
    fronts = comparison.carried(Side.CLIENT) & ~among(client.servers, client.servers[passed.client])
    backs = comparison.carried(Side.BACKEND) & ~among(
        backend.servers, backend.servers[passed.backend]
    )
    both = np.intersect1d(client.server_address[fronts], backend.client_address[backs])
    return min(
        int((fronts & among(client.server_address, both)).sum()),
        int((backs & among(backend.client_address, both)).sum()),
    )


def _without(comparison: Comparison, those: ConnectionPairs) -> Comparison:
    """What is left without some connections that were passed on, and without what they carried."""
    found, client = comparison.correlation, comparison.table(Side.CLIENT)
    pairs = PairTable.of(found.pairs)
    asked = client.connection[client.numbers(pairs.client_point, pairs.client)]
    gone = set(zip(those.client.tolist(), those.backend.tolist(), strict=True))
    fronts = comparison.connection_numbers(Side.CLIENT, [p.client for p in found.connection_pairs])
    backs = comparison.connection_numbers(Side.BACKEND, [p.backend for p in found.connection_pairs])
    kept = tuple(
        pair
        for pair, *both in zip(found.connection_pairs, fronts.tolist(), backs.tolist(), strict=True)
        if tuple(both) not in gone
    )
    return comparison.with_correlation(
        replace(
            found,
            pairs=pairs.taken(
                np.flatnonzero(~(among(asked, those.client) & (pairs.tier == Tier.SAME_PACKETS)))
            ),
            connection_pairs=kept,
        )
    )
