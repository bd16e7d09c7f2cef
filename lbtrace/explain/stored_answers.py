"""Client exchanges without a partner → those that a cache in the balancer may have answered from
what it had stored, though nothing in the answer says so.

A backend's answer that says how long it is fresh may be used again (RFC 9111 §4.2). One such answer
shows nothing: a backend that was not captured sends the same. A habit does: three requests at least
got the body that was stored for their target, each while that was fresh, and nobody who asked for
something stored and fresh made the balancer ask a backend.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from lbtrace.http_fields import CACHE_CONTROL, HOST
from lbtrace.http_fields.caches import lifetime
from lbtrace.match.exchange_times import NOT_MODIFIED, body_keys
from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Confidence
from lbtrace.tables.words import joint

FEW = 3  # requests: fewer show no habit
SECOND_NS: Final = 1_000_000_000


def find(state: Pairing, without: Collection[int]) -> dict[int, str]:
    """The client exchanges of `without` that got a stored answer, each with the directive that says
    that it was fresh; empty unless all of them did, and that is a habit.
    """
    client = state.client
    table, words = client.table, client.table.words
    q, r = table.requests, table.responses
    get = (table.method == words.texts.get("GET", -1)) & q.there & r.there
    control = r.value_of(words, CACHE_CONTROL)
    if len(without) < FEW or not (control[get] >= 0).any():
        return {}
    said = {n: lifetime(words.field_values[n]) for n in set(control[get & (control >= 0)].tolist())}
    key = joint(client.point, q.value_of(words, HOST), q.start).tolist()
    bodies, sought = body_keys(r).tolist(), set(without)
    stored: dict[int, tuple[int, int, str, int]] = {}  # by key: from, until, directive, body
    out: dict[int, str] = {}
    rows = np.flatnonzero(get)
    for c in rows[np.argsort(client.start[rows], kind="stable")].tolist():
        begin = int(client.start[c])
        since, until, directive, body = stored.get(key[c], (0, 0, "", 0))
        fresh = since <= begin < until
        if c in sought:
            if not fresh or (bodies[c] != body and r.start[c] != NOT_MODIFIED):
                return {}
            out[c] = directive
        elif c in state.caused and state.confidence[c] is not Confidence.LOW:
            if fresh:
                return {}  # it was asked again
            seconds, directive = said.get(int(control[c]), (0, ""))
            if seconds:
                ends = int(r.last_ns[c])
                stored[key[c]] = ends, ends + seconds * SECOND_NS, directive, bodies[c]
    return out if len(out) == len(sought) else {}
