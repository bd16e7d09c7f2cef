"""Responses passed through.

Meaning:
    Whether the client got the response that the backend gave: the same status, the same end-to-end
    header fields, the same body.
Decided by:
    Both responses of every answered pair are compared. Bodies are compared by digest, without
    transfer coding; if only the content coding differs, after decoding. A body that is not complete
    in both captures is unknown, never different. If a cache answers a conditional request or a
    range request, a 304 or a part may stand for the whole, or the whole for them; that is no
    difference.
Evidence:
    The responses of example pairs on both sides.
Remedy:
    If bodies or statuses differ, look for a rule at the balancer that rewrites, compresses or
    replaces error pages.
Variants:
    status: another status than the backend's.
    from-copy: a status that a copy in a cache explains.
    body: another body.
    unchanged: neither differs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, Pairs, confidence_of, field_values
from lbtrace.comparison.not_compared import responses_not_compared
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import CONTENT_ENCODING
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.pairing import ChangeKind
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.messages import Messages

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE,)
REMEDY = (
    "Look for a rule at the balancer that rewrites or compresses bodies, or replaces error pages."
)
SAME, OTHER, UNKNOWN = range(3)
NO_DIGEST = 0
PARTIAL_CONTENT = 206
# (what the client got, what the backend gave): RFC 9110 §13 (conditional requests) and §14
# (ranges), RFC 9111 §4.3
BY_COPY = ((304, 200), (200, 304), (200, 206), (206, 200))
REWRITTEN = (
    "The client got another status than the backend gave in {count} of {of} responses, "
    "for example {client_status} for {backend_status}."
)
FROM_COPY = (
    "In {count} of {of} responses the client got a part, or 304 for what it has, where the "
    "backend gave the whole, or the other way round, "
    "for example {client_status} for {backend_status}: the balancer answers conditional and "
    "range requests from a copy."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Statuses, then bodies; each as passed through, or as changed with the number of cases."""
    (client, backend), every = comparison.sides, comparison.pairs
    got, gave = client.responses, backend.responses
    answered = every.where(every.answered & got.there[every.client] & gave.there[every.backend])
    if not len(answered):
        return
    status, given = client.status[answered.client], backend.status[answered.backend]
    # among interchangeable pairs it may be another one's of the group
    changed = (status != given) & ~_in_group(answered, status, answered.group, given)
    by_copy = changed & np.isin(
        status * 1000 + given, [client * 1000 + backend for client, backend in BY_COPY]
    )
    rewritten = changed & ~by_copy
    yield from _other_status(comparison, answered, by_copy, "from-copy", Severity.INFO, FROM_COPY)
    yield from _other_status(comparison, answered, rewritten, "status", Severity.MEDIUM, REWRITTEN)
    bodies = _bodies(comparison, answered)
    bodies[(bodies == OTHER) & (by_copy | (given == PARTIAL_CONTENT))] = (
        UNKNOWN  # a part, or nothing, is no other body
    )
    different = answered.where(bodies == OTHER)
    if len(different):
        yield KIND.finding(
            "body",
            Severity.MEDIUM,
            confidence_of(different),
            "The client got another body than the backend sent in {count} of {of} responses.",
            comparison.response_frames(different),
            count=len(different),
            of=len(answered),
            remedy=REMEDY,
        )
    form = (ChangeKind.REORDERED, ChangeKind.RECASED)
    altered = any(
        not c.request and not c.hop_by_hop and c.kind not in form
        for c in comparison.correlation.changes
    )
    same = answered.where(bodies == SAME)
    if not rewritten.any() and not len(different) and len(same):
        left = responses_not_compared(comparison, answered)
        unknown = len(answered) - len(same) + left
        recoded = int((got.digest[same.client] != gave.digest[same.backend]).sum())
        fields = (
            " Some header fields differ: see the response header fields."
            if altered
            else " No end-to-end header field was changed."
        )
        yield KIND.finding(
            "unchanged",
            Severity.INFO,
            confidence_of(same),
            "Status and body reached the client unchanged in {count} of {of} responses"
            + (", bodies after content decoding in {recoded} of them" if recoded else "")
            + (" ({unknown} could not be compared)." if unknown else ".")
            + fields,
            comparison.response_frames(same),
            count=len(same),
            of=len(answered) + left,
            unknown=unknown,
            recoded=recoded,
        )


def _other_status(
    comparison: Comparison,
    answered: Pairs,
    which: Column,
    variant: str,
    severity: Severity,
    statement: str,
) -> Iterator[Finding]:
    """Some of the answered, with the statuses of the first as an example."""
    if not which.any():
        return
    pairs = answered.where(which)
    got, gave = pairs[0].responses
    yield KIND.finding(
        variant,
        severity,
        confidence_of(pairs),
        statement,
        comparison.response_frames(pairs),
        count=len(pairs),
        of=len(answered),
        client_status=str(got.status),
        backend_status=str(gave.status),
        remedy=REMEDY if severity is Severity.MEDIUM else "",
    )


def _in_group(pairs: Pairs, wanted: Column, groups: Column, values: Column) -> Column:
    """Per pair whether it is interchangeable with others, and the wanted value is a value of one of
    its group.
    """
    size = int(max(wanted.max(initial=0), values.max(initial=0))) + 1
    found: Column = ~pairs.alone & among(pairs.group * size + wanted, groups * size + values)
    return found


def _bodies(comparison: Comparison, answered: Pairs) -> Column:
    """Whether two responses carry the same content: SAME, OTHER, or UNKNOWN when a capture does not
    hold one of them whole, a content coding cannot be undone, or the body may be another one's of
    the group or one that is not known.
    """
    coding = field_values(comparison, CONTENT_ENCODING, response=True)
    plain = np.array([(text or "identity").lower() == "identity" for text in coding.texts], bool)
    got, gave = comparison.sides[0].responses, comparison.sides[1].responses
    client, backend = answered.client, answered.backend
    sent, arrived = (
        _content(m, plain[code])[rows]
        for m, code, rows in ((gave, coding.backend, backend), (got, coding.client, client))
    )
    complete = got.complete[client] & gave.complete[backend]
    known = complete & (got.digest[client] != NO_DIGEST) & (gave.digest[backend] != NO_DIGEST)
    same = known & (
        (got.digest[client] == gave.digest[backend]) | ((sent == arrived) & (sent != NO_DIGEST))
    )
    other = known & ~same & (sent != NO_DIGEST) & (arrived != NO_DIGEST)
    # the digests of the bodies of a group, before and after decoding; NO_DIGEST stands for a body
    # that was not captured whole
    groups = np.concatenate((answered.group, answered.group))
    digests = np.where(
        np.tile(gave.complete[backend], 2), np.concatenate((gave.digest[backend], sent)), NO_DIGEST
    )
    for digest in (np.full(len(answered), NO_DIGEST), got.digest[client], arrived):
        other &= ~_in_group(answered, digest, groups, digests)
    return np.select([same, other], [SAME, OTHER], UNKNOWN)


def _content(messages: Messages, plain: Column) -> Column:
    """Per message the digest of its body without content coding, or NO_DIGEST."""
    return np.where(plain, messages.digest, messages.content_digest)
