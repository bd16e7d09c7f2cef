"""The pairs as they ended → what is reported of them: per pair its attempts in order of time, and
how each of them ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import numpy as np

from lbtrace.http_fields import HOP, SERVER, Meaning, fields_of
from lbtrace.match.attempts import fitting, in_order, in_time
from lbtrace.match.exchange_times import FAR, Facts, may_be_answer_each
from lbtrace.match.pairing import UNTOLD, Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.model.http import RETRIED, Exchange, Mark, Response
from lbtrace.model.pairing import AttemptOutcome, Tier
from lbtrace.model.stream import Connection
from lbtrace.tables.columns import Column, parts_of, running
from lbtrace.tables.connections import STAMPED_LATE_NS
from lbtrace.tables.pairs import ANSWERED, NONE, OUTCOMES, PairTable
from lbtrace.tables.words import joint, numbering, numbers

_CAPTURE = {Mark.LOST, Mark.BODY_TRUNCATED, Mark.HEAD_TRUNCATED}


_ANY_ANSWER = fields_of(HOP, Meaning.CONTENT) | {SERVER}


WAY_NS = 1_000_000_000  # longer than any way between two captures takes
FEW = 3  # requests: fewer show no mirror
_USED = [OUTCOMES.index(o) for o in (AttemptOutcome.ANSWERED, AttemptOutcome.EITHER)]


def pairs(state: Pairing, line: Timeline, answered: Mapping[int, int]) -> PairTable:
    """Every client exchange that has backend exchanges, in order. `answered`: of several attempts
    that may be it, the one whose answer the client got, or UNTOLD.
    """
    client, backend = state.client, state.backend
    clients, attempts, flat = state.flat()
    by_client = np.argsort(clients)
    mine, sizes = clients[by_client], attempts[by_client]
    theirs = parts_of(flat, running(attempts)[by_client], sizes)
    order: list[int] = mine.tolist()
    tiers, first = state.tiers()[by_client], running(sizes)
    outcome = np.full(len(theirs), ANSWERED, np.uint8)
    plain = _answered_at_once(state, mine, sizes == 1, theirs[first[:-1]], tiers, line)
    for at in np.flatnonzero(~plain).tolist():
        told = outcomes(state, order[at], line, answered)
        here = slice(first[at], first[at + 1])
        theirs[here] = [b for b, _ in told]
        outcome[here] = [OUTCOMES.index(ending) for _, ending in told]
    known, sure = numbering(), map(state.confidence.__getitem__, order)
    outcome[_copies(state, line, sizes, theirs, outcome)] = OUTCOMES.index(AttemptOutcome.COPY)
    group = np.full(len(client), NONE, np.int64)
    group[list(state.group)] = list(state.group.values())
    return PairTable(
        client_point=client.point[mine],
        client=client.id[mine],
        tier=tiers.astype(np.uint8),
        confidence=np.fromiter(map(attrgetter("rank"), sure), np.uint8, len(mine)),
        group=group[mine],
        reason=numbers(known, map(state.reasons.__getitem__, order), len(mine)),
        first=first,
        backend_point=backend.point[theirs],
        backend=backend.id[theirs],
        outcome=outcome,
        reasons=list(known),
    )


def _copies(
    state: Pairing, line: Timeline, sizes: Column, backends: Column, outcome: Column
) -> Column:
    """Which attempts are mirrored traffic. `sizes`: the attempts of each pair.

    A server is a mirror when it answered requests, three at least, beside others whose answers the
    clients got, and no client is known to have got one of its answers. An answer of a status after
    which balancers try again may be the reason for a second attempt, so it shows no mirror, unless
    it came after the attempt that was used had begun.
    """
    none = np.zeros(len(backends), bool)
    pair = np.repeat(np.arange(len(sizes)), sizes)
    used = np.isin(outcome, _USED)
    beside = (np.bincount(pair[used], minlength=len(sizes)) > 0)[pair] & ~used
    if not beside.any():
        return none
    table = state.backend.table
    server = joint(table.servers[table.connection], table.point)
    ignored = beside & (outcome == OUTCOMES.index(AttemptOutcome.SUPERSEDED))
    ignored &= table.responses.there[backends]
    begun = np.full(len(sizes), -FAR)
    begun[pair[used]] = line.columns.backend_asked[backends[used]]
    too_late = line.columns.backend_answered[backends] > begun[pair]
    ignored &= ~np.isin(table.responses.start[backends], RETRIED) | (line.known & too_late)
    counts = np.bincount(server[backends[ignored]], minlength=int(server.max()) + 1)
    counts[server[backends[outcome == ANSWERED]]] = 0
    return beside & (counts >= FEW)[server[backends]]


def _answered_at_once(
    state: Pairing, c: Column, single: Column, b: Column, tiers: Column, line: Timeline
) -> Column:
    """Per client exchange and its first attempt, whether that is its only one, whose answer it got,
    in time: most are so.
    """
    client, backend = state.client, state.backend
    in_time = np.ones(len(c), bool)
    if line.known:
        same = tiers == Tier.SAME_PACKETS
        in_time = same | (line.columns.backend_answered[b] <= line.columns.client_answered[c])
    there = client.table.responses.there[c] & backend.table.responses.there[b]
    plain: Column = single & in_time & there & may_be_answer_each(client, backend, c, b)
    return plain


def outcomes(
    state: Pairing, client: int, line: Timeline, told: Mapping[int, int]
) -> list[tuple[int, AttemptOutcome]]:
    """The attempts of a client exchange in order of time, the answered one last, or those of which
    one was; and how each ended.
    """
    backend = state.backend
    numbers = in_order(state, client, line)
    mine = state.client.exchange(client)
    timely = [b for b in numbers if in_time(state, client, b, line)]
    may = fitting(state, client, line)
    if (
        not may
        and mine.response is not None
        and timely == numbers
        and len(numbers) == 1
        and client not in state.replaced
        and _rewritten(mine.response, backend.exchange(numbers[0]).response)
    ):
        may = numbers
    either = may if told.get(client) == UNTOLD else []
    answered = (
        told.get(client, may[-1]) if may and not either and mine.response is not None else None
    )
    last = either if answered is None else [answered]
    left = len(last) < len(numbers) and _left(state, client)
    return [
        (
            b,
            AttemptOutcome.EITHER
            if b in either
            else AttemptOutcome.NOT_ARRIVED
            if _vanished(state, client, b)
            else AttemptOutcome.UNKNOWN
            if mine.response is None and _CAPTURE.intersection(mine.marks)  # it may be the answer
            else _outcome(
                backend,
                b,
                b == answered,
                left,
                b in timely and not _outlasts(state, client, b),
                bool(last),
            ),
        )
        for b in [b for b in numbers if b not in last] + last
    ]


def _outlasts(state: Pairing, client: int, b: int) -> bool:
    """Whether a backend took longer to answer than the client waited, each by its own clock: the
    client was answered first.
    """
    mine, theirs = state.client.exchange(client), state.backend.exchange(b)
    if mine.request is None or mine.response is None:
        return False
    if theirs.request is None or theirs.response is None:
        return False
    if Mark.RETRANSMITTED in mine.request.marks:
        return False  # the first copy may not be in the capture
    took_ns = theirs.response.first_ns - theirs.request.first_ns
    return took_ns > mine.response.first_ns - mine.request.first_ns


def _rewritten(got: Response, gave: Response | None) -> bool:
    """The client got another answer than the backend gave, yet made from it: another status, or
    another body with most of the backend's fields. The fields that any answer has do not count
    where another answer may have taken its place: the balancer's own page for a server error, or
    that of a second try, perhaps at a backend that was not captured.
    """
    if gave is None:
        return False
    other = got.status != gave.status
    if other and (got.status >= 500 or gave.status not in RETRIED):
        return got.status < 500
    plain = _ANY_ANSWER if other or got.status >= 500 else fields_of(HOP)
    said = {
        (line.name.lower(), line.value) for line in gave.lines if line.name.lower() not in plain
    }
    arrived = said & {(line.name.lower(), line.value) for line in got.lines}
    return 2 * len(arrived) >= len(said) > 0


def _vanished(state: Pairing, client: int, backend: int) -> bool:
    """Whether a response was lost on its way: packets are passed on, so that nobody in between
    could keep it back, and the capture in front ran on and shows nothing of it.
    """
    mine, theirs = state.client.exchange(client), state.backend.exchange(backend)
    if (
        state.tier[client] is not Tier.SAME_PACKETS
        or mine.response is not None
        or _CAPTURE.intersection(mine.marks)
        or not (mine.request and theirs.request and theirs.response)
    ):
        return False
    took = theirs.response.first_ns - theirs.request.first_ns
    return state.client.trace_of(client).last_ns - mine.request.first_ns > took + WAY_NS


def _left(state: Pairing, client: int) -> bool:
    """Whether the client got no answer, or had closed its connection before it: whatever ended then
    was not ended by a time limit.
    """
    got, held = (
        state.client.exchange(client).response,
        state.client.connection_of(client).from_client,
    )
    return got is None or (held.ended is not None and held.ended[0] < got.first_ns)


def _half_sent(e: Exchange, connection: Connection) -> bool:
    """Whether a request was not answered, and the balancer ended the connection in the middle of
    it: all that it sent is in the capture, and the backend had not ended it.
    """
    ours, theirs = connection.from_client, connection.from_server
    return (
        e.response is None
        and e.request is not None
        and not e.request.body.complete
        and not ours.missing
        and not ours.truncated
        and ours.ended is not None
        and (theirs.ended is None or ours.ended[0] < theirs.ended[0])
    )


def _outcome(
    backend: Facts, number: int, answered: bool, client_left: bool, in_time: bool, others: bool
) -> AttemptOutcome:
    """How an attempt ended. `others`: the client got the answer of another one; then the balancer
    may have let this one go on.
    """
    e = backend.exchange(number)
    if answered:
        return AttemptOutcome.ANSWERED
    if e.response is None and _CAPTURE.intersection(e.marks):
        return AttemptOutcome.UNKNOWN  # it may be the answer
    held = backend.connection_of(number)
    ours, theirs = held.from_client.ended, held.from_server.ended
    if _half_sent(e, held):
        return AttemptOutcome.CLOSED  # by the balancer, which waited for nothing
    if (
        not in_time
        and not client_left
        and not (
            others
            and e.response is not None
            and (ours is None or ours[0] + STAMPED_LATE_NS > e.response.first_ns)
        )
    ):
        return AttemptOutcome.TIMEOUT
    if e.response is not None and Mark.RESET not in e.marks and Mark.CLOSED not in e.marks:
        return AttemptOutcome.SUPERSEDED
    if (
        e.response is None
        and ours is not None
        and (theirs is None or ours[0] < theirs[0])
        and not held.from_client.answers_fin
        and not client_left
    ):
        # a FIN that came before or after; one that the clock and the file put in different places
        unseen = theirs is None and Mark.CLOSED in e.marks
        unsure = theirs is not None and theirs[1] < ours[1]
        return AttemptOutcome.UNKNOWN if unseen or unsure else AttemptOutcome.TIMEOUT
    if Mark.RESET in e.marks:
        return AttemptOutcome.RESET
    if Mark.CLOSED in e.marks:
        return AttemptOutcome.CLOSED
    return AttemptOutcome.UNKNOWN
