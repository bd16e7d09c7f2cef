"""Exchanges of both sides → pairs that share values which are rare in each capture.

What is rare on both sides and shared is evidence, weighed by how rare it is (Spärck Jones 1972:
inverse document frequency). What an exchange holds is told by `tokens`.

Candidates come from the rarest shared tokens only, never from a cross product of common ones, so
the cost is linear. A pair is accepted when each is the other's best by a clear margin. A client
exchange may own several backend exchanges (retries): those that share its rare tokens and no other
client exchange's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lbtrace.match.drawn import drawn
from lbtrace.match.exchange_times import Facts, body_keys
from lbtrace.match.tokens import OF_REQUESTS, RARE, RESPONSE, Tokens, collect
from lbtrace.model.pairing import Reason
from lbtrace.tables.columns import distinct, group_starts, parts_of
from lbtrace.tables.packets import Column

MARGIN = 6.0  # bits by which the best must beat the second best


class Found(NamedTuple):
    """A client exchange and the backend exchanges that share its rare tokens, and the rarest of
    what they share.
    """

    client: int
    backends: list[int]
    reasons: tuple[Reason, ...]
    by_value: bool  # a header value, a query or a body was shared, not the target alone
    by_request: bool  # the rarest of it is in the requests
    strong: bool  # it looks drawn at random: no other exchange anywhere has it


@dataclass(frozen=True, slots=True)
class Matches:
    """The matches as columns, in the order of the client exchanges; see Found."""

    client: Column
    backends: list[list[int]]
    reasons: list[tuple[Reason, ...]]
    by_value: Column
    by_request: Column
    strong: Column

    def __len__(self) -> int:
        return len(self.client)

    @property
    def first(self) -> Column:
        """The first backend exchange of each."""
        return np.fromiter((held[0] for held in self.backends), np.int64, len(self))

    @property
    def several(self) -> Column:
        """Which have more than one backend exchange (bool)."""
        return np.fromiter(map(len, self.backends), np.int64, len(self)) > 1

    def found(self, row: int) -> Found:
        """One of them."""
        return Found(
            int(self.client[row]),
            self.backends[row],
            self.reasons[row],
            bool(self.by_value[row]),
            bool(self.by_request[row]),
            bool(self.strong[row]),
        )


@dataclass(slots=True)
class Candidates:
    """Pairs that share rare values: one row per client exchange and backend exchange."""

    tokens: Tokens
    client: Column
    backend: Column
    bits: Column  # the weight of all rare tokens they share
    token: Column  # the rarest of them
    alone: Column  # bool: that one looks drawn at random, so that no other exchange has it
    # the rarest that nobody else has on either side, and is no mere letter or two; -1 for none
    own: Column

    def where(self, kept: Column) -> Candidates:
        """Some of them."""
        columns = (self.client, self.backend, self.bits, self.token, self.alone, self.own)
        return Candidates(self.tokens, *(column[kept] for column in columns))

    def reasons(self) -> list[Reason]:
        """The rarest value that each pair shares."""
        return self.tokens.reasons(self.token)

    def all_reasons(self) -> list[tuple[Reason, ...]]:
        """The rarest value that each pair shares and, where others have it too, the rarest that
        nobody else has: a session's value stands in many requests, and does not tell which.
        """
        out: list[tuple[Reason, ...]] = list(zip(self.reasons(), strict=True))
        more = np.flatnonzero((self.own >= 0) & (self.own != self.token))
        for row, reason in zip(more.tolist(), self.tokens.reasons(self.own[more]), strict=True):
            out[row] += (reason,)
        return out


def match(shared: Candidates, client: Facts, backend: Facts) -> Matches:
    """Candidates → unambiguous matches."""
    tokens = shared.tokens
    first, second = _two_best(shared.backend, shared.bits, len(backend))
    top = np.zeros(len(client))
    np.maximum.at(top, shared.client, shared.bits)
    clear = shared.bits >= first[shared.backend] - 1e-9
    shared = shared.where(clear & (shared.bits - second[shared.backend] >= MARGIN))
    who = shared.client  # ascending
    first_of = group_starts(who)
    ends = np.append(first_of, len(who))[1:]
    chosen = [[b] for b in shared.backend[first_of].tolist()]
    rows, places = first_of.copy(), np.arange(len(who))  # the best of each
    for i in np.flatnonzero(ends - first_of > 1).tolist():
        here = slice(first_of[i], ends[i])
        columns = (shared.bits, shared.backend, shared.token, shared.alone, places)
        held = zip(*(column[here].tolist() for column in columns), strict=True)
        best, *others = sorted(held, reverse=True)
        rows[i] = best[-1]
        chosen[i] = [b for s, b, *_ in (best, *others) if s >= best[0] - MARGIN]
    # of the others, the best backend exchange belongs to another
    own = np.flatnonzero(shared.bits[rows] >= top[who[first_of]] - 1e-9)
    best_ones = shared.where(rows[own])
    token = best_ones.token
    return Matches(
        best_ones.client,
        [chosen[i] for i in own.tolist()],
        best_ones.all_reasons(),
        tokens.header[token],
        ~tokens.of_kind(RESPONSE)[token],
        best_ones.alone,
    )


def candidates(client: Facts, backend: Facts) -> Candidates:
    """The pairs that share a token which is rare on both sides."""
    tokens = collect(client, backend)
    n_client, n_backend = len(client), len(backend)
    count = len(tokens)
    of_client = np.bincount(tokens.client[1], minlength=count)
    of_backend = np.bincount(tokens.backend[1], minlength=count)
    rare = (of_client > 0) & (of_client <= RARE) & (of_backend > 0) & (of_backend <= RARE)
    weight = (
        np.log2(max(n_client, 2) / np.maximum(of_client, 1))
        + np.log2(max(n_backend, 2) / np.maximum(of_backend, 1))
        + 1.0
    )
    weight = np.minimum(np.where(tokens.header, weight + 4.0, weight), tokens.bits)
    left_owner, left_token = (a[rare[tokens.client[1]]] for a in tokens.client)
    right_owner, right_token = (a[rare[tokens.backend[1]]] for a in tokens.backend)
    order = np.argsort(right_token, kind="stable")
    right_owner, right_token = right_owner[order], right_token[order]
    begin = np.searchsorted(right_token, left_token, "left")
    size = np.searchsorted(right_token, left_token, "right") - begin
    token = np.repeat(left_token, size)
    code = np.repeat(left_owner, size) * np.int64(n_backend)
    code += parts_of(right_owner, begin, size)
    del left_owner, left_token, right_owner, right_token, begin, size
    alone = _tell_alone(tokens, distinct(token), client, backend)
    order = np.lexsort((~alone[token], -weight[token], code))
    code, token = code[order], token[order]
    codes, first = np.unique(code, return_index=True)
    score = np.add.reduceat(weight[token], first) if len(first) else np.zeros(0)
    width = max(n_backend, 1)
    best = token[first]
    single = (of_client == 1) & (of_backend == 1) & (tokens.bits >= MARGIN)
    own = _rarest_own(code, token, single, codes)
    return Candidates(tokens, codes // width, codes % width, score, best, alone[best], own)


def _rarest_own(code: Column, token: Column, single: Column, codes: Column) -> Column:
    """Per pair (`codes`) its first token that is a `single` one, -1 for none. `code` and `token`:
    the tokens of pairs, those of one pair together, rarest first.
    """
    kept = single[token]
    out = np.full(len(codes), -1, np.int64)
    found, first = np.unique(code[kept], return_index=True)
    out[np.searchsorted(codes, found)] = token[kept][first]
    return out


def _tell_alone(tokens: Tokens, used: Column, client: Facts, backend: Facts) -> Column:
    """Per token, whether it looks drawn at random and stands in a request or is the balancer's: no
    other exchange anywhere has it. Only the used ones are looked at. Any digest of a body looks
    drawn.

    A session's value is drawn at random, too, and comes with each of its requests. So what a cookie
    or a credential says tells no request alone, nor does what one side shows in different requests.
    """
    asked = used[(tokens.of_kind(OF_REQUESTS) & tokens.header & ~tokens.of_session)[used]]
    out = np.zeros(len(tokens), bool)
    out[asked] = list(map(drawn, tokens.values(asked)))
    for facts, (owner, token) in ((client, tokens.client), (backend, tokens.backend)):
        held = out[token]
        out[_in_several(facts, owner[held], token[held])] = False
    return out


def _in_several(facts: Facts, owner: Column, token: Column) -> Column:
    """The tokens that different requests of a side hold: another method, target or body."""
    order = np.argsort(token, kind="stable")
    owner, token = owner[order], token[order]
    requests, bodies = facts.table.requests, body_keys(facts.table.requests)
    found = [token[:0]]
    for what, known in (
        (facts.table.method, requests.there),
        (requests.start, requests.there),
        (bodies, bodies > 0),
    ):
        which = known[owner]
        held, said = token[which], what[owner[which]]
        found.append(held[1:][(held[1:] == held[:-1]) & (said[1:] != said[:-1])])
    return np.concatenate(found)


def _two_best(whom: Column, score: Column, count: int) -> tuple[Column, Column]:
    """Per backend exchange: its best and second best score over client exchanges, 0 without."""
    first, second = np.zeros(count), np.zeros(count)
    order = np.lexsort((-score, whom))
    whom, score = whom[order], score[order]
    begins = np.concatenate([np.ones(min(len(whom), 1), bool), whom[1:] != whom[:-1]])
    first[whom[begins]] = score[begins]
    follows = ~begins & np.concatenate([np.zeros(min(len(whom), 1), bool), begins[:-1]])
    second[whom[follows]] = score[follows]
    return first, second
