"""What one side's captures lack → whether who else could have been there was captured.

"The only one inside it" is knowledge only then. A lone pair (c, b) is wrong only when c's true
partner and b's true partner are both missing, and some other exchange of the same kind happens to
lie inside c. So the price of "no partner", in a matching, is: endless for a backend exchange where
the client side is complete, endless for a client exchange where the backend side is, and otherwise
the odds of such a coincidence, which `Strays` estimates from those that are left over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.match.balancer_signature import Signs, manner
from lbtrace.match.clock import Clocks
from lbtrace.match.exchange_times import Facts, unasked
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.match.windows import windows
from lbtrace.model.pairing import (
    Completeness,
    Confidence,
    Incomplete,
    Ref,
    SideCompleteness,
)
from lbtrace.tables.columns import Column, among

# a balancer answers with these itself, whatever else it says
_OWN_ANSWERS = (301, 302, 303, 307, 308, 502, 503, 504)


def completeness(state: Pairing, clocks: Clocks) -> Completeness:
    """Both sides: no byte that was sent is missing, and nothing is left on the other side that
    should have a partner here. Where nothing was paired, no kind of exchange is known to pair.
    """
    if not state.caused:
        return Completeness()
    return Completeness(
        _lost(state.client) or _without_partner(state, clocks, of_client=False),
        _lost(state.backend) or _without_partner(state, clocks, of_client=True),
    )


def _without_partner(state: Pairing, clocks: Clocks, of_client: bool) -> SideCompleteness:
    """The side where an exchange of the other one should have its partner and has none."""
    left = _left(state, clocks, of_client)
    if left is None:
        return SideCompleteness(None)
    facts = state.client if of_client else state.backend
    return SideCompleteness(Incomplete.PARTNER_MISSING, exchange=facts.ref(left))


def lossless(facts: Facts) -> bool:
    """Whether no bytes that were sent are missing from the captures of a side, and no exchange
    lacks its request that had one.
    """
    return _lost(facts) is None


def _lost(facts: Facts) -> SideCompleteness | None:
    """The first exchange without its request, or else connection with bytes missing."""
    without = ~(facts.table.requests.there | unasked(facts))
    if without.any():
        at = facts.ref(int(without.argmax()))
        return SideCompleteness(Incomplete.REQUEST_MISSING, exchange=at)
    for point, held in enumerate(facts.table.connections):
        missing = held.ends.missing > held.ends.truncated
        if missing.any():
            at = Ref(point, int(missing.argmax()) // 2)
            return SideCompleteness(Incomplete.BYTES_MISSING, connection=at)
    return None


def every_client(state: Pairing, clocks: Clocks) -> bool:
    """Whether the client captures show every client: no packet is missing, and no backend exchange
    of their kind is left without one.
    """
    return lossless(state.client) and _left(state, clocks, of_client=False) is None


def _left(state: Pairing, clocks: Clocks, of_client: bool) -> int | None:
    """The first exchange that is left and should have a partner in the other side's captures."""
    facts = state.client if of_client else state.backend
    free = (
        state.free_clients()
        if of_client
        else [b for b in state.free_backends() if b in state.shared]
    )
    if not free:
        return None
    seen = windows(state, clocks, of_client)
    nothing, answers = unasked(facts), facts.table.responses
    if of_client:  # a request that is not in the capture looks like none, whoever got it
        nothing = nothing | _to_other_servers(state) | ~facts.table.requests.there
    signs = Signs(facts, manner(state)) if of_client else None
    for n in free:
        start, end = int(facts.start[n]), int(facts.end[n])
        known = seen[facts.point[n]]
        if nothing[n] or (known and all(end < w.first or start > w.last for w in known)):
            continue
        if signs is None:
            return n
        own = signs.of(n)
        sure = own is not None and own.confidence is Confidence.HIGH
        status = int(answers.start[n]) if answers.there[n] else None
        if not (facts.cached[n] or sure or status in _OWN_ANSWERS):
            return n
    return None


def _to_other_servers(state: Pairing) -> Column:
    """Which client exchanges went to servers none of whose exchanges has a partner, while others'
    have: those are no addresses of the balancer, and no backend is missing.
    """
    table = state.client.table
    servers = table.servers[table.connection]
    known = [c for c, sure in state.confidence.items() if sure is not Confidence.LOW]
    if not known:
        return np.zeros(len(table), bool)
    out: Column = ~among(servers, servers[known])
    return out


@dataclass(frozen=True, slots=True)
class Strays:
    """How often an exchange that is not a client exchange's own lies inside it by chance."""

    unpartnered: float  # share of client exchanges whose own backend exchange is missing
    per_ns: float  # backend exchanges without a client of theirs, per nanosecond

    @classmethod
    def of(cls, state: Pairing) -> Strays:
        """Estimated from what is left over, with one more on each side than is known (Laplace)."""
        free_c = len(state.free_clients())
        free_b = sum(b in state.shared for b in state.free_backends())
        start = state.backend.start
        span = int(start.max() - start.min()) if len(start) else 0
        return cls((free_c + 1) / (len(state.client) + 2), (free_b + 1) / max(span, 1))

    def odds(self, line: Timeline, c: int, b: int) -> float:
        """The odds that a pair is a coincidence of two exchanges whose partners are missing.

        A backend exchange that lies inside can have begun at any time while the client waited and
        there was time left for all of it; one that the balancer gave up, at any time.
        """
        waited = line.client_answered[c] - line.client_asked[c]
        took = max(line.backend_answered[b] - line.backend_asked[b], 0)
        room = waited - took if line.inside(c, b) else waited
        return self.unpartnered * self.per_ns * max(room, 0)
