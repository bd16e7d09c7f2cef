"""How requests are shared out among the captured backends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.comparison import FRAMES_PER_SIDE, evidence
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Fact, Share
from lbtrace.tables.columns import first_met

ORDER = 9


def facts(seen: Seen) -> Iterator[Fact]:
    """`distribution.backends`: how many backends got requests, with the share of each."""
    backend, pairs = seen.comparison.sides[1], seen.comparison.pairs
    if not len(pairs):
        why = "no request is known to have reached a backend"
        yield _seen.unknown("distribution.backends", why, "count")
        return
    servers = backend.servers[pairs.backend_connection]
    counted = Counter(servers.tolist())
    first, _ = first_met(servers)
    shown = evidence(seen.comparison.request_frames(pairs.where(first[:FRAMES_PER_SIDE])))
    named = [(str(backend.endpoint(server)), count) for server, count in counted.most_common()]
    yield Fact(
        "distribution.backends",
        len(named),
        f"{len(pairs)} {noun(len(pairs), 'request')} to {len(named)} {noun(len(named), 'backend')}",
        "count",
        shares=tuple(Share(address, count, len(pairs)) for address, count in named),
        evidence=shown,
    )
