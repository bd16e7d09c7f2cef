"""Answers whose bodies the balancer writes anew → their bodies are unknown, and the rest tells who
gave them.

A filter in a balancer changes what is in every page (RFC 9110 §7.7), and no decoding shows that it
is the same. Elsewhere, another body is another answer. So bodies are only taken for rewritten where
not one of all answers of a kind, three at least, has its body on the other side, and that is so on
both sides. A kind is a status with a Content-Type.

Strangers look like that, too, and so does a backend that gets copies and whose answers nobody gets.
But whoever changes a body while it passes cannot say how long it will be. So the backends must have
said it of every such answer, and the clients heard it of none, nor a content coding that explains
it. What is paired then must agree on the clocks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lbtrace.http_fields import CONTENT_LENGTH, CONTENT_TYPE
from lbtrace.match.clock import Clocks
from lbtrace.match.exchange_times import body_keys, different_bodies
from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Confidence
from lbtrace.tables.columns import Column, among, first_met
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

FEW = 3  # answers: fewer show no habit


class Rewritten(NamedTuple):
    """Which answers of both sides have a body that may be rewritten (bool per exchange)."""

    client: Column
    backend: Column


def find(front: SideTable, back: SideTable) -> Rewritten | None:
    """The answers of those kinds of which no body is on the other side, None where their lengths do
    not show that they were rewritten.
    """
    client = _strange(front, back)
    if not client.any():
        return None
    backend = _strange(back, front)
    if not backend.any():
        return None
    heard, said = (
        side.responses.having(side.words, CONTENT_LENGTH)[rows]
        for side, rows in ((front, client), (back, backend))
    )
    coded = front.responses.content_digest[client] > 0
    return None if heard.any() or coded.any() or not said.all() else Rewritten(client, backend)


def _strange(side: SideTable, other: SideTable) -> Column:
    """Which answers of a side are of a kind of which no body is on the other side."""
    r, s = side.responses, other.responses
    bodies = np.flatnonzero(r.there & (body_keys(r) > 0))
    there = np.concatenate((s.digest, s.content_digest))
    there = there[there > 0]
    passed = among(r.digest[bodies], there) | among(r.content_digest[bodies], there)
    types = r.value_of(side.words, CONTENT_TYPE)[bodies]
    first, kind = first_met(joint(r.start[bodies], types))
    count = len(first)
    many = np.bincount(kind, minlength=count) >= FEW
    none = np.bincount(kind[passed], minlength=count) == 0
    out = np.zeros(len(side), bool)
    out[bodies] = (many & none)[kind]
    return out


def without(side: SideTable, rows: Column) -> SideTable:
    """A side in which the bodies of these answers are unknown, as where a capture lacks them."""
    r = side.responses
    return side.with_columns(
        responses=r.with_columns(
            complete=r.complete & ~rows,
            digest=np.where(rows, 0, r.digest),
            content_digest=np.where(rows, 0, r.content_digest),
        )
    )


def hold(pairs: Pairing, known: Clocks, front: SideTable, back: SideTable) -> bool:
    """Whether the pairs that were made without the bodies show that they belong together. `front`
    and `back` have all bodies.
    """
    c, b = pairs.last()
    sure = np.array([pairs.confidence[n] is not Confidence.LOW for n in c.tolist()], bool)
    anew = sure & different_bodies(front.responses, c, back.responses, b)
    points = pairs.client.point[c[anew]].tolist(), pairs.backend.point[b[anew]].tolist()
    return int(anew.sum()) >= FEW and all(
        not known[place].refused and not known[place].outliers and known[place].pairs >= FEW
        for place in set(zip(*points, strict=True))
    )
