"""Errors, and who made them.

Meaning:
    How many error responses clients got, whether the backend or the balancer made them, and how
    many requests got no response at all.
Decided by:
    A 4xx or 5xx is the backend's if the paired backend response has the same status, whoever wrote
    the page. It is the balancer's if no backend exchange was answered. An error without a pair is
    counted as open. A client request without a response is counted with the way its connection
    ended. In one capture a 401 or 407 is no error where the next request of its connection brings
    the login and is not asked for it again. Of the backend's, such a 401 or 407 is no problem, nor
    are a few requests for what is not there.
Evidence:
    The responses, or the unanswered requests, on both sides.
Remedy:
    For errors of the backend, read its logs. For errors of the balancer, look at what happened on
    the backend side just before.
Variants:
    backend: made by a backend and passed on.
    balancer: made by the balancer.
    open: nobody is shown to have made them.
    behind: of the backend, where TLS hides what the clients asked.
    seen: in one capture, which does not show who made them.
    unanswered: requests without a response.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, Pairs, confidence_of
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._own import of_a_backend, own_answers, remedy_of, stated_reason
from lbtrace.findings._streams import was_reset
from lbtrace.http_fields import AUTHORIZATION, PROXY_AUTHORIZATION, SERVER
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import (
    MIN_ERROR,
    MIN_SERVER_ERROR,
    OF_GATEWAYS,
    PROXY_UNAUTHORIZED,
    UNAUTHORIZED,
    Exchange,
    Mark,
)
from lbtrace.model.net import Side
from lbtrace.model.pairing import CONFIDENCES, AttemptOutcome, Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among, distinct, first_met
from lbtrace.tables.messages import NO_VALUE
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, SERVER)
ONE_CAPTURE = True
ENDS = {
    Mark.RESET: "connection reset",
    Mark.CLOSED: "connection closed",
    Mark.CAPTURE_ENDED: "still open at the end of the capture",
    Mark.LOST: "bytes may be missing from the capture",
}

BEHIND = (
    "502, 503 and 504 tell of the servers behind a gateway: its log says why, and a capture taken "
    "behind it at the same time shows it."
)
OTHER_SIDE = (
    " A second capture, taken on the other side of the balancer at the same time, shows who made "
    "them."
)
COMPARED = (
    "Compare these requests with those that worked: which field, which size differs?" + OTHER_SIDE
)
NONE_WORKED = (
    "No request of this capture worked: look at what they ask for, and at the log of the server "
    "that answered." + OTHER_SIDE
)
FEW = 3  # requests by which one backend is told from the others
BACKENDS_LOG = "Read the log of the backend at these moments."
PASSED_ON = (
    "The backend refuses these requests: compare them, as they came to it, with those that worked, "
    "and read its log of these moments."
)
NOT_THERE = (404, 410, 412, 416)  # what a client asks for may not be there, or be another by now
SICK = (
    "One backend alone fails, and the balancer goes on asking it: read its log, and let its health "
    "check ask for a page that fails when it does. A check that only connects (TCP) sees an open "
    "port (HAProxy: option httpchk; nginx: proxy_next_upstream http_500 with max_fails; AWS: path "
    "of the target group's check)."
)
STREAM_RESET = "HTTP/2 stream reset"


def find(comparison: Comparison) -> Iterator[Finding]:
    """Errors of the backend, errors of the balancer, requests without a response."""
    if comparison.alone:
        yield from _seen(comparison)
    else:
        yield from _made(comparison)
    yield from _unanswered(comparison)


def _seen(comparison: Comparison) -> Iterator[Finding]:
    """The errors in one capture, which does not show who made them."""
    (side,) = comparison.captured
    table = comparison.table(side)
    responses = table.responses
    errors = responses.there & (responses.start >= MIN_ERROR)
    worked = bool((responses.there & ~errors).any())
    rows = np.flatnonzero(errors & ~_challenges(table))
    if len(rows):
        statuses = Counter(responses.start[rows].tolist())
        signed, others = _signatures(table, rows)
        reason, of_each = _stated(table, rows)
        stated = few(f'{status} "{text}"' for status, text in of_each.items())
        ranked = (
            text
            for status, _ in statuses.most_common()
            if remedy_of((status,), text := of_each.get(status, ""))
        )
        yield KIND.finding(
            "seen",
            Severity.MEDIUM if max(statuses) >= 500 else Severity.LOW,
            Confidence.CERTAIN,
            "{count} of {of} responses are errors: {statuses}."
            + (
                " Their Server field says {signed}, that of the other responses {others}: another "
                "program seems to have made them."
                if signed and others
                else " Their Server field says {signed}, and the other responses have none: "
                "another program seems to have made them."
                if signed
                else " They have no Server field, and that of the other responses says {others}: "
                "another program seems to have made them."
                if others
                else " One capture does not show who made them."
            )
            + (' The answer says "{reason}".' if reason else "")
            + (" The answers say: {stated}." if stated else ""),
            (
                frame
                for row in rows[: FRAMES_PER_SIDE // 2].tolist()
                for frame in (
                    comparison.request_frame(side, table.ref(row)),
                    comparison.response_frame(side, table.ref(row)),
                )
            ),
            count=len(rows),
            of=int(responses.there.sum()),
            statuses=listed(statuses),
            reason=reason or None,
            stated=stated or None,
            signed=signed or None,
            others=others or None,
            remedy=known
            if (known := remedy_of(statuses, reason or next(ranked, "")))
            else BEHIND
            if set(statuses) <= OF_GATEWAYS
            else COMPARED
            if worked
            else NONE_WORKED,
        ).about(comparison.asked(side, rows))


def _challenges(table: SideTable) -> Column:
    """Which answers ask for a login that the next request of the connection brings, and that is not
    asked for once more: steps of a login, and no errors (RFC 9110 §11.3).
    """
    order, again = table.next_on_connection
    after, before = order[again], order[np.flatnonzero(again) - 1]
    status = table.responses.start
    found = np.zeros(len(table), bool)
    for asked, field in ((UNAUTHORIZED, AUTHORIZATION), (PROXY_UNAUTHORIZED, PROXY_AUTHORIZATION)):
        bringing = np.zeros(len(table), bool)
        bringing[table.requests.heads.of_field(table.words, field)[0]] = True
        step = (status[before] == asked) & table.responses.there[before] & bringing[after]
        step &= table.responses.there[after] & (status[after] != asked)
        found[before[step]] = True
    return found


def _stated(table: SideTable, rows: Column) -> tuple[str, dict[int, str]]:
    """What all of these answers give as the reason, else ""; and where those of several statuses
    give several, what those of each give.
    """
    reason = stated_reason(table, rows)
    status = table.responses.start[rows]
    if reason or len(distinct(status)) == 1:
        return reason, {}
    of_each = {s: stated_reason(table, rows[status == s]) for s in distinct(status).tolist()}
    return "", {s: text for s, text in of_each.items() if text}


def _signatures(table: SideTable, errors: Column) -> tuple[str, str]:
    """What Server says in these errors and in the other responses, where the two have nothing in
    common; a program that signs both is one. "" where none of them has the field. Errors without
    the field count where they are a gateway's: what reads requests for a server refuses those that
    it does not understand itself, and signs nothing (Go and Node.js do so).
    """
    server = table.responses.line_of(table.words, SERVER)
    error = np.zeros(len(table), bool)
    error[errors] = True
    there = table.responses.there
    of_errors, of_others = set(server[error].tolist()), set(server[there & ~error].tolist())
    unsigned = {NO_VALUE}
    statuses = table.responses.start[errors]
    if of_errors == unsigned and not np.isin(statuses, list(OF_GATEWAYS)).all():
        return "", ""
    if of_errors & of_others or not of_others or unsigned < of_errors or unsigned < of_others:
        return "", ""
    written = [
        sorted({table.words.line_list[line].value for line in lines - unsigned})
        for lines in (of_errors, of_others)
    ]
    if {v.lower() for v in written[0]} & {v.lower() for v in written[1]}:
        return "", ""
    return ", ".join(written[0]), ", ".join(written[1])


def _made(comparison: Comparison) -> Iterator[Finding]:
    """The errors of both sides, by who made them."""
    (client, server), m = comparison.sides, comparison.asked_pairs
    given, got = server.responses.start[m.backend], client.responses.start[m.client]
    # of the only one asked, too, where the balancer put a page of its own in the place of the body
    passed_on = m.answered | ((m.attempts == 1) & m.ended(AttemptOutcome.SUPERSEDED))
    failed = (
        passed_on
        & server.responses.there[m.backend]
        & client.responses.there[m.client]
        & (given >= MIN_ERROR)
        & (given == got)
    )
    backend = m.where(failed)
    if len(backend):
        statuses = Counter(given[failed].tolist())
        serious = max(statuses) >= MIN_SERVER_ERROR
        refused = serious or _are_a_problem(client, backend.client, given[failed], len(m))
        reason = stated_reason(server, backend.backend)
        yield KIND.finding(
            "backend",
            Severity.MEDIUM if serious else Severity.LOW if refused else Severity.INFO,
            confidence_of(backend),
            "The backend answered {count} of {of} requests with an error, and the balancer passed "
            "it on: {statuses}."
            + (' The answer says "{reason}".' if reason else "")
            + (" By backend: {shares}." if (shares := _shares(comparison, m, failed)) else ""),
            comparison.response_frames(backend),
            remedy=""
            if not refused
            else known
            if (known := remedy_of(statuses, reason))
            else PASSED_ON
            if not serious
            else SICK
            if _one_is_sick(comparison, m, failed)
            else BACKENDS_LOG,
            reason=reason or None,
            count=len(backend),
            of=len(m),
            statuses=listed(statuses),
            shares=shares or None,
        ).about(comparison.asked(Side.CLIENT, backend.client))
    own = own_answers(comparison)
    errors = np.flatnonzero((own.status >= MIN_ERROR) & ~among(own.exchange, backend.client))
    if len(errors):
        statuses = Counter(own.status[errors].tolist())
        yield KIND.finding(
            "balancer",
            Severity.MEDIUM if max(statuses) >= 500 else Severity.LOW,
            CONFIDENCES[own.rank[errors].min()],
            "The balancer itself made {count} errors: {statuses}.",
            (
                comparison.response_frame(Side.CLIENT, own.ref(row))
                for row in errors[:FRAMES_PER_SIDE].tolist()
            ),
            count=len(errors),
            statuses=listed(statuses),
            remedy=(
                "Look at what happened on the backend side just before: the finding about what the "
                "balancer answered itself names it, if anything did."
            ),
        ).about(comparison.asked(Side.CLIENT, own.exchange[errors]))
    explained = np.zeros(len(client.responses), bool)
    explained[m.client[failed]] = True
    explained[own.exchange] = True
    yield from _open(comparison, np.flatnonzero(_errors(comparison) & ~explained))
    yield from _behind(comparison)


def _behind(comparison: Comparison) -> Iterator[Finding]:
    """The errors of backends, where TLS hides who of the clients got them."""
    if not any(a.hidden for trace in comparison.clients for a in trace.applications):
        return
    table = comparison.table(Side.BACKEND)
    r = table.responses
    asked = table.requests.there & r.there & ~comparison.check_exchanges
    asked[comparison.all_pairs.backend] = False
    rows = np.flatnonzero(asked & (r.start >= MIN_ERROR))
    if not len(rows):
        return
    statuses = Counter(r.start[rows].tolist())
    serious = max(statuses) >= MIN_SERVER_ERROR
    refused = serious or _are_a_problem(table, rows, r.start[rows], int(asked.sum()))
    reason = stated_reason(table, rows)
    yield KIND.finding(
        "behind",
        Severity.MEDIUM if serious else Severity.LOW if refused else Severity.INFO,
        Confidence.CERTAIN,
        "The backend answered {count} of {of} requests with an error: {statuses}."
        + (' The answer says "{reason}".' if reason else "")
        + " TLS hides which of the clients got these.",
        (
            frame
            for row in rows[: FRAMES_PER_SIDE // 2].tolist()
            for frame in (
                comparison.request_frame(Side.BACKEND, table.ref(row)),
                comparison.response_frame(Side.BACKEND, table.ref(row)),
            )
        ),
        remedy=""
        if not refused
        else known
        if (known := remedy_of(statuses, reason))
        else BACKENDS_LOG
        if serious
        else PASSED_ON,
        count=len(rows),
        of=int(asked.sum()),
        statuses=listed(statuses),
        reason=reason or None,
    ).about(comparison.asked(Side.BACKEND, rows))


def _are_a_problem(table: SideTable, rows: Column, statuses: Column, of: int) -> bool:
    """Whether refusals of a backend tell of more than a login, or a few requests for what is not
    there.
    """
    told = ~_challenges(table)[rows]
    few_missing = np.isin(statuses, NOT_THERE) & (2 * len(rows) < of)
    return bool((told & ~few_missing).any())


def _shares(comparison: Comparison, pairs: Pairs, failed: Column) -> str:
    """How many of its requests each backend answered with an error, the most first; "" of one."""
    backend = comparison.sides[1]
    names, which = np.unique(
        backend.servers[pairs.backend_connection[pairs.answered]], return_inverse=True
    )
    if len(names) < 2:
        return ""
    bad, of = np.bincount(which, failed[pairs.answered]).astype(int), np.bincount(which)
    rows = sorted(
        zip(bad.tolist(), of.tolist(), names.tolist(), strict=True), key=lambda r: (-r[0], r[1])
    )
    return few(f"{backend.endpoint(n)} {bad} of {of}" for bad, of, n in rows)


def _one_is_sick(comparison: Comparison, pairs: Pairs, failed: Column) -> bool:
    """Whether one backend alone answers with errors, several times, and with nothing else."""
    backend = comparison.sides[1]
    server, bad = backend.servers[pairs.backend_connection[pairs.answered]], failed[pairs.answered]
    those = distinct(server[bad])
    asked = np.isin(server, those)
    every = len(those) == 1 and bool(bad[asked].all())
    return every and int(asked.sum()) >= FEW <= int((~asked).sum())


def _errors(comparison: Comparison) -> Column:
    """Which client exchanges were answered with an error."""
    responses = comparison.sides[0].responses
    errors: Column = responses.there & (responses.start >= MIN_ERROR)
    return errors


def _open(comparison: Comparison, rows: Column) -> Iterator[Finding]:
    """Errors whose maker the packets do not show."""
    if not len(rows):
        return
    client = comparison.sides[0]
    statuses = Counter(client.responses.start[rows].tolist())
    behind = of_a_backend(comparison)[rows]
    reason = stated_reason(client, rows)
    yield KIND.finding(
        "open",
        Severity.MEDIUM if max(statuses) >= 500 else Severity.LOW,
        Confidence.HIGH,
        "Clients got {count} of {of} error responses without a backend exchange that is known to "
        "belong to them: {statuses}."
        + (
            " A backend capture holds {behind} of them, byte for byte: a backend made these."
            if behind.any()
            else " The packets do not show whether the balancer made them or passed them on."
        )
        + (' The answer says "{reason}".' if reason else ""),
        (
            frame
            for row in rows[: FRAMES_PER_SIDE // 2].tolist()
            for frame in (
                comparison.request_frame(Side.CLIENT, client.ref(row)),
                comparison.response_frame(Side.CLIENT, client.ref(row)),
            )
        ),
        count=len(rows),
        of=int(_errors(comparison).sum()),
        statuses=listed(statuses),
        reason=reason or None,
        behind=int(behind.sum()) if behind.any() else None,
        remedy=(
            ""
            if behind.all()
            else stated
            if (stated := remedy_of(statuses, reason))
            else "Compare these requests and responses with those that worked: "
            "which field, which size differs? Then look for the request in the logs of the "
            "balancer."
        ),
    ).about(comparison.asked(Side.CLIENT, rows))


def listed(statuses: Counter[int]) -> str:
    """Statuses with their counts, in numeric order."""
    return ", ".join(f"{status} ×{count}" for status, count in sorted(statuses.items()))


def _unanswered(comparison: Comparison) -> Iterator[Finding]:
    side = comparison.captured[0]
    client = comparison.table(side)
    asked, answered = client.requests.there, client.responses.there
    without = np.flatnonzero(asked & ~answered & ~client.answered_before)
    if not len(without):
        return
    # the same marks were set in the same order: one exchange of each tells
    reset = was_reset(comparison, side)[without]
    first, which = first_met(joint(client.marks[without], client.requests.marks[without], reset))
    endings = [
        STREAM_RESET if reset[at] else _end(comparison.exchange(side, client.ref(row)))
        for at, row in zip(first.tolist(), without[first].tolist(), strict=True)
    ]
    # a RST behind the FIN of the same end ended nothing
    fin, rst = (client.ended_ns(True, by)[client.connection[without]] for by in ("fin", "rst"))
    ends = Counter(
        ENDS[Mark.CLOSED] if closed and endings[i] == ENDS[Mark.RESET] else endings[i]
        for i, closed in zip(which.tolist(), (fin < rst).tolist(), strict=True)
    )
    harmless = set(ends) <= {ENDS[Mark.CAPTURE_ENDED], ENDS[Mark.LOST]}
    yield KIND.finding(
        "unanswered",
        Severity.INFO if harmless else Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} requests "
        + ("" if comparison.alone else "of clients ")
        + "{count:has|have} no response in the capture: {ends}.",
        (
            comparison.request_frame(side, client.ref(row))
            for row in without[:FRAMES_PER_SIDE].tolist()
        ),
        count=len(without),
        of=int(client.requests.there.sum()),
        ends=", ".join(f"{end} ×{n}" for end, n in ends.most_common()),
    ).about(comparison.asked(side, without))


def _end(exchange: Exchange) -> str:
    """How the connection of an unanswered request ended."""
    assert exchange.request is not None
    marks = (*exchange.marks, *exchange.request.marks)
    return next((ENDS[mark] for mark in marks if mark in ENDS), "how it ended is not known")
