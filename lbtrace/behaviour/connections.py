"""How connections are used on both sides: how many requests each carries, who closes first."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.net import Side
from lbtrace.tables.columns import among, distinct
from lbtrace.tables.words import joint

ORDER = 5
ONE_SIDE = True


def facts(seen: Seen) -> Iterator[Fact]:
    """Per side `connections.SIDE.requests` and `connections.SIDE.closed-first`; then
    `connections.backend.shared`.
    """
    for side in seen.comparison.captured:
        yield _requests(seen, side)
        yield _closing(seen, side)
    if not seen.comparison.alone:
        yield _sharing(seen)


def _sharing(seen: Seen) -> Fact:
    shared = seen.first("connection-reuse.shared")
    if shared is None:
        return _unshared(seen)
    counts = _seen.number(shared, "shared"), _seen.number(shared, "connections")
    return Fact(
        "connections.backend.shared",
        "yes",
        f"one carried requests of {_seen.number(shared, 'most')} client connections",
        shares=(Share("shared", *counts, evidence=shared.evidence),),
        evidence=shared.evidence,
    )


def _unshared(seen: Seen) -> Fact:
    """No connection behind is known to carry requests of several client connections."""
    name = "connections.backend.shared"
    pairs = seen.comparison.distinct_pairs
    users = distinct(joint(pairs.backend_connection, pairs.client_connection))
    behind = len(distinct(pairs.backend_connection))
    backend = seen.comparison.table(Side.BACKEND)
    carried = backend.requests.there & among(backend.connection, pairs.backend_connection)
    if not behind or len(users) > behind or int(carried.sum()) > len(pairs):
        return _seen.unknown(name, "too few pairs are known for sure")
    text = f"each of {behind} {noun(behind, 'connection')} carried those of one client connection"
    return Fact(name, "no", text, shares=(Share("shared", 0, behind),))


def _requests(seen: Seen, side: Side) -> Fact:
    """How many requests the connections of a side carry, as the share requests : connections.
    Health checks are excluded.
    """
    name = f"connections.{side.value}.requests"
    counts = seen.comparison.counts(side)
    if not counts.http_connections:
        return _seen.unknown(name, "no request was read on this side")
    shown = seen.first(f"connection-reuse.{side.value}")
    return Fact(
        name,
        "one each" if counts.requests <= counts.http_connections else "several",
        f"{counts.requests} {noun(counts.requests, 'request')} over "
        f"{counts.http_connections} {noun(counts.http_connections, 'connection')}",
        shares=(Share("per-connection", counts.requests, counts.http_connections),),
        evidence=() if shown is None else shown.evidence,
    )


def _closing(seen: Seen, side: Side) -> Fact:
    name = f"connections.{side.value}.closed-first"
    shown = seen.first(f"connection-reuse.closed-{side.value}")
    if shown is None:
        return _seen.unknown(name, "no connection with a request was closed in the capture")
    values = _seen.values_of(shown)
    first, second = _seen.number(shown, "by_first"), _seen.number(shown, "by_second")
    ends = (str(values["first"]), first), (str(values["second"]), second)
    return Fact(
        name,
        " and ".join(end for end, count in ends if count),
        ", ".join(f"the {end} {count} of {first + second}" for end, count in ends if count),
        shares=tuple(Share(end, count, first + second) for end, count in ends),
        evidence=shown.evidence,
    )
