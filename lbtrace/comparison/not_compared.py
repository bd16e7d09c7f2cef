"""Two sides and some of their pairs → how many client exchanges may have reached a backend, too,
and are not among these pairs.

"Nothing was changed" is said of the pairs alone. What happened to the others is unknown, and
sentences that nothing was changed say so.
"""

from __future__ import annotations

import numpy as np

from lbtrace.comparison.counts import Counts
from lbtrace.comparison.once import once
from lbtrace.comparison.pairs import Pairs
from lbtrace.model.net import Side
from lbtrace.model.pairing import UnpairedReason
from lbtrace.tables.columns import Column

# of the reasons why a client exchange has no partner, those that say that nothing was sent on
NOT_SENT_ON = {
    UnpairedReason.ANSWERED_BY_BALANCER,
    UnpairedReason.HEALTH_CHECK,
    UnpairedReason.COPY,
}


def requests_not_compared(sides: Counts, compared: Pairs) -> int:
    """How many requests of the client side may have been sent on and are not among these pairs."""
    return _left(may_have_been_sent_on(sides) & sides.sides[0].requests.there, compared)


def responses_not_compared(sides: Counts, compared: Pairs) -> int:
    """How many responses of the client side may be a backend's and are not among these pairs."""
    return _left(may_have_been_sent_on(sides) & sides.sides[0].responses.there, compared)


def _left(exchanges: Column, compared: Pairs) -> int:
    exchanges[compared.client] = False
    return int(exchanges.sum())


@once
def may_have_been_sent_on(sides: Counts) -> Column:
    """Per client exchange: whether nothing says that it stayed in front of the backends."""
    client = sides.sides[0]
    out: Column = sides.counted(Side.CLIENT)[client.connection]
    stayed = [
        client.first_of[item.ref.point] + item.ref.id
        for item in sides.correlation.unpaired
        if item.side == Side.CLIENT and item.reason in NOT_SENT_ON
    ]
    out[np.array(stayed, np.int64)] = False
    return out
