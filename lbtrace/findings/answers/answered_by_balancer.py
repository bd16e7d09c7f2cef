"""Answered by the balancer.

Meaning:
    Responses that no backend gave: redirects, fixed responses, cache hits, and the balancer's own
    errors. For an error, the finding names what happened on the backend side just before it:
    nothing, a refused or unanswered connection, a reset, a closed connection, silence.
Decided by:
    A client exchange has a response, but no backend exchange while the backend capture was running,
    or all its backend attempts failed. A cache hit is marked as one: Age, X-Cache, Cache-Status, or
    X-Varnish with two numbers. The backend event is looked for during the client exchange, plus and
    minus the clock interval.
Evidence:
    The request and response in the client capture, and the backend event if there is one.
Remedy:
    For the balancer's own 502, 503 and 504: look at the named backend event and at the balancer's
    timeouts. Without an event, look at its configuration, and at which backends it considers
    healthy.
Variants:
    cache-hit: out of a cache.
    redirect: a redirect of its own.
    error: an error of its own, with what happened behind it just before.
    fixed-response: any other answer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._backend_events import NO_EVENT, SLUGS, TEXT
from lbtrace.findings._first_words import silent_servers
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings._open_behind import open_behind
from lbtrace.findings._own import CACHED, KINDS, own_answers, remedy_of, stated_reason
from lbtrace.http_fields import SERVER
from lbtrace.http_fields.lines import field_value
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import FORBIDDEN, MIN_ERROR
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import CONFIDENCES, Ref
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, first_met, parted
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, SERVER, FramePart.END)
WHAT_TO_DO = {  # by what happened behind the balancer
    "refused": "Start the backend there, or take it out of the balancer's list.",
    "no-answer": "Look at what drops SYNs on the way to that backend: a firewall, a security "
    "group, a full accept queue, or a host that is down.",
    "reset": "Look at the backend's log of that moment: a crash, a restart, a killed worker, or a "
    "limit of its own.",
    "closed": "Look at the backend's log of that moment: a crash, a restart, or a limit of its "
    "own.",
    "keep-alive-race": "Look at why the backend closes its connections: an idle limit that is "
    "shorter than the balancer's, a restart, or a limit of requests.",
    "timeout": "Look at why the backend takes longer, or raise the balancer's time limit towards "
    "it (nginx: proxy_read_timeout; HAProxy: timeout server; Envoy: timeout of the route; Apache "
    "httpd: ProxyTimeout; AWS: idle timeout of the load balancer).",
    "half-sent": "Look at the balancer's error log. A body that was read for one server is gone "
    "when the balancer tries the next one, unless it keeps it (Caddy: request_buffers).",
    "client-left": "Look at the client's time limit, and at why the answer took so long.",
    "malformed": "Look at the head that the backend sent: the balancer's error log says what it "
    "refused.",
    "replaced": "Look at the balancer's error log, and at its own error pages for this status "
    "(nginx: proxy_intercept_errors).",
    "tls-alert": "Look at the alert: it names what the TLS handshake failed on.",
    "unreachable": "Look at the way to that backend: the ICMP message comes from whoever turned "
    "the attempt away.",
    "checks": "Mend the health checks first: without a healthy server the balancer asks none.",
}
ALL_CLOSED = (
    "That server ended every connection at its first bytes: look at what it expects there (TLS, a "
    "PROXY header, plain HTTP, FastCGI or uwsgi), then at its log."
)
DENIED = (
    "The balancer's own rules refuse these: look at its access lists (nginx: deny, HAProxy: "
    "http-request deny, a web application firewall) and at its log."
)
NOT_FOUND = 404
NOT_SERVED = (
    "The balancer passed these on to no server: compare their Host and path with the routes that "
    "it has configured."
)
KEPT_ERROR = (
    "A cache gives these, and no server is asked: it keeps an error for some time. Purge it, or "
    "keep errors for less long (nginx: proxy_cache_valid; Varnish: beresp.ttl; CloudFront: error "
    "caching minimum TTL)."
)
NOTHING_BEHIND = (
    "Nothing was seen to happen behind it: look at what the balancer has configured, "
    "and which servers it takes for healthy."
)
FULL = (
    "Raise the limit of requests or connections that are open at once (nginx: max_conns; HAProxy: "
    "maxconn; Envoy: circuit breakers), let requests wait for a place, or make the backend faster."
)
ONLY_CHECKS = (
    "None of them is seen behind it: look at whether the balancer takes the answers to its health "
    "checks for healthy, and what else it has configured."
)
WAITED = (
    "It waited before: for a place in its queue (maxconn, timeout queue), or for an address that "
    "no capture shows."
)
SOMETHING_BEHIND = (
    "Look at the backend packets named here: about that time a connection began, or a request "
    "came, that is not known to belong to another request."
)
FEW = 2  # answers: one may come by chance while others are open
MAX_LOOKED_AT = 50  # answers of one kind, for what happened behind them
MINUTE_NS = 60_000_000_000
NOTICED_NS = 1_000_000_000  # an error that comes later comes by a time limit, or after retries


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per status, kind of answer and backend event."""
    own, client = own_answers(comparison), comparison.sides[0]
    first, which = first_met(joint(own.status, own.kind, own.event))
    groups = [
        (
            int(own.status[i]),
            KINDS[own.kind[i]],
            SLUGS[own.event[i]] if own.event[i] != NO_EVENT else "",
        )
        for i in first.tolist()
    ]
    rows = parted(which, len(first))
    for group in sorted(range(len(groups)), key=groups.__getitem__):
        (status, what, event), members = groups[group], rows[group]
        response = comparison.exchange(Side.CLIENT, own.ref(int(members[0]))).response
        server = field_value(response, SERVER) if response is not None else None
        reason = stated_reason(comparison.sides[0], own.exchange[members])
        frames: list[FrameRef] = []
        for row in members[:2].tolist():
            frames += [
                comparison.request_frame(Side.CLIENT, own.ref(row)),
                comparison.response_frame(Side.CLIENT, own.ref(row)),
            ]
            frames += own.event_frames(row)
        behind, failed = (
            unexplained_near(comparison, [own.ref(int(row)) for row in members[:MAX_LOOKED_AT]])
            if status >= 500 and not event
            else ([], own.failed_connections(members))
        )
        frames += behind
        # where the request was not captured, it is not among those that are counted
        asked = client.requests.there[own.exchange[members]].all()
        waits = _waits(comparison, own.exchange[members]) if status >= MIN_ERROR else None
        silent = status >= 500 and not event and not behind
        busy = _busy(comparison, own.exchange[members]) if silent else 0
        checks = _checks(comparison) if silent and not busy else ""
        yield (
            KIND.finding(
                what.replace(" ", "-"),
                _severity(status),
                CONFIDENCES[own.rank[members].min()],
                (
                    "The balancer itself answered {count} of {of} requests"
                    if asked
                    else "The balancer itself sent {count} responses"
                )
                + " with {status} ({what}"
                + (", Server: {server})" if server else ")")
                + (
                    " after {shortest} to {longest}"
                    if waits and differ(*waits)
                    else " after {shortest}"
                    if waits
                    else ""
                )
                + (": {event}." if event else ".")
                + (' The answer says "{reason}".' if reason else "")
                + (
                    " When they were answered, {busy} requests {busy:was|were} open behind "
                    "the balancer, and never more: so does a limit that is reached."
                    if busy
                    else ""
                )
                + (
                    " The captured backends answered their health checks with {checks}."
                    if checks
                    else ""
                ),
                frames,
                count=len(members),
                of=comparison.client_counts.requests if asked else None,
                status=str(status),
                what=what,
                server=server or None,
                reason=reason or None,
                event=TEXT[event] if event else None,
                checks=checks or None,
                busy=busy or None,
                shortest=ns(waits[0]) if waits else None,
                longest=ns(waits[1]) if waits and differ(*waits) else None,
                remedy=(
                    FULL
                    if busy
                    else KEPT_ERROR
                    if status >= MIN_ERROR and own.kind[members[0]] == CACHED
                    else stated
                    if (stated := "" if event else remedy_of((status,), reason))
                    else (
                        NOT_SERVED if status == NOT_FOUND else DENIED if status == FORBIDDEN else ""
                    )
                    if status < 500 and not event
                    else ALL_CLOSED
                    if event == "closed" and silent_servers(comparison, Side.BACKEND)[failed].all()
                    else WHAT_TO_DO[event]
                    if event
                    else SOMETHING_BEHIND
                    if behind
                    else (ONLY_CHECKS if checks else NOTHING_BEHIND)
                    + (" " + WAITED if waits else "")
                ),
            )
            .about(comparison.asked(Side.CLIENT, own.exchange[members]))
            .on(comparison.failed(Side.BACKEND, failed))
        )


def _busy(comparison: Comparison, exchanges: Column) -> int:
    """How many requests are open behind the balancer at most, if that many were open when each of
    these client exchanges was answered, and there are several; else 0.
    """
    client, behind = comparison.sides[0], open_behind(comparison)
    if behind is None or len(exchanges) < FEW:
        return 0
    times = []
    answered = client.responses.first_ns[exchanges].tolist()
    for point, at in zip(client.point[exchanges].tolist(), answered, strict=True):
        clock = comparison.clock(point, behind.point)
        if clock is None:
            return 0
        times.append(at - clock.delta_ns(at - clock.middle_ns))
    return behind.most if (behind.at(np.array(times)) == behind.most).all() else 0


def _checks(comparison: Comparison) -> str:
    """What the captured backends answered to health checks, "" without any: "301 ×8"."""
    answers = comparison.sides[1].responses
    those = comparison.check_exchanges & answers.there
    return counted(map(str, answers.start[those].tolist()))


def _waits(comparison: Comparison, exchanges: Column) -> tuple[int, int] | None:
    """How long the clients of these exchanges waited, at least and at most; None where that is
    nothing to speak of, or the clock of a capture was set back.
    """
    client = comparison.sides[0]
    if not comparison.steady(Side.CLIENT):
        return None
    asked = exchanges[client.requests.there[exchanges]]
    if len(asked) < len(exchanges):
        return None
    waited = client.responses.first_ns[asked] - client.requests.last_ns[asked]
    shortest, longest = int(waited.min()), int(waited.max())
    return (shortest, longest) if shortest >= NOTICED_NS else None


def _severity(status: int) -> Severity:
    return (
        Severity.MEDIUM if status >= 500 else Severity.LOW if status >= MIN_ERROR else Severity.INFO
    )


def unexplained_near(
    comparison: Comparison, answers: Sequence[Ref]
) -> tuple[list[FrameRef], Column]:
    """The first few packets of backend connections that began, and of requests that came, while one
    of these client exchanges went on, and that no pair and no health check explains; without a
    clock between the captures, within a minute of it. With the numbers of their connections.
    """
    client, backend = comparison.sides
    explained = comparison.check_connections.copy()
    explained[comparison.pairs.backend_connection] = True
    explained[comparison.connection_pairs.backend] = True
    rows = np.flatnonzero(~explained)
    began = backend.of_connections("first_ns")[rows]
    point = np.searchsorted(np.array(backend.first_connection), rows, "right") - 1
    free = ~comparison.check_exchanges & backend.requests.there & explained[backend.connection]
    free[comparison.pairs.backend] = False
    asked = np.flatnonzero(free)
    opened, came = np.zeros(len(rows), bool), np.zeros(len(asked), bool)
    for ref in answers:
        exchange = client.first_of[ref.point] + ref.id
        for at in range(len(comparison.backends)):
            begin, end = _time_behind(comparison, exchange, at)
            opened |= (point == at) & (began >= begin) & (began <= end)
            times = backend.requests.first_ns[asked]
            came |= (backend.point[asked] == at) & (times >= begin) & (times <= end)
    found = comparison.opening_frames(Side.BACKEND, rows[opened])
    requests = [backend.ref(n) for n in asked[came][:FRAMES_PER_SIDE].tolist()]
    found += [comparison.request_frame(Side.BACKEND, ref) for ref in requests]
    return found, np.concatenate((rows[opened], backend.connection[asked[came]]))


def _time_behind(comparison: Comparison, exchange: int, point: int) -> tuple[int, int]:
    """When a client exchange went on, by the clock of a backend capture: until its answer, or the
    end of its connection.
    """
    client = comparison.sides[0]
    asked = int(client.requests.first_ns[exchange])
    answered = int(client.responses.first_ns[exchange])
    if not client.responses.there[exchange]:
        answered = int(client.ended_ns(True)[client.connection[exchange]])
    clock = comparison.clock(int(client.point[exchange]), point)
    if clock is None:
        return asked - MINUTE_NS, answered + MINUTE_NS
    ahead = clock.delta_ns(asked - clock.middle_ns)
    return asked - ahead - clock.half_width_ns, answered - ahead + clock.half_width_ns
