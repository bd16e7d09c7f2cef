"""A request that reached backends more than once and was answered more than once → the backend
exchanges that are one client's.

A hedge, a mirror, a retry whose first answer came too late: the same method, target and body, and
values that no other exchange of either side has, within the time the client exchange took. That
needs no clock: distances between backend exchanges of one capture point are the same on any clock.
Two clients that send the same rare values at once would look alike, so the value must look drawn at
random, or be a body where each request has another and the client captures lack nothing; and the
balancer must not state two different clients.

A balancer that gives each request an id of its own gives the copy the same one: backend exchanges
that share a value drawn at random, and method, target and body, are one request, whatever else the
balancer wrote into the copy. Credentials and cookies are a session's values.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from lbtrace.http_fields.secrets import is_secret
from lbtrace.match.completeness import lossless
from lbtrace.match.connections import Stated
from lbtrace.match.drawn import drawn
from lbtrace.match.exchange_times import FAR, body_key, body_keys, body_sizes, may_be_answer
from lbtrace.match.pairing import Pairing
from lbtrace.match.rare_values import Found, Matches
from lbtrace.match.timeline import Timeline
from lbtrace.model.pairing import Clue, Confidence, Reason, Tier
from lbtrace.tables.columns import distinct


def telling_bodies(state: Pairing, matched: Matches) -> bool:
    """Whether the body says which request it is: three at least, all different, and few of the
    matches are with several backend exchanges (two clients that follow one script send everything
    twice).
    """
    requests = state.client.table.requests
    bodies = body_keys(requests)[requests.there & (body_sizes(requests) > 0)]
    several = int(matched.several.sum())
    return len(distinct(bodies)) == len(bodies) >= 3 and several * 3 <= len(matched)


def repeated(
    state: Pairing, found: Found, said: Sequence[Stated | None], bodies_tell: bool
) -> list[int]:
    """The backend exchanges of a match when they are one request sent several times; none when they
    need not be.
    """
    if not found.strong and not (bodies_tell and found.reasons[0].clue is Clue.REQUEST_BODY):
        return []
    client, backend = state.client, state.backend
    c, numbers = found.client, found.backends
    answered = [
        b
        for b in numbers
        if backend.exchange(b).response is not None
        and may_be_answer(client.exchange(c), backend.exchange(b))
    ]
    if (
        not (found.by_request and found.by_value and answered)
        or client.exchange(c).response is None
        or not client.solid_reply[c]
    ):
        return []
    requests = [backend.exchange(b).request for b in numbers]
    shapes = {
        (q.method, q.target, body_key(q.body))
        for q in requests
        if q is not None and body_key(q.body) is not None
    }
    askers = {told.address if (told := said[b]) is not None else "" for b in numbers}
    if (
        None in requests
        or len(shapes) != 1
        or len(askers) != 1
        or not (found.strong or lossless(client))
    ):
        return []
    took = int(client.reply[c]) - int(client.start[c])
    for point in {int(backend.point[b]) for b in numbers}:
        here = [b for b in numbers if backend.point[b] == point]
        first = min(int(backend.start[b]) for b in here)
        last = max(int(backend.start[b]) for b in here)
        reply = min((int(backend.reply[b]) for b in here if b in answered), default=last)
        if max(last, reply) - first > took:
            return []
    return numbers


def copies(state: Pairing, line: Timeline) -> None:
    """Attach every backend exchange without an owner that carries the same id as those of one
    client exchange, and the same request.

    An id is a field that has another value for each client exchange. Where no clock says that the
    copy began inside it, the id must be the balancer's own: what a client sends, it may send twice.
    """
    free = state.free_backends()
    if not free or not state.caused:
        return
    fresh = _fresh(state)
    ids = {b: _ids(state, b, fresh) for b in free}
    alone = Counter(state.group.values())
    wanted = {key for keys in ids.values() for key in keys}
    holders: dict[tuple[str, str], set[int]] = defaultdict(set)
    for c, bs in state.caused.items() if wanted else ():
        for key in {key for b in bs for key in _ids(state, b, fresh)} & wanted:
            holders[key].add(c)
    doubts = Counter(state.left_over.values())
    for b in free:
        owners = {c for key in ids[b] for c in holders[key]}
        if len(owners) != 1:
            continue
        c = next(iter(owners))
        q = state.client.exchange(c).request
        own = q is not None and {x.value for x in q.lines}.isdisjoint(value for _, value in ids[b])
        same = all(_shape(state, o) == _shape(state, b) for o in state.caused[c])
        if (
            same
            and alone[state.group.get(c, -1)] <= 1
            and line.began_inside(c, b)
            and (own or line.backend_asked[b] < FAR)
        ):
            state.attach(c, b)
            if state.tier[c] <= Tier.RARE_TOKEN:  # likeness or time may have found the copy first
                state.copied.add(b)
            _settle(state, c, b, doubts)


def _settle(state: Pairing, c: int, b: int, doubts: Counter[int]) -> None:
    """A client exchange that was in doubt between copies alone is in doubt no more. `doubts`: how
    many are left over, per group.
    """
    doubts[state.left_over.pop(b, -1)] -= 1
    group = state.group.get(c)
    if group is not None and doubts[group] <= 0:
        del state.group[c]
        state.spare[c] = (False, False)  # as sure as that nobody else was there
        reasons = (Reason(Clue.SAME_REQUEST), Reason(Clue.COPIES_SHARE_ID))
        state.retold(c, Tier.TIME, Confidence.MEDIUM, reasons)


def _fresh(state: Pairing) -> set[str]:
    """The request fields whose values, drawn at random, differ between all client exchanges, three
    of them at least.
    """
    values: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, int] = defaultdict(int)
    requests, words = state.backend.table.requests, state.backend.table.words
    for bs in state.caused.values():
        for x in requests.heads.lines(words, bs[-1]):
            if drawn(x.value) and not is_secret(x.name):
                values[x.name.lower()].add(x.value)
                seen[x.name.lower()] += 1
    return {name for name, held in values.items() if len(held) == seen[name] >= 3}


def _ids(state: Pairing, b: int, fresh: set[str]) -> list[tuple[str, str]]:
    lines = state.backend.table.requests.heads.lines(state.backend.table.words, b) if fresh else ()
    return [(x.name.lower(), x.value) for x in lines if x.name.lower() in fresh and drawn(x.value)]


def _shape(state: Pairing, b: int) -> tuple[str, str, str | None] | None:
    q = state.backend.exchange(b).request
    return (q.method, q.target, body_key(q.body)) if q is not None else None
