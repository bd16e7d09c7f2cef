"""Pairs whose answers contradict each other → points whose captures do not belong together.

A script that runs twice sends the same ids twice, and its first run in front of one balancer looks like its second run behind another
one. The servers' answers tell: where every answer has a value of its own in some field, on both sides, and not one of these values
arrived, nobody passed these answers on. Fields that balancers are known to write themselves (request ids, timings, cookies, validators)
say nothing.
"""

from __future__ import annotations

import numpy as np

from lbtrace.columns import Column, distinct
from lbtrace.correlate.pairing import Pairing
from lbtrace.correlate.tokens import drawn
from lbtrace.model.pairing import Tier

ENOUGH = 2  # answers
LOOKED_AT = 64  # values, to see whether they were drawn at random
# Parts of the names of fields that something on the way writes anew.
_REWRITTEN = (
    *("age", "amz", "azure", "cache", "cf-", "cookie", "correlation", "date", "digest", "envoy", "etag", "expires", "fastly", "goog"),
    *("id", "location", "modified", "nonce", "policy", "ray", "server", "span", "time", "timing", "trace", "varnish", "via"),
)


def contradicted(state: Pairing) -> set[tuple[int, int]]:
    """(client point, backend point) of the pairs that answers contradict."""
    client, backend = state.client.table, state.backend.table
    held = [(c, bs[-1]) for c, bs in state.caused.items() if state.tier[c] > Tier.STATED_ADDRESS]
    c, b = np.array(held, np.int64).reshape(-1, 2).T
    whole = client.responses.whole_heads[c] & backend.responses.whole_heads[b] & (client.responses.start[c] == backend.responses.start[b])
    c, b = c[whole], b[whole]
    if len(c) < ENOUGH:
        return set()
    points = list(zip(client.point[c].tolist(), backend.point[b].tolist(), strict=True))
    found: set[tuple[int, int]] = set()
    for name in _candidates(state):
        got, gave = client.responses.said(client.words, name)[c], backend.responses.said(client.words, name)[b]
        if _strange(state, got, gave):
            return set(points)
        for place in set(points) - found:
            at = np.array([p == place for p in points], bool)
            if _strange(state, got[at], gave[at]):
                found.add(place)
    return found


def _candidates(state: Pairing) -> list[str]:
    """Fields of responses on both sides that nothing on the way is known to write."""
    words = state.client.table.words
    names = list(words.fields)
    there = [set(distinct(words.field_of[t.responses.heads.line]).tolist()) for t in (state.client.table, state.backend.table)]
    return [names[f] for f in sorted(there[0] & there[1]) if not any(part in names[f] for part in _REWRITTEN)]


def _strange(state: Pairing, got: Column, gave: Column) -> bool:
    """Whether each answer, of half of them at least, has a value of its own on both sides, which looks drawn at random, and none is the
    same on both."""
    both = (got >= 0) & (gave >= 0)
    if 2 * int(both.sum()) < len(got) or int(both.sum()) < ENOUGH or (got[both] == gave[both]).any():
        return False
    got, gave = got[both], gave[both]
    if len(distinct(got)) < len(got) or len(distinct(gave)) < len(gave):
        return False
    values = state.client.table.words.value_of_said
    looked = [drawn(values[n]) for side in (got, gave) for n in side[:LOOKED_AT].tolist()]
    return 2 * sum(looked) >= len(looked)
