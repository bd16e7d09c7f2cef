"""Comparison → what became of whole requests: on which connections they went on, which the balancer
answered, which it sent again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, Pairs
from lbtrace.model.http import OF_GATEWAYS
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.tables.columns import Column, distinct, first_met
from lbtrace.tables.words import joint
from lbtrace.verdict.unrelated import apart_by_own_clocks
from lbtrace.verdict.weigh import Observation

CROSSING_PERCENT = (
    25  # of the pairs of MEDIUM confidence, before they show that connections are shared
)


def connection_mapping(comparison: Comparison) -> Iterator[Observation]:
    """Whether requests of one client connection stay together, and apart from those of others.

    A single wrong pair must not decide: pairs of MEDIUM confidence count only when many of them
    cross. For interchangeable pairs only the numbers of requests per connection count, and only
    when no exchange is left over on either side.
    """
    single = comparison.distinct_pairs.where(comparison.distinct_pairs.attempts == 1)
    sure = single.where(single.rank >= Confidence.HIGH.rank)
    crossing = 0
    for pairs, enough in ((sure, 0), (single, CROSSING_PERCENT)):
        merged, split, crossing = _crossings(pairs)
        if crossing and crossing * 100 >= enough * len(pairs):
            widest = merged if len(merged) >= len(split) else split
            yield Observation.of(
                "connection-mapping",
                "shared",
                "One backend connection carried requests of {count} client connections."
                if widest is merged
                else "The requests of one client connection went over {count} backend connections.",
                comparison.request_frames(widest),
                count=len(widest),
            )
            return
    if not comparison.pairs.alone.all():
        yield from _by_numbers(comparison)
    elif not crossing:
        first, which = first_met(single.client_connection)
        if len(first) > 1:
            last = np.zeros(len(first), np.int64)
            last[which] = np.arange(len(which))  # of each connection its last request is shown
            yield Observation.of(
                "connection-mapping",
                "one-to-one",
                "Each of {count} client connections has one backend connection of its own"
                + (
                    "."
                    if len(single) == len(comparison.distinct_pairs)
                    else ", requests that were sent again left out."
                ),
                comparison.request_frames(single.where(last)),
                count=len(first),
            )


def _crossings(pairs: Pairs) -> tuple[Pairs, Pairs, int]:
    """(a match for each client connection of the backend connection with most, a match for each
    backend connection of the client connection with most, how many pairs are outside the pairing
    of connections that most pairs agree on).
    """
    first, which = first_met(joint(pairs.client_connection, pairs.backend_connection))
    carried = pairs.where(first)  # the first match of every two connections
    weight = np.bincount(which, minlength=len(first))
    client_connections, backend_connections = carried.client_connection, carried.backend_connection
    if len(first) == len(distinct(client_connections)) == len(distinct(backend_connections)):
        return _widest(carried, backend_connections), _widest(carried, client_connections), 0
    agreed, clients, backends = 0, set[int](), set[int]()
    heaviest = np.argsort(-weight, kind="stable")
    for client, backend, many in zip(
        client_connections[heaviest].tolist(),
        backend_connections[heaviest].tolist(),
        weight[heaviest].tolist(),
        strict=True,
    ):
        if client not in clients and backend not in backends:
            clients.add(client)
            backends.add(backend)
            agreed += many
    return (
        _widest(carried, backend_connections),
        _widest(carried, client_connections),
        len(pairs) - agreed,
    )


def _widest(carried: Pairs, connections: Column) -> Pairs:
    """The rows of the connection that has most, of several the first."""
    if not carried:
        return carried
    _, which = first_met(connections)
    return carried.where(which == np.bincount(which).argmax())


def _by_numbers(comparison: Comparison) -> Iterator[Observation]:
    """The numbers of requests per connection: a proxy of byte streams has the same on both sides,
    whoever is paired with whom.
    """
    if _left_over(comparison):
        return
    per_client, per_backend = (
        np.sort(np.unique(connections, return_counts=True)[1])
        for connections in (comparison.pairs.client_connection, comparison.pairs.backend_connection)
    )
    if not np.array_equal(per_client, per_backend):
        yield Observation.of(
            "connection-mapping",
            "shared",
            "{fronts} client connections with at most {most_front} requests each, "
            "but {backs} backend connections with at most {most_back}.",
            comparison.request_frames(comparison.pairs),
            fronts=len(per_client),
            most_front=int(per_client[-1]),
            backs=len(per_backend),
            most_back=int(per_backend[-1]),
        )
    elif len(per_client) > 1:
        yield Observation.of(
            "connection-mapping",
            "one-to-one",
            "As many connections with as many requests each on both sides ({count}).",
            comparison.request_frames(comparison.pairs),
            count=len(per_client),
        )


def _left_over(comparison: Comparison) -> bool:
    """True when something that could have a partner has none, or was captured in part only: then
    numbers per connection prove nothing.
    """
    if any(
        u.reason not in (UnpairedReason.HEALTH_CHECK, UnpairedReason.ANSWERED_BY_BALANCER)
        for u in comparison.correlation.unpaired
    ):
        return True
    if len(comparison.pairs) < len(comparison.correlation.pairs):
        return True
    for table, connections in zip(
        comparison.sides,
        (comparison.pairs.client_connection, comparison.pairs.backend_connection),
        strict=True,
    ):
        partly = table.of_connections("syns") == 0
        for server in (False, True):
            partly |= table.of_ends("missing", server) > 0
        if partly[connections].any():
            return True
    return False


def own_answers(comparison: Comparison) -> Iterator[Observation]:
    """Requests the balancer answered itself. An uncaptured backend would look the same, so this
    never decides alone, but where no connection behind opened and the answers say so.
    """
    yield from _nobody_behind(comparison)
    own = [
        u.ref
        for u in comparison.correlation.unpaired
        if u.side == Side.CLIENT
        and u.reason is UnpairedReason.ANSWERED_BY_BALANCER
        and u.confidence >= Confidence.HIGH
    ]
    if own and comparison.pairs:
        yield Observation.of(
            "own-answers",
            "some",
            "{count} requests were answered without a backend exchange.",
            (comparison.response_frame(Side.CLIENT, ref) for ref in own[:FRAMES_PER_SIDE]),
            count=len(own),
        )


def _nobody_behind(comparison: Comparison) -> Iterator[Observation]:
    """Answers that all say that no backend answered (RFC 9110 §15.6), at the time of attempts to
    connect that all failed. Who only passes packets or bytes on has no words to say it in.
    """
    client, backend = comparison.sides
    told = np.flatnonzero(client.requests.there & client.responses.there)
    failed = np.flatnonzero(backend.of_connections("syns") > 0)
    seen = len(backend.of_connections("syns"))
    if not len(told) or not len(failed) or len(failed) < seen or apart_by_own_clocks(comparison):
        return
    if (
        backend.of_connections("opened").any()
        or not np.isin(client.status[told], list(OF_GATEWAYS)).all()
    ):
        return
    yield Observation.of(
        "own-answers",
        "of-a-gateway",
        "{count} requests were answered with 502, 503 or 504, and none of {tried} attempts to "
        "connect behind succeeded.",
        [
            *(comparison.response_frame(Side.CLIENT, client.ref(n)) for n in told[:2].tolist()),
            *comparison.opening_frames(Side.BACKEND, failed[:2]),
        ],
        count=len(told),
        tried=len(failed),
    )


def attempts(comparison: Comparison) -> Iterator[Observation]:
    """Requests that were sent to a backend more than once."""
    several = comparison.distinct_pairs.where(comparison.distinct_pairs.attempts > 1)
    if several:
        frames = []
        for m in several[:2]:
            frames.append(comparison.request_frame(Side.CLIENT, m.client_ref))
            frames += [
                comparison.request_frame(Side.BACKEND, a.backend) for a in m.found.attempts[:2]
            ]
        yield Observation.of(
            "attempts",
            "several",
            "{count} requests were sent to a backend more than once.",
            frames,
            count=len(several),
        )
