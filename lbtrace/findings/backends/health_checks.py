"""Health checks.

Meaning:
    How the balancer checks the backend: from which address, with which request (or with a bare TCP
    connection), and how often. Health checks are left out of every count and ratio of client
    traffic.
Decided by:
    Period, source and uniformity of backend exchanges without a client, then their User-Agent; bare
    connections that close without a byte.
Evidence:
    The first checks of each kind in the backend capture.
Remedy:
    Failing checks take a backend out of service. Make the checked path answer with the expected
    status.
Variants:
    seen: in one capture, by what the checker calls itself.
    failing: checks that were answered with an error.
    given-up: checks whose answer came too late.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import ABSENT, FRAMES_PER_SIDE, Comparison, field_values
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import HOST, USER_AGENT, spelling
from lbtrace.http_fields.agents import is_health_checker
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR, MIN_SERVER_ERROR
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import LATER, STAMPED_LATE_NS
from lbtrace.tables.messages import NO_VALUE
from lbtrace.tables.pace import pace
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, USER_AGENT, FramePart.SYN, FramePart.TIME)
ONE_CAPTURE = True
NAME_HOST = (
    "Let the checks name the host that clients ask for (HAProxy: http-check send hdr Host; Envoy: "
    "host of http_health_check), or check a path that the server answers without it."
)


SLOW_CHECKS = (
    "A server whose checks come to nothing gets no requests: make the checked path quicker, or let "
    "the checks wait longer (HAProxy: timeout check; Envoy: timeout of the health check; AWS: time "
    "limit of the target group's check)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per source, target and kind of check; a second one when some fail."""
    if comparison.alone:
        yield from _of_one_capture(comparison)
    else:
        yield from _of_both(comparison)


def _of_one_capture(comparison: Comparison) -> Iterator[Finding]:
    """What asks for the same again and again and calls itself a health checker. Without the other
    capture, a checker that does not say so cannot be told from a client.
    """
    (side,) = comparison.captured
    table = comparison.table(side)
    for rows in _by_checker(table):
        first = int(rows[0])
        agent = table.words.line_list[int(_agents(table)[first])].value
        period, even = pace(sorted(table.requests.first_ns[rows].tolist()))
        every = " every {period}" if period and even else ""
        target = str(table.endpoint(int(table.servers[table.connection[first]])))
        yield KIND.finding(
            "seen",
            Severity.INFO,
            Confidence.MEDIUM,
            f"{{source}} checks {{target}} with {{method}} {{path}}{every}, User-Agent "
            "{user_agent} ({count} checks).",
            (
                comparison.request_frame(side, table.ref(row))
                for row in rows[:FRAMES_PER_SIDE].tolist()
            ),
            source=table.words.text_list[int(table.client_address[table.connection[first]])],
            target=target,
            method=table.words.text_list[int(table.requests.method[first])],
            path=table.words.text_list[int(table.requests.start[first])],
            user_agent=agent,
            count=len(rows),
            period=ns(period) if period and even else None,
        )
        yield from _failing(comparison, side, rows, target, Confidence.MEDIUM)


def _agents(table: SideTable) -> Column:
    """Per exchange the number of the line in which its request says who asks."""
    return table.requests.line_of(table.words, USER_AGENT)


def _by_checker(table: SideTable) -> list[Column]:
    """The requests of each health checker: of one source to one server for one target, two or
    more.
    """
    agent = _agents(table)
    lines = table.words.line_list
    checkers = [
        n for n in distinct(agent[agent != NO_VALUE]).tolist() if is_health_checker(lines[n].value)
    ]
    rows = np.flatnonzero(np.isin(agent, checkers)) if checkers else np.zeros(0, np.int64)
    if not len(rows):
        return []
    held = table.connection[rows]
    q = table.requests
    key = joint(
        table.client_address[held], table.servers[held], q.method[rows], q.start[rows], agent[rows]
    )
    groups = [rows[key == k] for k in distinct(key).tolist()]
    return [group for group in groups if len(group) > 1]


def _of_both(comparison: Comparison) -> Iterator[Finding]:
    client = comparison.sides[0]
    in_front = {
        client.words.text_list[i]
        for i in distinct(np.concatenate((client.client_address, client.server_address))).tolist()
    }
    for check in comparison.correlation.health_checks:
        frames = [
            comparison.request_frame(Side.BACKEND, Ref(check.point, i))
            for i in check.exchanges[:FRAMES_PER_SIDE]
        ]
        frames = frames or [
            comparison.connection_frame(Side.BACKEND, Ref(check.point, i))
            for i in check.connections[:FRAMES_PER_SIDE]
        ]
        if not frames:
            continue
        every = " every {period}" if check.period_ns is not None else ""
        by = ", User-Agent {user_agent}" if check.user_agent else ""
        probe = "{method} {path}" if check.method else "a TCP connection without a byte"
        own = (
            comparison.passes_packets
            or check.source in comparison.sources | in_front
            or comparison.sources & in_front
        )
        unpaired_source = bool(comparison.sources) and not own
        whose = (
            " No request that was paired comes from there: this may be a monitor, not the balancer."
            if unpaired_source
            else ""
        )
        yield KIND.finding(
            "",
            Severity.INFO,
            check.confidence,
            f"{{source}} checks {{target}} with {probe}{every}{by} ({{count}} checks, not counted "
            f"as client traffic).{whose}",
            frames,
            source=check.source,
            target=str(check.target),
            method=check.method,
            path=check.path,
            user_agent=check.user_agent,
            count=len(check.exchanges) or len(check.connections),
            period=None if check.period_ns is None else ns(check.period_ns),
            note="; ".join(check.reasons),
        )
        checks = comparison.sides[1].first_of[check.point] + np.array(check.exchanges, np.int64)
        yield from _failing(comparison, Side.BACKEND, checks, str(check.target), check.confidence)
        yield from _given_up(comparison, checks, str(check.target), check.confidence)


def _failing(
    comparison: Comparison, side: Side, checks: Column, target: str, confidence: Confidence
) -> Iterator[Finding]:
    backend = comparison.table(side)
    failed = checks[
        backend.responses.there[checks] & (backend.responses.start[checks] >= MIN_ERROR)
    ]
    if len(failed):
        nameless, asked, wanted = _host_of(comparison, side, failed)
        yield KIND.finding(
            "failing",
            Severity.MEDIUM,
            confidence,
            "{count} of {of} health checks of {target} were answered with an error, the first with "
            "{status}."
            + (
                " They have no {host}."
                if nameless
                else " They ask for {host} {asked}, and clients for {wanted}."
                if wanted
                else ""
            ),
            (
                comparison.response_frame(side, backend.ref(i))
                for i in failed[:FRAMES_PER_SIDE].tolist()
            ),
            count=len(failed),
            of=len(checks),
            target=target,
            status=str(backend.responses.start[failed[0]]),
            host=spelling(HOST) if nameless or wanted else None,
            asked=asked if wanted else None,
            wanted=wanted or None,
            remedy=NAME_HOST
            if nameless or wanted
            else "Make the checked path answer with the status the balancer expects, or check "
            "another path.",
        ).on(comparison.failed(side, backend.connection[failed]))


def _given_up(
    comparison: Comparison, checks: Column, target: str, confidence: Confidence
) -> Iterator[Finding]:
    """Checks that the balancer waited for no longer: it ended the connection before any byte of the
    answer.
    """
    if not comparison.steady(Side.BACKEND):
        return
    backend = comparison.sides[1]
    q, r, on = backend.requests, backend.responses, backend.connection[checks]
    left, ended = (backend.ended_ns(server)[on] for server in (False, True))
    gave_up = q.there[checks] & (left != LATER) & (left < ended)
    # of what is nearer together no order is known
    gave_up &= left - q.last_ns[checks] >= STAMPED_LATE_NS
    gave_up &= ~r.there[checks] | (r.first_ns[checks] >= left + STAMPED_LATE_NS)
    gave_up &= (backend.of_ends("missing", server=True)[on] == 0) & backend.last_on_connection[
        checks
    ]
    waited = (left - q.last_ns[checks])[gave_up]
    late = r.there[checks] & gave_up
    took = (r.first_ns[checks] - q.last_ns[checks])[late]
    if not len(waited):
        return
    yield KIND.finding(
        "given-up",
        Severity.MEDIUM if 2 * len(waited) > len(checks) else Severity.LOW,
        confidence,
        "The balancer gave up {count} of {of} health checks of {target} after {waited}"
        + ("; the answer came after {took} or more." if len(took) else ", without an answer."),
        (
            frame
            for row, connection in zip(
                checks[gave_up][: FRAMES_PER_SIDE // 2].tolist(),
                on[gave_up][: FRAMES_PER_SIDE // 2].tolist(),
                strict=True,
            )
            for frame in (
                comparison.request_frame(Side.BACKEND, backend.ref(row)),
                comparison.closing_frame(Side.BACKEND, connection, server=False),
            )
        ),
        note="the check, and the end of its connection",
        remedy=SLOW_CHECKS,
        count=len(waited),
        of=len(checks),
        target=target,
        waited=ns(int(waited.min())),
        took=ns(int(took.min())) if len(took) else None,
    ).on(comparison.failed(Side.BACKEND, on[gave_up]))


def _host_of(comparison: Comparison, side: Side, checks: Column) -> tuple[bool, str, str]:
    """(whether none of these checks names a host; the host that all of them ask for, and another
    one that clients ask for; "" unless the answers may be about that).
    """
    table = comparison.table(side)
    statuses = table.responses.start[checks]
    if not (statuses < MIN_SERVER_ERROR).all() or not table.requests.whole_heads[checks].all():
        return False, "", ""
    hosts = field_values(comparison, HOST)
    every = hosts.client if side is Side.CLIENT else hosts.backend
    asked = every[checks]
    if (asked == ABSENT).all():
        return True, "", ""
    if comparison.alone or not (asked == asked[0]).all():
        return False, "", ""
    # as the balancer writes it, where requests of clients came to work at the backends
    worked = table.responses.there & (table.responses.start < MIN_ERROR)
    wanted = distinct(every[worked & ~comparison.check_exchanges])
    if not (wanted != ABSENT).any():
        wanted = distinct(hosts.client)
    wanted = wanted[wanted != ABSENT]
    other = "" if asked[0] in wanted or not len(wanted) else hosts.texts[wanted[0]] or ""
    return False, hosts.texts[asked[0]] or "", other
