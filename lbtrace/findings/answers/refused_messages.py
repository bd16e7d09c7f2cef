"""Refused messages.

Meaning:
    A proxy or a server refuses a message by an answer of its own: 400, 413, 414 or 431 to a request
    whose head, target, cookie or body is too large or malformed; 502 in place of a response whose
    head is. The finding says in which size or form the messages that failed differ from those that
    worked. Also: fields whose names a balancer does not pass on, and an interim response (1xx) that
    was taken for the final one.
Decided by:
    Error responses that no backend gave, or, from one capture, those of that capture. Sizes are
    compared where all that failed are larger than all that worked, and a usual limit lies in
    between, or the status itself says what is too large. Forms and fields are compared where all
    that failed have them and none that worked, or where each that failed has a form that none has
    that worked. A head that was cut is in no group. Without any that worked, only a size beyond a
    usual limit is called unusual.
Evidence:
    The messages that failed, their answers, and one that worked.
Remedy:
    Request heads: `large_client_header_buffers` (nginx), `tune.bufsize` (HAProxy),
    `LimitRequestFieldSize` (Apache httpd), `max_request_headers_kb` (Envoy),
    `--max-http-header-size` (Node). Bodies: `client_max_body_size` (nginx). Response heads:
    `proxy_buffer_size` (nginx), `tune.bufsize` (HAProxy), `http_resp_hdr_len` (Varnish). Names:
    `underscores_in_headers on` (nginx).
Variants:
    request-size, request-size-client, request-size-backend: requests larger than those that worked.
    request-form, request-form-client, request-form-backend: requests with what those that worked
        have not.
    response-head: responses whose head is larger than those that were passed on.
    response-form: responses with what those that were passed on have not.
    dropped-names: fields that do not reach the backend because of how their names are spelled.
    interim-as-final: an interim response that was taken for the final one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._first_words import listed
from lbtrace.findings._kind import FindingKind, compared_with
from lbtrace.findings._message_sizes import (
    BODY,
    COUNT,
    HEAD,
    LINE,
    TARGET,
    Gap,
    Part,
    gap,
    head_sizes,
    longest_field,
    request_parts,
)
from lbtrace.findings._own import of_a_backend, own_answers
from lbtrace.findings._side import named, variant
from lbtrace.findings.answers._message_forms import forms, only_in
from lbtrace.language.plurals import noun
from lbtrace.model import known_reasons
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR, Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import ChangeKind, Confidence, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among, distinct, first_met
from lbtrace.tables.messages import Messages
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS, joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FIELDS)
ONE_CAPTURE = True
REFUSALS = (400, 411, 413, 414, 417, 431, 494, 500, 501, 502, 505)  # 494: nginx, before it says 400
_SERVERS = 200  # and statuses, which are looked at one by one
PARTS = {  # what a status says is too large (RFC 9110 §15.5.14 f., RFC 6585 §5)
    414: (TARGET, HEAD),
    413: (BODY,),
    431: (LINE, COUNT, HEAD),
}
ALONE = (TARGET, BODY)  # where one is named, no other part can be meant
LARGER = (
    "Make it smaller, or let the server accept more: large_client_header_buffers (nginx), "
    "tune.bufsize (HAProxy), LimitRequestFieldSize or "
    "LimitRequestLine (Apache httpd), max_request_headers_kb (Envoy), --max-http-header-size "
    "(Node.js), maxHttpRequestHeaderSize (Tomcat)."
)
LARGER_BODY = (
    "Send less, or let the server accept more: client_max_body_size (nginx), LimitRequestBody "
    "(Apache httpd), maxAllowedContentLength (IIS), max_request_bytes of the buffer filter (Envoy)."
)
MORE = (
    "Send fewer fields, or let the server accept more: tune.http.maxhdr (HAProxy), "
    "LimitRequestFields (Apache httpd), max_headers_count (Envoy), maxHeaderCount (Tomcat)."
)
ROOM = (
    "Give the balancer room for such a head: proxy_buffer_size (nginx), tune.bufsize (HAProxy), "
    "http_resp_hdr_len and http_resp_size (Varnish). Or let the backend send fewer or shorter "
    "fields."
)
LENGTH = (
    "This server wants to know the length of a body before it comes (RFC 9110 §15.5.12). Let the "
    "client send Content-Length, or let the balancer read the body first (nginx: "
    "proxy_request_buffering on)."
)
LENGTH_REQUIRED = 411
COMPARE = "Look whether this is what the log of the refusing side complains about."


def find(comparison: Comparison) -> Iterator[Finding]:
    """Requests that were refused, on each side; responses that were replaced; fields that were
    dropped; interim responses.
    """
    for side in comparison.captured:
        yield from _requests(comparison, side)
    if comparison.alone:
        return
    yield from _responses(comparison)
    yield from _dropped(comparison)
    yield from _interim_as_final(comparison)


def _requests(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """What the requests that one server refused with one status have and others have not; of
    thousands of servers, those that refused most.
    """
    table = comparison.table(side)
    q, r = table.requests, table.responses
    known = q.whole_heads & q.from_client & r.there
    refused = known & np.isin(r.start, REFUSALS)
    if side is Side.CLIENT and not comparison.alone:
        refused &= _made_in_between(comparison)
    servers = table.servers[table.connection]
    rows = np.flatnonzero(refused)
    parts = request_parts(q, table.words) if len(rows) else []
    told = cache(lambda: list(forms(q, table.words, True)))  # the same for each server
    _, of = first_met(joint(servers[rows], r.start[rows]))
    for place in np.sort(np.argsort(-np.bincount(of), kind="stable")[:_SERVERS]).tolist():
        failed = rows[of == place]
        status, server = int(r.start[failed[0]]), int(servers[failed[0]])
        worked = np.flatnonzero(known & (servers == server) & (r.start < MIN_ERROR) & (r.start > 0))
        named_parts = _named_parts(status, _stated(table, failed))
        gaps = [
            gap(p, failed, worked, bool(named_parts) and (len(worked) > 0 or p.kind in ALONE))
            for p in parts
            if p.kind in (named_parts or (TARGET, LINE, COUNT, HEAD))
        ]
        larger = [g for g in gaps if g is not None]
        # where a usual limit lies says more than what happens to be larger, too
        found = next((g for g in larger if g.limits), next(iter(larger), None))
        if found is not None:
            yield _size_of_request(comparison, side, found, failed, worked)
        elif len(worked) and status < 500:
            yield from _form(comparison, side, q, told, failed, worked, request=True)


def _named_parts(status: int, reason: str) -> tuple[int, ...]:
    """The parts of which an answer says that one is too large, by its status or by its page; none
    where it does not say.
    """
    if status in PARTS:
        return PARTS[status]
    if known_reasons.among(reason, known_reasons.TARGET_TOO_LONG):
        return TARGET, HEAD
    return (LINE, HEAD) if known_reasons.among(reason, known_reasons.FIELDS_TOO_LARGE) else ()


def _made_in_between(comparison: Comparison) -> Column:
    """Per client exchange: its error is not known to be a backend's."""
    m, (client, backend) = comparison.pairs, comparison.sides
    passed_on = m.answered & (
        client.responses.start[m.client] == backend.responses.start[m.backend]
    )
    made = ~of_a_backend(comparison)
    made[m.client[passed_on]] = False
    return made


def _size_of_request(
    comparison: Comparison, side: Side, found: Gap, failed: Column, worked: Column
) -> Finding:
    table = comparison.table(side)
    reason = _stated(table, failed)
    status = str(int(table.responses.start[failed[0]]))
    field = longest_field(table.requests, table.words, int(failed[0]))
    by_line, by_count = found.part.kind == LINE, found.part.kind == COUNT
    finding = KIND.finding(
        variant(comparison, "request-size", side),
        Severity.LOW,
        Confidence.HIGH if found.worked is not None else Confidence.MEDIUM,
        "{server} answered {count} requests with {status}"
        + (' ("{reason}")' if reason else "")
        + ": "
        + (
            _many(found)
            if by_count
            else _interval(found, "{part}" + (" ({field})" if by_line else ""))
        ),
        _frames(comparison, side, failed),
        note="requests that failed, and their answers",
        remedy=MORE if by_count else LARGER_BODY if found.part.kind == BODY else LARGER,
        server=str(table.endpoint(int(table.servers[table.connection[failed[0]]]))),
        count=len(failed),
        status=status,
        reason=reason or None,
        field=field if by_line else None,
        side=named(comparison, side),
        **_measured(found, len(worked)),
    )
    return compared_with(finding, _worked(comparison, side, worked))


def _interval(found: Gap, part: str) -> str:
    """Between which two sizes the limit lies."""
    if found.worked is None and found.limits:
        return f"unusual is that the {part} has {{failed}} bytes or more, beyond {{limits}} bytes."
    if found.worked is None:
        return f"the {part} has {{failed}} bytes or more."
    others = "{worked} bytes or less" if found.worked else "none"
    limits = " Usual limits in between: {limits} bytes." if found.limits else ""
    return (
        f"the {part} has {{failed}} bytes or more in these, and {others} in the {{good}} that "
        f"worked.{limits}"
    )


def _many(found: Gap) -> str:
    """Between which two numbers of field lines the limit lies."""
    if found.worked is None:
        return "unusual is that the head has {failed} field lines or more, beyond {limits}."
    limits = " Usual limits in between: {limits} field lines." if found.limits else ""
    return (
        "the head has {failed} field lines or more in these, and {worked} or less in the {good} "
        f"that worked.{limits}"
    )


def _measured(found: Gap, worked: int) -> dict[str, int | str | None]:
    return {
        "part": found.part.name,
        "failed": found.failed,
        "worked": found.worked,
        "good": worked if found.worked is not None else None,
        "limits": ", ".join(map(str, found.limits)) or None,
    }


def _form(
    comparison: Comparison,
    side: Side,
    messages: Messages,
    told: Callable[[], Sequence[tuple[str, Column]]],
    failed: Column,
    worked: Column,
    request: bool,
) -> Iterator[Finding]:
    """Forms (`told`) that all messages that failed have and none that worked; without any, fields;
    without these, forms of which each that failed has some.
    """
    table = comparison.table(side)
    unheard = [
        (name, has[failed]) for name, has in told() if has[failed].any() and not has[worked].any()
    ]
    found = [name for name, has in unheard if has.all()]
    found = found or only_in(messages, table.words, failed, worked)
    each = not found and bool(np.any([has for _, has in unheard], axis=0).all())
    if each:
        found = [f"{name} ×{has.sum()}" for name, has in _telling(unheard)]
    if not found:
        return
    status = table.responses.start[failed] if request else np.zeros(0, np.int64)
    finding = KIND.finding(
        variant(comparison, "request-form", side) if request else "response-form",
        Severity.LOW,
        Confidence.MEDIUM,
        (
            "Each of {count} requests that were refused with {status} has something that none of "
            "the {good} that "
            if request and each
            else "{count} requests that {count:was|were} refused with {status} {count:has|have} "
            "what none of the {good} that "
            if request
            else "Each of {count} responses of backends that clients did not get has something "
            "that none of the {good} that "
            if each
            else "{count} responses of backends that clients did not get {count:has|have} what "
            "none of the {good} that "
        )
        + ("worked have: {what}." if request else "were passed on have: {what}."),
        _frames(comparison, side, failed),
        note="messages that failed",
        remedy=LENGTH if request and (status == LENGTH_REQUIRED).all() else COMPARE,
        count=len(failed),
        good=len(worked),
        status=_statuses(status) if request else None,
        what="; ".join(found),
        side=named(comparison, side),
    )
    yield compared_with(finding, _worked(comparison, side, worked))


def _statuses(status: Column) -> str:
    """With what these were refused; how often each, if there are several."""
    every = distinct(status)
    return str(every[0]) if len(every) == 1 else listed(map(str, status.tolist()))


def _telling(unheard: list[tuple[str, Column]]) -> Iterator[tuple[str, Column]]:
    """The forms that say something of a message that no rarer one says anything of."""
    told = np.zeros(len(unheard[0][1]), bool)
    for name, has in sorted(unheard, key=lambda form: int(form[1].sum())):
        if (has & ~told).any():
            told |= has
            yield name, has


class _Replaced(NamedTuple):
    """Backend exchanges that were answered well, and the client exchanges that got an error.
    `paired`: they are known to belong together.
    """

    backend: Column
    client: Column
    paired: bool


def _responses(comparison: Comparison) -> Iterator[Finding]:
    """Responses of backends in whose place clients got an error."""
    table = comparison.table(Side.BACKEND)
    r, m = table.responses, comparison.pairs
    passed_on = m.answered & r.whole_heads[m.backend]
    worked = distinct(m.backend[passed_on & (r.start[m.backend] > 0)])
    replaced = _replaced(comparison)
    failed = replaced.backend[r.whole_heads[replaced.backend]]
    if not len(failed):
        return
    found = gap(Part(HEAD, "head", head_sizes(r, table.words, request=False)), failed, worked)
    if found is None:
        if len(worked):
            told = cache(lambda: list(forms(r, table.words, False)))
            yield from _form(comparison, Side.BACKEND, r, told, failed, worked, request=False)
        return
    client = comparison.table(Side.CLIENT)
    errors = [client.ref(row) for row in replaced.client[:2].tolist()]
    finding = KIND.finding(
        "response-head",
        Severity.MEDIUM,
        Confidence.HIGH if found.worked is not None and replaced.paired else Confidence.MEDIUM,
        (
            "{count} responses of backends did not reach the clients, who got an error: "
            if replaced.paired
            else "{count} responses of backends {count:has|have} no client that got them, and "
            "clients that "
            "asked the same got an error: "
        )
        + _interval(found, "{part}"),
        [
            *(comparison.response_frame(Side.CLIENT, ref) for ref in errors),
            *_frames(comparison, Side.BACKEND, failed),
        ],
        note="errors that clients got, and responses in whose place they stand",
        remedy=ROOM,
        count=len(failed),
        **_measured(found, len(worked)),
    )
    yield compared_with(finding, _worked(comparison, Side.BACKEND, worked))


def _replaced(comparison: Comparison) -> _Replaced:
    """By their pairs; without any, where a client asked the same, got an error, and has no
    partner.
    """
    backend, own = comparison.sides[1], own_answers(comparison)
    tried = own.tried
    good = backend.responses.there & (backend.responses.start < MIN_ERROR)
    known = tried.where((own.status[len(own) - len(tried) :] >= 500) & good[tried.backend])
    if len(known):
        return _Replaced(distinct(known.backend), known.client, paired=True)
    return _alike(comparison, good & backend.requests.there & (backend.responses.start > 0))


def _alike(comparison: Comparison, good: Column) -> _Replaced:
    """Exchanges without a partner, of clients that got an error and of backends that gave none, for
    the same method and target.
    """
    client, backend = comparison.sides
    unknown = UnpairedReason.UNKNOWN
    left = [u for u in comparison.correlation.unpaired if u.reason is unknown]
    asked, given = (
        comparison.numbers(side, [u.ref for u in left if u.side == side]) for side in Side
    )
    asked = asked[client.requests.there[asked] & (client.responses.start[asked] >= 500)]
    given = given[good[given]]
    front, back = _asked_for(client)[asked], _asked_for(backend)[given]
    return _Replaced(given[among(back, front)], asked[among(front, back)], paired=False)


def _asked_for(table: SideTable) -> Column:
    """Per exchange a number for method and target, the same on both sides."""
    key: Column = table.requests.method * len(table.words.texts) + table.requests.start
    return key


def _dropped(comparison: Comparison) -> Iterator[Finding]:
    """Fields whose names are tokens, and that do not reach the backend because of how they are
    spelled: none of them does.
    """
    backend, known = comparison.sides[1], set(comparison.pairs.place.tolist())
    lost = [
        change
        for change in comparison.correlation.changes
        if change.request
        and change.example in known
        and change.kind is ChangeKind.REMOVED
        and not change.hop_by_hop
        and ("_" in change.name or "." in change.name)
        and not backend.requests.heads.having(
            backend.words.fields_named(change.name.lower().__eq__)
        ).any()
    ]
    if lost:
        shown = np.isin(comparison.pairs.place, [change.example for change in lost])
        yield KIND.finding(
            "dropped-names",
            Severity.MEDIUM,
            Confidence.HIGH,
            "Fields with an underscore or a dot in their names do not reach the backend: {names}.",
            comparison.request_frames(comparison.pairs.where(shown)),
            remedy="Let the balancer pass such names on (underscores_in_headers on in nginx), or "
            "name the field with dashes.",
            names=", ".join(f"{c.name} ({c.count} {noun(c.count, 'request')})" for c in lost),
        )


def _interim_as_final(comparison: Comparison) -> Iterator[Finding]:
    """Pairs whose client got an interim response and nothing else, though the backend sent a final
    one.
    """
    (client, backend), m = comparison.sides, comparison.pairs
    unknown = sum(MARKS[mark] for mark in (Mark.LOST, Mark.CAPTURE_ENDED))
    whole = client.of_ends("missing", server=True)[m.client_connection] == 0
    rows = m.where(
        client.interim[m.client]
        & ~client.responses.there[m.client]
        & ((client.marks[m.client] & unknown) == 0)
        & whole
        & backend.responses.there[m.backend]
    )
    if len(rows):
        statuses = [
            str(i.status)
            for pair in rows
            for i in comparison.exchange(Side.CLIENT, pair.client_ref).interim
        ]
        yield KIND.finding(
            "interim-as-final",
            Severity.MEDIUM,
            Confidence.HIGH,
            "{count} clients got an interim response ({statuses}) and nothing behind it, though "
            "the backend sent a final one.",
            comparison.request_frames(rows),
            remedy="The balancer took the interim response for the final one: update it, or let "
            "the backend send none (early hints off).",
            count=len(rows),
            statuses=listed(statuses),
        )


def _frames(comparison: Comparison, side: Side, failed: Column) -> list[FrameRef]:
    """Two messages that failed, with their answers."""
    table = comparison.table(side)
    return [
        look(side, table.ref(row))
        for row in failed[:2].tolist()
        for look in (comparison.request_frame, comparison.response_frame)
    ]


def _worked(comparison: Comparison, side: Side, worked: Column) -> list[FrameRef]:
    """One message that worked."""
    table = comparison.table(side)
    return [comparison.request_frame(side, table.ref(row)) for row in worked[:1].tolist()]


def _stated(table: SideTable, failed: Column) -> str:
    """What the page of the first of these answers gives as the reason; "" if nothing."""
    row = int(failed[0])
    return table.trace_of(row).reason_of(table.exchange(row).response)
