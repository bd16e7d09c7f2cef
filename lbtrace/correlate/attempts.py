"""Backend exchanges that belong to a client exchange beside the one it was answered from: retries,
hedges, copies.

A retry has the same request, came before, lies inside the same client exchange and failed: reset,
closed, timed out, or answered with 5xx. A backend exchange that was answered whole while the client
got another's answer is a lost hedge, a mirror, or a request that was sent twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise

from lbtrace.correlate.classes import Timeline
from lbtrace.correlate.facts import FAR, Facts, may_be_answer, may_be_caused
from lbtrace.correlate.pairing import UNTOLD, Pairing
from lbtrace.correlate.shape import Kept, TargetForm, request_keys
from lbtrace.model.http import Mark, Response
from lbtrace.model.pairing import AttemptOutcome, Clue, Confidence, Reason, Tier
from lbtrace.tables.packets import Column

_CAPTURE = {Mark.LOST, Mark.BODY_TRUNCATED, Mark.HEAD_TRUNCATED}
_ANY_ANSWER = {
    "server",
    "date",
    "connection",
    "content-type",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "via",
    "age",
}
MOST_UNDER_WAY = (
    256  # of one shape: one of more is not found by elimination, and looking would take the square
)
OWN_ERRORS = {500, 502, 503, 504}


def attach(
    state: Pairing, form: TargetForm, kept: Kept | None, line: Timeline
) -> list[tuple[int, int]]:
    """Give every free backend exchange that only one client exchange can have caused to it; those
    that others of its attempts were known of are returned.
    """
    if not line.known:
        return []
    free = [b for b in state.free_backends() if b not in state.left_over]
    if not free:
        return []
    wanted: dict[Hashable, list[int]] = defaultdict(list)
    for b, key in zip(free, request_keys(state.backend, free, form, kept), strict=True):
        if key is not None:
            wanted[key].append(b)
    everyone = range(len(state.client))
    askers: dict[Hashable, list[int]] = defaultdict(list)
    for c, key in zip(everyone, request_keys(state.client, everyone, form, kept), strict=True):
        if key in wanted:
            askers[key].append(c)
    more: list[tuple[int, int]] = []
    for key, backends in wanted.items():
        more += _attach_class(
            state,
            sorted(askers[key], key=line.a.__getitem__),
            sorted(backends, key=line.x.__getitem__),
            line,
        )
    return more


def detach(state: Pairing, more: Sequence[tuple[int, int]]) -> None:
    """Take attempts back that may be another client's."""
    for c, b in more:
        state.caused[c].remove(b)
        state.owner[b] = -1


def _attach_class(
    state: Pairing, clients: list[int], backends: list[int], line: Timeline
) -> list[tuple[int, int]]:
    more: list[tuple[int, int]] = []
    at = 0
    waiting: list[int] = []
    for b in backends:
        while at < len(clients) and line.a[clients[at]] <= line.x[b]:
            waiting.append(clients[at])
            at += 1
        waiting = [c for c in waiting if line.p[c] >= line.z[b]]
        if len(waiting) > MOST_UNDER_WAY:
            continue
        around = [
            c
            for c in waiting
            if line.began_inside(c, b)
            and may_be_caused(state.client.exchange(c), state.backend.exchange(b))
        ]
        # Several requests of this shape were under way: a failed try may belong to any that is not
        # known to have another's; what was answered may be a copy that any of them has beside its
        # own.
        if len(around) > 1 and failed(state.backend, b):
            around = [
                c
                for c in around
                if c in state.group or c not in state.caused or _could_retry(state, c, b, line)
            ]
        if (
            len(around) != 1
            or around[0] in state.group
            or not _could_retry(state, around[0], b, line)
        ):
            continue
        c = around[0]
        if c in state.caused:
            state.attach(c, b)
            more.append((c, b))
        else:
            state.add(
                c,
                [b],
                Tier.TIME,
                Confidence.MEDIUM,
                (Reason(Clue.ONLY_ONE_INSIDE), Reason(Clue.SAME_REQUEST_UNANSWERED)),
            )
            state.spare[c] = (True, False)  # known only where every client was captured
    return more


def _could_retry(state: Pairing, c: int, b: int, line: Timeline) -> bool:
    """Whether backend exchange b can be an attempt for c beside those it has: it failed, and ended
    before the next one began.
    """
    backend = state.backend
    connection, mine = state.client.connection_ref(c), state.client.exchange(c)
    if (
        state.pinned.get(b, connection) != connection
        or backend.unknown[b]
        or not may_be_caused(mine, backend.exchange(b))
    ):
        return False
    answer = mine.response
    late = (
        line.known and line.y[b] > line.p[c]
    )  # it answered after the client had an answer: the balancer gave up on it
    if not failed(backend, b) and not (late and answer is not None and answer.status in OWN_ERRORS):
        return False
    if c not in state.caused:
        return answer is not None and answer.status in OWN_ERRORS
    return all(_one_after_another(backend, o, b, line) for o in state.caused[c])


def _in_turn(state: Pairing, numbers: Sequence[int], line: Timeline) -> bool:
    """Whether each of these, in order of time, can have begun when the one before had failed: they
    are tries, not copies beside each other.
    """
    timed = len({int(state.backend.point[b]) for b in numbers}) == 1 or all(
        line.x[b] < FAR for b in numbers
    )
    return timed and all(
        _one_after_another(state.backend, one, other, line) for one, other in pairwise(numbers)
    )


def _one_after_another(backend: Facts, one: int, other: int, line: Timeline) -> bool:
    """Whether the earlier of two exchanges failed and had ended (of two captures: can have ended)
    when the later began. Without a clock any of them may be the earlier one.
    """
    if backend.point[one] == backend.point[other]:
        first, second = sorted((one, other), key=lambda b: int(backend.start[b]))
        return failed(backend, first) and int(backend.end[first]) <= int(backend.start[second])
    first, second = sorted((one, other), key=line.x.__getitem__)
    if line.x[second] >= FAR:
        return failed(backend, first) or failed(backend, second)
    return failed(backend, first) and line.y[first] <= line.x[second]


def failed(backend: Facts, b: int) -> bool:
    """Whether a balancer may have tried again after this: no answer came, or a server error."""
    answer = backend.exchange(b).response
    return bool(backend.silent[b]) or (answer is not None and answer.status >= 500)


def fitting(state: Pairing, client: int, line: Timeline) -> list[int]:
    """The backend exchanges whose answer may be the one the client got, in order of time."""
    numbers, mine, backend = (
        _in_order(state, client, line),
        state.client.exchange(client),
        state.backend,
    )
    may = [b for b in numbers if _in_time(state, client, b, line)]
    may = [
        b
        for b in may
        if backend.exchange(b).response is not None and may_be_answer(mine, backend.exchange(b))
    ]
    return (
        [b for b in may if b not in state.copied] or may
        if state.copied and not _in_turn(state, numbers, line)
        else may
    )


def _in_order(state: Pairing, client: int, line: Timeline) -> list[int]:
    begun: Sequence[int] | Column = line.x if line.known else state.backend.start
    return sorted(state.caused[client], key=begun.__getitem__)


def _in_time(state: Pairing, client: int, b: int, line: Timeline) -> bool:
    return (
        not line.known
        or bool(line.y[b] <= line.p[client])
        or state.tier[client] is Tier.SAME_PACKETS
    )


def outcomes(state: Pairing, client: int, line: Timeline) -> list[tuple[int, AttemptOutcome]]:
    """The attempts of a client exchange in order of time, the answered one last, or those of which
    one was; and how each ended.
    """
    backend = state.backend
    numbers = _in_order(state, client, line)
    mine = state.client.exchange(client)
    in_time = [b for b in numbers if _in_time(state, client, b, line)]
    may = fitting(state, client, line)
    if (
        not may
        and mine.response is not None
        and in_time == numbers
        and len(numbers) == 1
        and _rewritten(mine.response, backend.exchange(numbers[0]).response)
    ):
        may = numbers
    either = may if state.answered.get(client) == UNTOLD else []
    answered = (
        state.answered.get(client, may[-1])
        if may and not either and mine.response is not None
        else None
    )
    last = either if answered is None else [answered]
    left = len(last) < len(numbers) and _left(state, client)
    return [
        (
            b,
            AttemptOutcome.EITHER
            if b in either
            else _outcome(backend, b, b == answered, left, b in in_time, bool(last)),
        )
        for b in [b for b in numbers if b not in last] + last
    ]


def _rewritten(got: Response, gave: Response | None) -> bool:
    """The client got another answer than the backend gave, yet made from it: another status, or
    another body with most of the backend's fields. Of a server error the fields that any answer has
    do not count: the balancer's own page in its place has them too.
    """
    if gave is None or got.status != gave.status:
        return gave is not None and got.status < 500
    plain = _ANY_ANSWER if got.status >= 500 else _ANY_ANSWER - {"server", "content-type"}
    said = {
        (line.name.lower(), line.value) for line in gave.lines if line.name.lower() not in plain
    }
    arrived = said & {(line.name.lower(), line.value) for line in got.lines}
    return 2 * len(arrived) >= len(said) > 0


def _left(state: Pairing, client: int) -> bool:
    """Whether the client got no answer, or had closed its connection before it: whatever ended then
    was not ended by a time limit.
    """
    got, held = (
        state.client.exchange(client).response,
        state.client.connection_of(client).from_client,
    )
    return got is None or any(
        at is not None and at < got.first_ns for at in (held.fin_ns, held.rst_ns)
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
    held = backend.connection_of(number)
    ours = min(
        (t for t in (held.from_client.fin_ns, held.from_client.rst_ns) if t is not None),
        default=None,
    )
    if (
        not in_time
        and not client_left
        and not (others and e.response is not None and (ours is None or ours > e.response.last_ns))
    ):
        return AttemptOutcome.TIMEOUT
    if e.response is not None and Mark.RESET not in e.marks and Mark.CLOSED not in e.marks:
        return AttemptOutcome.SUPERSEDED
    theirs = min(
        (t for t in (held.from_server.fin_ns, held.from_server.rst_ns) if t is not None),
        default=None,
    )
    if (
        e.response is None
        and ours is not None
        and (theirs is None or ours < theirs)
        and not client_left
        and not _CAPTURE.intersection(e.marks)
    ):
        return AttemptOutcome.TIMEOUT
    if Mark.RESET in e.marks:
        return AttemptOutcome.RESET
    if Mark.CLOSED in e.marks:
        return AttemptOutcome.CLOSED
    return AttemptOutcome.UNKNOWN
