"""Shared rare values → pairs: what `tokens` matches, as far as the answers, the clients the
balancer named and other fields allow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lbtrace.match import attempts, fan_out, fingerprint, rare_values, repeats
from lbtrace.match.connections import Stated
from lbtrace.match.exchange_times import (
    NOT_MODIFIED,
    may_be_answer,
    may_be_answer_each,
    may_be_caused_each,
)
from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Confidence, Tier
from lbtrace.tables.columns import group_starts
from lbtrace.tables.connections import STAMPED_LATE_NS
from lbtrace.tables.packets import Column


def shared_values(
    state: Pairing, said: Sequence[Stated | None], values: rare_values.Candidates
) -> rare_values.Candidates:
    """Pair the exchanges that share values which are rare on both sides, and no others do. The
    candidates that are left are returned: of those, time must tell.
    """
    client, backend = state.client, state.backend
    values = values.where(_allowed(state, values.client, values.backend))
    matched = rare_values.match(values, client, backend)
    bodies = repeats.telling_bodies(state, matched)
    copies = fan_out.find(state, matched, said)
    first = (matched.client, matched.first)
    rewritten = fingerprint.rewritten(state, *first)
    answers = may_be_answer_each(client, backend, *first)
    doubts = fingerprint.may_conflict(state, *first, rewritten)
    answered = _answered_elsewhere(state, values, matched.client[~answers])
    one_by_one = _OneByOne(state, said, bodies, copies, answered, rewritten)
    plain = answers & ~doubts & ~matched.several
    for begin, end in pairwise([*group_starts(plain).tolist(), len(matched)]):
        if plain[begin]:
            _add_plain(state, matched, slice(begin, end))
            continue
        for row in range(begin, end):
            one_by_one.pair(matched.found(row), bool(answers[row]), bool(doubts[row]))
    return _open(state, values, rewritten)


@dataclass(slots=True)
class _OneByOne:
    """What matches are weighed by of which an answer, another field or a second backend exchange
    makes one doubtful.
    """

    state: Pairing
    said: Sequence[Stated | None]
    bodies: bool  # the body says which request it is
    copies: dict[int, list[int]]
    answered: set[int]  # client exchanges whose answer another backend exchange gave
    rewritten: set[str]

    def pair(self, found: rare_values.Found, answer_fits: bool, doubt: bool) -> None:
        """Enter a match, if nothing speaks against it."""
        state = self.state
        backends = found.backends
        fitting = (
            (backends if answer_fits else []) if len(backends) == 1 else _fitting(state, found)
        )
        if not fitting and not self._may_be_unanswered(found):
            return
        # Several share it: tries of one request, when all but one failed; else a session's values,
        # and time must tell.
        if len(backends) > 1:
            sent = (
                _tries(state, found.client, fitting, backends)
                or self.copies.get(found.client)
                or repeats.repeated(state, found, self.said, self.bodies)
            )
            backends = sent if found.by_request else fitting
        if not backends or (len(backends) > 1 and not found.by_request):
            return
        doubt |= len(found.backends) > 1
        if (
            doubt
            and not found.strong
            and fingerprint.conflicts(state, found.client, backends[-1]) - self.rewritten
        ):
            return
        tier = Tier.RARE_TOKEN if found.by_value else Tier.SHAPE
        alone = (
            found.strong
            or found.client not in self.copies
            or fan_out.of_one_id(state, found.client, backends)
        )
        confidence = Confidence.HIGH if fitting and alone else Confidence.MEDIUM
        if len(backends) > 1:
            backends = sorted(backends, key=lambda b: int(state.backend.start[b]))
        state.add(found.client, backends, tier, confidence, found.reasons)
        (state.strong if found.strong else state.weak).add(found.client)

    def _may_be_unanswered(self, found: rare_values.Found) -> bool:
        """Whether a match may hold though none of its answers is what the client got."""
        if found.client in self.answered:
            return False  # it may be a try that failed before the one that gave what the client got
        if found.by_value:
            return True
        answer = self.state.client.exchange(found.client).response
        return answer is not None and answer.status in attempts.OWN_ERRORS


def _add_plain(state: Pairing, matched: rare_values.Matches, rows: slice) -> None:
    """Enter matches with one backend exchange each, whose answer is the one that the client got and
    whose request nothing contradicts.
    """
    clients, strong = matched.client[rows], matched.strong[rows]
    tiers = [
        Tier.RARE_TOKEN if by_value else Tier.SHAPE for by_value in matched.by_value[rows].tolist()
    ]
    sure = [Confidence.HIGH] * len(clients)
    state.add_plain(clients.tolist(), matched.backends[rows], tiers, sure, matched.reasons[rows])
    state.strong.update(clients[strong].tolist())
    state.weak.update(clients[~strong].tolist())


def _answered_elsewhere(
    state: Pairing, values: rare_values.Candidates, doubtful: Column
) -> set[int]:
    """The client exchanges whose match gave another answer than they got (`doubtful`), and which
    share a value with a backend exchange that gave it.
    """
    doubted = np.zeros(len(state.client), bool)
    doubted[doubtful] = True
    of_doubted = doubted[values.client]
    c, b = values.client[of_doubted], values.backend[of_doubted]
    gave = may_be_answer_each(state.client, state.backend, c, b)
    there = state.backend.table.responses.there[b]
    return set(c[gave & there].tolist())


def _open(
    state: Pairing, values: rare_values.Candidates, rewritten: set[str]
) -> rare_values.Candidates:
    """The candidates whose exchanges are both without a partner, and do not contradict each
    other.
    """
    c, b = values.client, values.backend
    taken = np.zeros(len(state.client), bool)
    taken[state.flat()[0]] = True
    free = ~taken[c] & (state.owners[b] < 0)
    free &= values.tokens.header[values.token]  # the target says what the fingerprint says
    values = values.where(free)
    c, b = values.client, values.backend
    fine = may_be_answer_each(state.client, state.backend, c, b)
    doubts = fingerprint.may_conflict(state, c, b, rewritten) & fine
    for row in np.flatnonzero(doubts).tolist():
        fine[row] = not fingerprint.conflicts(state, int(c[row]), int(b[row])) - rewritten
    return values.where(fine)


def _allowed(state: Pairing, cs: Column, bs: Column) -> Column:
    """Pair by pair, whether nothing found before, and nothing a balancer cannot change, is against
    it.
    """
    client, backend = state.client, state.backend
    taken = np.zeros(len(client), bool)
    taken[state.flat()[0]] = True
    owned = state.owners >= 0
    # A cache that says it kept the answer asked nobody, or nobody that answered (RFC 9111 §4.2.4: a
    # stale answer when the backend fails), or whether its copy still holds (§4.3).
    kept = (
        client.cached[cs]
        & ~backend.cached[bs]
        & ~backend.silent[bs]
        & (backend.table.responses.start[bs] != NOT_MODIFIED)
    )
    # a request that came after its server's only answer was answered to nobody
    late = backend.too_late[bs] & client.table.responses.there[cs]
    fine: Column = ~taken[cs] & ~owned[bs] & ~kept & ~late
    fine &= may_be_caused_each(client, backend, cs, bs)
    if state.pinned:
        named = np.full(len(backend), -1, np.int64)
        for b, ref in state.pinned.items():
            named[b] = client.table.first_connection[ref.point] + ref.id
        fine &= (named[bs] < 0) | (named[bs] == client.connection[cs])
    return fine


def _fitting(state: Pairing, found: rare_values.Found) -> list[int]:
    """The backend exchanges of a match whose answer may be the one the client got."""
    return [
        b
        for b in found.backends
        if may_be_answer(state.client.exchange(found.client), state.backend.exchange(b))
    ]


def _tries(state: Pairing, client: int, fitting: list[int], backends: list[int]) -> list[int]:
    """The backend exchanges that are tries of one request, one answered at most; none when they do
    not look like that. A try that began longer before the last answer than the client waited in all
    belongs to another request.
    """
    backend = state.backend
    answered = [
        b for b in fitting if backend.exchange(b).response is not None and not backend.silent[b]
    ]
    failed = [b for b in backends if b not in answered]
    if len(answered) > 1 or not all(attempts.failed(backend, b) for b in failed):
        return []
    last = answered[0] if answered else max(failed, key=lambda b: int(backend.start[b]))
    before = [b for b in failed if b != last and backend.point[b] == backend.point[last]]
    waited = int(state.client.reply[client]) - int(state.client.start[client]) + STAMPED_LATE_NS
    older = [b for b in before if int(backend.reply[last]) - int(backend.start[b]) > waited]
    if older:
        return _tries(state, client, fitting, [b for b in backends if b not in older])
    return backends if all(int(backend.end[b]) <= int(backend.start[last]) for b in before) else []
