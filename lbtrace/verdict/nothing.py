"""No pairs: unrelated captures, or not enough captured to tell. What was looked for is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lbtrace.case import RANK, Case, Match, plural
from lbtrace.model.http import Protocol
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, Confidence, ConnectionBasis, Ref, Tier, UnpairedReason
from lbtrace.model.report import Kind
from lbtrace.model.trace import Trace

LOOKED_FOR = (
    "equal sequence numbers, stated client addresses, shared rare values in heads and bodies, "
    "equal requests and responses, and nesting in time"
)


ENOUGH_PAIRS = 3  # of MEDIUM confidence; fewer may be chance
ENOUGH_TELLING = 2  # with the same target of some length and the same body
TELLING_TARGET = 4  # bytes
CONTRADICTING_PERCENT = 40  # of the pairs between two points; a client that left early, say, accounts for some
ENOUGH_PERCENT = 10  # of the requests of the smaller side
SHOWN_BY = (ConnectionBasis.SAME_PACKETS, ConnectionBasis.STATED_ADDRESS, ConnectionBasis.TLS_CLIENT_HELLO, ConnectionBasis.SAME_BYTES)


def belong_together(case: Case) -> bool:
    """Whether the pairs show that both captures are of the same traffic, or may be a few likenesses between unrelated ones.

    Shown by connections that are paired by more than their exchanges, by a clock that several pairs agree on, or by enough
    pairs that more than shape supports, as a share of what could have been paired."""
    if any(c.pair.basis in SHOWN_BY for c in case.connection_matches) or any(m.pair.tier <= Tier.STATED_ADDRESS for m in case.matches):
        return True
    if any(_contradicted(clock) for clock in case.correlation.clocks):
        return False
    paired = len(case.matches)
    possible = min(
        len({m.pair.client for m in case.matches} | unpaired(case, "client")),
        len({m.backend for m in case.matches} | unpaired(case, "backend")),
    )
    if paired * 100 < ENOUGH_PERCENT * possible:
        return False
    telling = sum(map(is_telling, case.matches))
    if telling >= ENOUGH_TELLING and 2 * telling >= possible:
        return True
    clocked = any(not clock.refused and clock.pairs >= ENOUGH_PAIRS for clock in case.correlation.clocks)
    # time proves nothing here: with the clocks free, one exchange fits inside any other that is longer
    supported = sum(
        m.pair.tier <= Tier.RARE_TOKEN and (RANK[m.pair.confidence] >= RANK[Confidence.HIGH] or is_telling(m)) for m in case.matches
    )
    tokens = sum(m.pair.tier <= Tier.RARE_TOKEN for m in case.matches)
    if tokens >= ENOUGH_TELLING and 2 * tokens >= possible:
        return True
    return clocked or supported >= min(ENOUGH_PAIRS, possible) or (not case.matches and bool(case.connection_matches))


def _contradicted(clock: Clock) -> bool:
    """Whether so many pairs contradict each other's times that there is no clock: one script that ran twice looks like that. A clock that
    was set explains all of them."""
    many = clock.pairs >= ENOUGH_PAIRS and 100 * clock.outliers >= CONTRADICTING_PERCENT * clock.pairs
    return bool(clock.refused) and many and "was set" not in clock.refused


def taken_on_balancer(case: Case) -> str:
    """Why a backend capture that holds the client's own connections was taken on the balancer, "" when nothing says so.

    Then it also holds connections to other servers with the same requests: what the balancer made of them.
    """
    own = {
        Ref(c.pair.backend.point, c.back.id)
        for c in case.connection_matches
        if (c.front.client, c.front.server) == (c.back.client, c.back.server)
    }
    servers = {case.connection(Side.BACKEND, ref).server for ref in own}
    asked: set[str] = set()
    onward: set[str] = set()
    targets: set[str] = set()
    for point, trace in enumerate(case.backends):
        for e in trace.exchanges:
            if e.request is None:
                continue
            ref, server = Ref(point, e.connection), trace.connections[e.connection].server
            if ref in own:
                asked.add(e.request.target.rpartition("/")[2])
            elif server not in servers and ref not in case.check_connections:
                onward.add(e.request.target.rpartition("/")[2])
                targets.add(str(server))
    if not own or not asked & onward:
        return ""
    return (
        "The backend capture holds the client's own connections, and the same requests on connections to "
        f"{', '.join(sorted(targets)[:3])}: it seems to have been taken on the balancer, not behind it."
    )


def mostly_elsewhere(case: Case) -> str:
    """Why connections that reach the backend unchanged say little, "" when they do not: most requests went to other servers, and may
    have gone through a balancer there."""
    straight = {c.front.server for c in case.connection_matches}
    to = [trace.connections[e.connection].server in straight for trace in case.clients for e in trace.exchanges if e.request is not None]
    others = len(to) - sum(to)
    if 2 * others <= len(to):
        return ""
    return f"Some connections reach the backend unchanged, but {others} of {len(to)} requests went to other servers: perhaps a balancer."


def is_telling(match: Match) -> bool:
    """True when request and response say more than any request for "/" would: a target of some length, kept at its end, and the
    same body."""
    request, other, response, answer = match.front.request, match.back.request, match.front.response, match.back.response
    if request is None or other is None or response is None or answer is None or request.method != other.method:
        return False
    last, body = request.target.rpartition("/")[2] or request.target, response.body
    same = body.digest is not None and body.length > 0 and body.digest == answer.body.digest
    return same and len(request.target) >= TELLING_TARGET and other.target.endswith(last)


def as_a_set(case: Case) -> Case:
    """Pairs of LOW confidence, when nine of ten client exchanges have one and request and response are the same on both sides,
    testify as one set.

    Nothing is known of who is whose, but much of all of them: the result holds them as MEDIUM and interchangeable. Otherwise it
    holds no pair."""
    matches = [*case.matches, *case.weak_matches]
    telling = [m for m in matches if is_telling(m)]
    agreeing = [m for m in matches if _agrees(m)]
    fronts = len({m.pair.client for m in matches} | (unpaired(case, "client") - _own_answers(case)))
    possible = not any(_contradicted(clock) for clock in case.correlation.clocks)
    enough = possible and len(telling) >= ENOUGH_PAIRS and 2 * len(telling) >= len(agreeing) and 10 * len(agreeing) >= 9 * fronts
    pairs = tuple(m.pair._replace(confidence=Confidence.MEDIUM, group=m.pair.group or 0) for m in agreeing) if enough else ()
    return Case(case.clients, case.backends, replace(case.correlation, pairs=pairs), case.tables)


def _agrees(match: Match) -> bool:
    """True when nothing in request and response speaks against the pair: the same method, end of the target, status and body, be it
    an empty one."""
    request, other, response, answer = match.front.request, match.back.request, match.front.response, match.back.response
    if request is None or other is None or response is None or answer is None:
        return False
    last = request.target.rpartition("/")[2] or request.target
    same = (request.method, response.status, response.body.digest) == (other.method, answer.status, answer.body.digest)
    return same and other.target.endswith(last)


def _own_answers(case: Case) -> set[Ref]:
    """The client exchanges that the balancer is known to have answered: they have no partner to be found."""
    return {
        u.ref
        for u in case.correlation.unpaired
        if u.side == "client" and u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence is not Confidence.LOW
    }


def unpaired(case: Case, side: str) -> set[Ref]:
    """The exchanges of a side that could have had a partner."""
    without = (UnpairedReason.HEALTH_CHECK, UnpairedReason.OUTSIDE_OTHER_CAPTURE)
    return {u.ref for u in case.correlation.unpaired if u.side == side and u.reason not in without}


def without_pairs(case: Case) -> tuple[Kind, Confidence, str]:
    """(UNRELATED or INCONCLUSIVE, confidence, the reason)."""
    fronts = sum(len(t.connections) for t in case.clients)
    backs = sum(len(t.connections) for t in case.backends)
    for count, name in ((fronts, "client"), (backs, "backend")):
        if not count:
            return Kind.INCONCLUSIVE, Confidence.LOW, f"The {name} capture holds no TCP connection."
    reasons = {u.reason for u in case.correlation.unpaired if u.reason is not UnpairedReason.HEALTH_CHECK}
    front_requests = sum(e.request is not None for t in case.clients for e in t.exchanges)
    back_requests = sum(e.request is not None for t in case.backends for e in t.exchanges) - len(case.check_exchanges)
    if reasons and reasons <= {UnpairedReason.OUTSIDE_OTHER_CAPTURE}:
        return Kind.INCONCLUSIVE, Confidence.LOW, "The two captures do not overlap in time, so no exchange can be on both."
    if not front_requests:
        return Kind.INCONCLUSIVE, Confidence.LOW, _silent(case, front=True)
    if not back_requests:
        checks = ", only health checks" if case.check_exchanges else ""
        return (
            Kind.INCONCLUSIVE,
            Confidence.LOW,
            f"The backend capture holds no request of a client{checks}. {_silent(case, front=False)}".rstrip(),
        )
    numbers = f"No client request (of {front_requests}) could be paired with a backend request (of {back_requests})"
    alike = _alike(case)
    cut = any(trace.packets.truncated for trace in (*case.clients, *case.backends))
    if cut:
        return Kind.INCONCLUSIVE, Confidence.LOW, f"{numbers}; packets were cut by the snapshot length, so too little of them is known."
    if case.correlation.pairs:
        numbers = f"Nothing tells which of {back_requests} backend requests belong to which of {front_requests} client requests"
    if alike or case.correlation.pairs:
        return Kind.INCONCLUSIVE, Confidence.LOW, f"{numbers}, though both sides have requests like {alike or 'some of them'}."
    if min(front_requests, back_requests) < ENOUGH_PAIRS:
        few = "that is too few to tell: a balancer answers some requests itself, and sends some of its own"
        return Kind.INCONCLUSIVE, Confidence.LOW, f"{numbers}; {few}."
    if any(e.request is None for trace in (*case.clients, *case.backends) for e in trace.exchanges):
        return Kind.INCONCLUSIVE, Confidence.LOW, f"{numbers}; but a capture lacks requests that were answered in it."
    encrypted = _encrypted(case.clients) or _encrypted(case.backends)
    if encrypted:
        number = f"{encrypted} {plural(encrypted, 'connection')}"
        hidden = f"TLS hides what {number} of a side carried, and that may be what the other side shows"
        return Kind.INCONCLUSIVE, Confidence.LOW, f"{numbers}; but {hidden}."
    return (
        Kind.UNRELATED,
        Confidence.MEDIUM,
        f"{numbers}, and no target (but perhaps /) or body is on both sides. Looked for: {LOOKED_FOR}.",
    )


def _alike(case: Case) -> str:
    """A request that may be on both sides, "" when there is none.

    Either a body is on both sides, or the last two parts of a path (a prefix may have been rewritten, a query reordered), or the whole of a
    target (a balancer may have written into the responses), or method and last part agree and the content of the responses does not speak
    against it.
    """
    front, back = _contents(case.clients), _contents(case.backends)
    bodies = {d for digests in front.values() for d in digests} & {d for digests in back.values() for d in digests} - {""}
    for key in sorted(front):
        if front[key] & bodies:
            return f"{key[0]} …/{key[1]}"
    ends = _long_ends(case.clients) & _long_ends(case.backends)
    if ends:
        return f"…/{min(ends)}"
    whole = _targets(case.clients) & _targets(case.backends)
    if whole:
        return " ".join(min(whole))
    for key in sorted(front.keys() & back.keys()):
        if "" in front[key] or "" in back[key]:
            return f"{key[0]} …/{key[1]}"
    return ""


def _long_ends(traces: Sequence[Trace]) -> set[str]:
    """The last two parts of the paths that have two: long enough not to be alike by chance, whatever the content."""
    paths = (e.request.target.partition("?")[0] for t in traces for e in t.exchanges if e.request is not None)
    ends = ("/".join(path.split("/")[-2:]) for path in paths if path.count("/") > 1)
    return {end for end in ends if len(end) >= TELLING_TARGET}


def _targets(traces: Sequence[Trace]) -> set[tuple[str, str]]:
    """Methods with the targets they were sent with, bare "/" left out: anybody asks for that."""
    return {(e.request.method, e.request.target) for t in traces for e in t.exchanges if e.request is not None and e.request.target != "/"}


def _contents(traces: Sequence[Trace]) -> dict[tuple[str, str], set[str]]:
    """(method, last part of the path) → digests of the responses' content, "" for one that is not known."""
    found: dict[tuple[str, str], set[str]] = {}
    for trace in traces:
        for e in trace.exchanges:
            if e.request is None:
                continue
            body = e.response.body if e.response is not None else None
            digest = (body.content_digest or body.digest or "") if body is not None and body.length else ""
            last = e.request.target.partition("?")[0].rpartition("/")[2]
            found.setdefault((e.request.method, last), set()).add(digest)
    return found


def _encrypted(traces: Sequence[Trace]) -> int:
    return sum(a.protocol is Protocol.TLS for t in traces for a in t.applications)


def _silent(case: Case, front: bool) -> str:
    traces = case.clients if front else case.backends
    encrypted = _encrypted(traces)
    if encrypted:
        side = "client" if front else "backend"
        number = f"{encrypted} {plural(encrypted, 'connection')}"
        return f"TLS hides the exchanges of {number} on the {side} side; no connection corresponds either."
    return f"No HTTP request was found in the client capture. Looked for: {LOOKED_FOR}." if front else ""
