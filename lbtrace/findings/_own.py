"""Which responses the balancer made itself, as columns: what each is, and what happened behind the
balancer just before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np

from lbtrace.comparison import Comparison, Pairs, field_values, once
from lbtrace.findings._backend_events import (
    CHECKS,
    NO_CHECK,
    NO_EVENT,
    FailedHandshakes,
    LastChecks,
    attempt_events,
    attempt_frames,
    failing_checks,
)
from lbtrace.http_fields import AGE, LOCATION
from lbtrace.http_fields.caches import age_s, is_cache_hit, marks_cache
from lbtrace.http_fields.lines import lowered
from lbtrace.http_fields.quoting import short
from lbtrace.model import known_reasons
from lbtrace.model.http import MIN_ERROR, UNAUTHORIZED, Mark, Response
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, Ref, UnpairedReason
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.connections import LATER, NEVER
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

NOT_PASSED_ON = (
    AttemptOutcome.RESET,
    AttemptOutcome.CLOSED,
    AttemptOutcome.TIMEOUT,
    AttemptOutcome.SUPERSEDED,
)
MAX_REASON = 100  # characters: more is a page, not a reason
OVERFLOW = (
    "The balancer's own limit was reached: max_connections, max_pending_requests or max_requests "
    "of the cluster's circuit_breakers (Envoy). Raise it, or look at why requests take so long."
)
NONE_HEALTHY = (
    "The balancer has no server left that it takes for healthy: its health checks failed, or it "
    "ejected them after errors (Envoy: outlier_detection; /clusters says which)."
)
TOO_MANY = (
    "429 says that more requests came than are allowed in a time (RFC 6585 §4): send fewer, or "
    "raise the limit of the server that answered: limit_req (nginx), a stick table (HAProxy), a "
    "rate limit filter (Envoy)."
)
LIMITED = 429
LOGIN = (
    "401 asks for a login (RFC 9110 §15.5.2): look at whether these requests carry Authorization, "
    "whether it reaches the server that answers, and what WWW-Authenticate asks for. NTLM fails "
    "where a balancer spreads its steps over several connections."
)
OTHER_HOST = (
    "421 says that this server does not serve the host that was asked for (RFC 9110 §15.5.20): "
    "compare Host of these requests with the names that the server knows."
)
NO_SERVER = (
    "HAProxy says so when all its servers are down, when a request waited too long for one "
    "(timeout queue), or when no connection to one could be opened: its log tells which (sQ in the "
    "queue, SC at connecting; <NOSRV> without a server)."
)
TOO_LATE = (
    "HAProxy says so when a server had not answered within timeout server: find out why it takes "
    "so long, or raise that limit."
)
TOO_OLD = (
    "426 asks for another protocol (RFC 9110 §15.5.22). To requests in HTTP/1.0 Envoy and Istio "
    "say so: speak HTTP/1.1 to them (proxy_http_version 1.1 in nginx before 1.29.7), or set "
    "accept_http_10. Upgrade in the answer names what else is wanted."
)
SEVERAL_SERVERS = (
    "A session of Socket.IO or SignalR lives in the server that opened it, and all its requests "
    "must come there: keep a client with its backend (by a cookie, or by ip_hash in nginx and "
    "balance source in HAProxy), or let clients use WebSocket alone."
)
UPGRADE_REQUIRED = 426
MISDIRECTED = 421
UNAVAILABLE = 503  # what balancers say that have no server
KINDS = ("cache hit", "redirect", "error", "fixed response")
CACHED, REDIRECT, ERROR, FIXED = range(len(KINDS))


@dataclass(slots=True, eq=False)
class OwnAnswers:
    """One row per response that the balancer made itself."""

    comparison: Comparison
    failed: FailedHandshakes
    tried: Pairs  # the rows that have a backend exchange: the last ones
    exchange: Column  # number of the client exchange
    status: Column
    kind: Column  # index of KINDS
    event: Column  # index of `_backend_events.SLUGS`, or NO_EVENT
    # number of the backend connection that failed to open, where that is the event and there is no
    # backend exchange
    connection: Column
    rank: Column  # of the confidence

    def __len__(self) -> int:
        return len(self.exchange)

    def ref(self, row: int) -> Ref:
        """The client exchange."""
        return self.comparison.sides[0].ref(int(self.exchange[row]))

    def failed_connections(self, rows: Column) -> Column:
        """The numbers of the backend connections on which what happened behind the balancer did."""
        rows, alone = rows[self.event[rows] != NO_EVENT], len(self) - len(self.tried)
        none, some = rows[rows < alone], rows[rows >= alone] - alone
        return np.concatenate((self.connection[none], self.tried.backend_connection[some]))

    def event_frames(self, row: int) -> tuple[FrameRef, ...]:
        """The frames of what happened behind the balancer."""
        event, alone = int(self.event[row]), len(self) - len(self.tried)
        if event == NO_EVENT:
            return ()
        if row < alone:
            return self.failed.frames(int(self.connection[row]))
        return attempt_frames(self.comparison, self.tried[row - alone], event)


@once
def own_answers(comparison: Comparison) -> OwnAnswers:
    """Every response the balancer made itself: those without a backend exchange, then those of
    failed ones.
    """
    client, m = comparison.sides[0], comparison.pairs
    own = UnpairedReason.ANSWERED_BY_BALANCER
    unpaired = [
        u for u in comparison.correlation.unpaired if u.reason is own and u.side == Side.CLIENT
    ]
    alone = comparison.numbers(Side.CLIENT, [u.ref for u in unpaired])
    ranks = np.array([u.confidence.rank for u in unpaired], np.int64)
    answered = client.responses.there[alone]
    answered &= ~of_a_backend(comparison)[alone]
    alone, ranks = alone[answered], ranks[answered]
    # what is no error and comes from no cache is what a backend says: of an attempt that was not
    # captured, after this one
    tried = m.where(
        (m.ended(*NOT_PASSED_ON) | _gave_up(comparison, m))
        & client.responses.there[m.client]
        & ~of_a_backend(comparison)[m.client]
        & np.isin(_kinds(comparison)[m.client], (CACHED, ERROR))
    )
    every = np.concatenate((alone, tried.client))
    status, kind = client.responses.start[every], _kinds(comparison)[every]
    kind[: len(alone)][_is_of_backend(comparison, alone) & (kind[: len(alone)] == FIXED)] = CACHED
    failed = FailedHandshakes(comparison)
    events = [
        failed.during(e) if s >= 500 else (NO_EVENT, 0)
        for e, s in zip(alone.tolist(), status[: len(alone)].tolist(), strict=True)
    ]
    event, connection = np.array(events, np.int64).reshape(-1, 2).T
    unserved = (event == NO_EVENT) & (status[: len(alone)] == UNAVAILABLE)
    if unserved.any():
        event, connection = event.copy(), connection.copy()
        for row, check in _failing_checks(comparison, np.flatnonzero(unserved), alone):
            event[row], connection[row] = CHECKS, comparison.sides[1].connection[check]
    event = np.concatenate((event, attempt_events(comparison, tried)))
    return OwnAnswers(
        comparison,
        failed,
        tried,
        every,
        status,
        kind,
        event,
        connection,
        np.concatenate((ranks, tried.rank)),
    )


def _failing_checks(
    comparison: Comparison, rows: Column, exchanges: Column
) -> Iterator[tuple[int, int]]:
    """The rows of answers for which there was no server, each with a health check that failed:
    where all checks do, or those just before.
    """
    always, last = failing_checks(comparison), LastChecks(comparison)
    for row in rows.tolist():
        check = int(always[0]) if len(always) else last.failing(int(exchanges[row]))
        if check != NO_CHECK:
            yield row, check


@once
def of_a_backend(comparison: Comparison) -> Column:
    """Which responses that clients got, per client exchange, stand in a backend capture too, in a
    response that no pair has: the backend made them. An error must be the same head for head and
    body for body: a backend that refuses a PROXY header answers before it was asked. Of any other,
    whose head a proxy changes, the body is enough: its request may not be in the capture.
    """
    (client, backend), m = comparison.sides, comparison.pairs
    free = backend.responses.whole_heads.copy()
    free[m.backend[m.answered]] = False
    free[comparison.check_exchanges] = False  # no client got the answer to a check
    errors = [_errors(table) for table in (client, backend)]
    others = [_with_body(table) & ~_errors(table) for table in (client, backend)]
    of_backend = np.zeros(len(client.responses), bool)
    for (got, given), heads in ((errors, True), (others, False)):
        mine, theirs = np.flatnonzero(got), np.flatnonzero(given & free)
        if len(mine) and len(theirs):
            known = set(_answers(backend, theirs, heads))
            of_backend[mine] = [answer in known for answer in _answers(client, mine, heads)]
    return of_backend


def _errors(table: SideTable) -> Column:
    return table.responses.whole_heads & (table.responses.start >= MIN_ERROR)


def _with_body(table: SideTable) -> Column:
    r = table.responses
    there: Column = r.whole_heads & (r.length > 0) & (r.digest > 0)
    return there


def _answers(
    table: SideTable, rows: Column, with_head: bool
) -> Iterator[tuple[int, int, int, bytes]]:
    """(status, length and digest of the body, head) of responses."""
    r = table.responses
    heads = r.heads.taken(rows).rows() if with_head else [b""] * len(rows)
    columns = (r.start[rows], r.length[rows], r.digest[rows])
    return zip(*(c.tolist() for c in columns), heads, strict=True)


def _gave_up(comparison: Comparison, m: Pairs) -> Column:
    """Whether the balancer closed the backend connection before any answer came: it waited no
    longer, whatever the backend sent later.
    """
    client, backend = comparison.sides
    q, r, none = backend.requests, backend.responses, LATER
    closed = np.full(len(m), none)
    for name in ("fin_ns", "rst_ns"):
        at = backend.of_ends(name, server=False)[m.backend_connection]
        closed = np.minimum(
            closed, np.where((at != NEVER) & (at >= q.last_ns[m.backend]), at, none)
        )
    unanswered = ~r.there[m.backend] | (r.first_ns[m.backend] > closed)
    unknown = m.ended(AttemptOutcome.UNKNOWN) & q.there[m.backend] & (closed < none)
    # an answer that the capture lost may have come in time
    unanswered &= (backend.marks[m.backend] & MARKS[Mark.LOST]) == 0
    gave_up: Column = unknown & unanswered & (client.responses.start[m.client] >= 500)
    return gave_up


def _is_of_backend(comparison: Comparison, exchanges: Column) -> Column:
    """Which client exchanges got the body that a backend gave for the same target: without a
    backend exchange it came out of a cache.
    """
    client, m = comparison.sides[0], comparison.pairs
    q, r = client.requests, client.responses
    given = m.client[m.answered & q.there[m.client] & r.there[m.client]]
    key = q.start * (int(r.digest.max(initial=0)) + 1) + r.digest
    bodies: Column = (
        among(key[exchanges], key[given])
        & q.there[exchanges]
        & (r.length[exchanges] > 0)
        & (r.digest[exchanges] > 0)
    )
    return bodies


def _kinds(comparison: Comparison) -> Column:
    """What kind of answer a balancer's own response is, per client exchange."""
    status = comparison.sides[0].responses.start
    redirect = (status >= 300) & (status < 400) & _says(comparison, LOCATION, lambda value: True)
    return np.select(
        [_is_cached(comparison), redirect, status >= MIN_ERROR], [CACHED, REDIRECT, ERROR], FIXED
    )


def _is_cached(comparison: Comparison) -> Column:
    """Whether the response says it came out of a cache, by a mark of the cache or by an Age (RFC
    9111 §5.1), per client exchange.
    """
    words, heads = comparison.sides[0].words, comparison.sides[0].responses.heads
    kept = words.fields_named(marks_cache)
    for n in np.flatnonzero(kept).tolist():
        line = words.line_list[n]
        kept[n] = is_cache_hit(lowered(line.name), line.value)
    cached: Column = heads.having(kept) | _says(comparison, AGE, lambda value: age_s(value) > 0)
    return cached


def _says(comparison: Comparison, field: str, wanted: Callable[[str], bool]) -> Column:
    """Whether what a field of the response says is wanted, per client exchange."""
    number, _, texts = field_values(comparison, field, response=True)
    return np.array([text is not None and wanted(text) for text in texts], bool)[number]


def stated_reason(table: SideTable, exchanges: Column) -> str:
    """What the body of these answers gives as the reason, where all have the same body and it says
    more than the status line, in a few words; or repeats a reason phrase that is not the usual one
    of the status, as Varnish writes; else "".
    """
    response = table.exchange(int(exchanges[0])).response
    if response is None or len(distinct(table.responses.digest[exchanges])) > 1:
        return ""
    reason = table.trace_of(int(exchanges[0])).reason_of(response)
    known = (response.reason, f"{response.status} {response.reason}")
    said = reason if reason.endswith("…") else reason.rstrip(".")
    if said and said in known:  # all of these bodies say it
        return _own_phrase(response)
    return "" if len(said) > MAX_REASON else said


def _own_phrase(response: Response) -> str:
    """The reason phrase, if it shares no word with the usual one; "" where none is usual."""
    try:
        usual = HTTPStatus(response.status).phrase
    except ValueError:
        return ""
    own = set(re.findall(r"\w+", response.reason.lower()))
    return "" if own & set(usual.lower().split()) else short(response.reason)


def remedy_of(statuses: Collection[int], reason: str) -> str:
    """What to do about errors with these statuses whose page gives this reason; "" where they say
    nothing of that.
    """
    if set(statuses) == {LIMITED}:
        return TOO_MANY
    if set(statuses) == {UNAUTHORIZED}:
        return LOGIN
    if set(statuses) == {MISDIRECTED}:
        return OTHER_HOST
    if set(statuses) == {UPGRADE_REQUIRED}:
        return TOO_OLD
    if known_reasons.among(reason, known_reasons.OTHER_SESSION):
        return SEVERAL_SERVERS
    if known_reasons.among(reason, known_reasons.OVERFLOW):
        return OVERFLOW
    if known_reasons.among(reason, known_reasons.NO_SERVER):
        return NO_SERVER
    if known_reasons.among(reason, known_reasons.TOO_LATE):
        return TOO_LATE
    return NONE_HEALTHY if known_reasons.among(reason, known_reasons.NONE_HEALTHY) else ""
