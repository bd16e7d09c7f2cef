"""Pairs whose answers contradict each other → points whose captures do not belong together.

A script that runs twice sends the same ids twice, and its first run in front of one balancer looks
like its second run behind another one. The servers' answers tell: where every answer has a value of
its own in some field, on both sides, and not one of these values arrived, nobody passed these
answers on. Fields that balancers are known to write themselves (request ids, timings, cookies,
validators) say nothing.
"""

from __future__ import annotations

import numpy as np

from lbtrace.http_fields import REWRITTEN_PARTS
from lbtrace.match.drawn import drawn
from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Tier
from lbtrace.tables.columns import Column, distinct

ENOUGH = 2  # answers
MOST_POINTS = 16  # a field that fewer answers have is no field of a whole capture point
MOST_FIELDS = 64
LOOKED_AT = 64  # values, to see whether they were drawn at random


def contradicted(state: Pairing) -> set[tuple[int, int]]:
    """(client point, backend point) of the pairs that answers contradict."""
    client, backend = state.client.table, state.backend.table
    c, b = state.last()
    asked = state.tiers() > Tier.STATED_ADDRESS
    c, b = c[asked], b[asked]
    whole = (
        client.responses.whole_heads[c]
        & backend.responses.whole_heads[b]
        & (client.responses.start[c] == backend.responses.start[b])
    )
    c, b = c[whole], b[whole]
    if len(c) < ENOUGH:
        return set()
    place = client.point[c] * len(backend.traces) + backend.point[b]
    masks = [(n, place == n) for n in distinct(place).tolist()]
    found: set[int] = set()
    for name in _candidates(state, c, b):
        got, gave = (
            client.responses.value_of(client.words, name)[c],
            backend.responses.value_of(client.words, name)[b],
        )
        if _strange(state, got, gave):
            found = {n for n, _ in masks}
            break
        found |= {
            n for n, mask in masks if n not in found and _strange(state, got[mask], gave[mask])
        }
    return {divmod(n, len(backend.traces)) for n in found}


def _candidates(state: Pairing, c: Column, b: Column) -> list[str]:
    """Fields that many answers on both sides have, and nothing on the way is known to write."""
    words = state.client.table.words
    names, enough = list(words.fields), max(ENOUGH, len(c) // (2 * MOST_POINTS))
    often = np.ones(len(names), bool)
    for table, at in ((state.client.table, c), (state.backend.table, b)):
        often &= (
            np.bincount(words.field_of[table.responses.heads.of(at)[1]], minlength=len(names))
            >= enough
        )
    chosen = [names[f] for f in np.flatnonzero(often).tolist()]
    return [name for name in chosen if not any(part in name for part in REWRITTEN_PARTS)][
        :MOST_FIELDS
    ]


def _strange(state: Pairing, got: Column, gave: Column) -> bool:
    """Whether each answer, of half of them at least, has a value of its own on both sides, which
    looks drawn at random, and none is the same on both.
    """
    both = (got >= 0) & (gave >= 0)
    if (
        2 * int(both.sum()) < len(got)
        or int(both.sum()) < ENOUGH
        or (got[both] == gave[both]).any()
    ):
        return False
    got, gave = got[both], gave[both]
    if len(distinct(got)) < len(got) or len(distinct(gave)) < len(gave):
        return False
    values = state.client.table.words.field_values
    looked = [drawn(values[n]) for side in (got, gave) for n in side[:LOOKED_AT].tolist()]
    return 2 * sum(looked) >= len(looked)
