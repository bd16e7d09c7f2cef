"""Responses passed through.

Meaning:
    Whether the response a client got is the response the backend gave: the same status, the same end-to-end header fields, the same body.
Decided by:
    Comparing both responses of every answered pair. Bodies are compared by digest after removing the transfer framing, and after
    decoding when only the content coding differs. A body that is not whole in both captures is unknown, never different.
Evidence:
    The responses of example pairs on both sides.
Remedy:
    When bodies or statuses differ: look for a rewriting, compressing or error-page rule at the balancer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from lbtrace.case import Case, Match, confidence_of, evidence
from lbtrace.fields import field_value
from lbtrace.model.http import Response
from lbtrace.model.pairing import ChangeKind
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Responses passed through"
Told = TypeVar("Told")


def find(case: Case) -> Iterator[Finding]:
    """Statuses, then bodies; each as passed through, or as changed with the number of cases."""
    answered = [m for m in case.matches if m.answered and m.front.response is not None and m.back.response is not None]
    if not answered:
        return
    statuses = _of_groups(answered, lambda response: {response.status})
    changed_status = [m for m in answered if _response(m.front.response).status not in _statuses(m, statuses)]
    if changed_status:
        yield _finding(
            case,
            "responses.status",
            Severity.MEDIUM,
            changed_status,
            len(answered),
            "The client got another status than the backend gave in {count} of {of} responses, "
            "for example {client_status} for {backend_status}.",
            (
                Value("client_status", str(_response(changed_status[0].front.response).status)),
                Value("backend_status", str(_response(changed_status[0].back.response).status)),
            ),
        )
    told = [(m, same_body(_response(m.front.response), _response(m.back.response))) for m in answered]
    contents = _of_groups(answered, _contents)
    # among interchangeable pairs the body may be another one's of the group, or one that is not known
    different = [
        m
        for m, same in told
        if same is False and (m.pair.group is None or contents[m.pair.group].isdisjoint({None, *_contents(_response(m.front.response))}))
    ]
    if different:
        yield _finding(
            case,
            "responses.body",
            Severity.MEDIUM,
            different,
            len(answered),
            "The client got another body than the backend sent in {count} of {of} responses.",
        )
    form = (ChangeKind.REORDERED, ChangeKind.RECASED)
    altered = any(not c.request and not c.hop_by_hop and c.kind not in form for c in case.correlation.changes)
    same = [m for m, equal in told if equal is True]
    if not changed_status and not different and same:
        unknown = len(answered) - len(same)
        recoded = sum(_response(m.front.response).body.digest != _response(m.back.response).body.digest for m in same)
        fields = " Some header fields differ: see the response header fields." if altered else " No end-to-end header field was changed."
        yield _finding(
            case,
            "responses.unchanged",
            Severity.INFO,
            same,
            len(answered),
            "Status and body reached the client unchanged in {count} of {of} responses"
            + (", bodies after content decoding in {recoded} of them" if recoded else "")
            + (" ({unknown} could not be compared)." if unknown else ".")
            + fields,
            (Value("unknown", unknown, "count"), Value("recoded", recoded, "count")),
        )


def _of_groups(answered: Sequence[Match], told: Callable[[Response], set[Told]]) -> dict[int, set[Told]]:
    """Group of interchangeable pairs → what is told of its backend responses."""
    found: dict[int, set[Told]] = {}
    for m in answered:
        if m.pair.group is not None:
            found.setdefault(m.pair.group, set()).update(told(_response(m.back.response)))
    return found


def _statuses(match: Match, of_groups: Mapping[int, set[int]]) -> set[int]:
    """The statuses that the backend may have given for this match."""
    group = match.pair.group
    return {_response(match.back.response).status} if group is None else of_groups[group]


def _contents(response: Response) -> set[str | None]:
    """The digests of a body, before and after decoding; None among them when it is not known."""
    body = response.body
    return {None} if not body.complete else {body.digest, _content_digest(response)}


def _response(response: Response | None) -> Response:
    assert response is not None  # `answered` holds none without
    return response


def same_body(front: Response, back: Response) -> bool | None:
    """Whether two responses carry the same content; None when a capture does not hold one of them whole, or a content coding
    cannot be undone."""
    if not front.body.complete or not back.body.complete or front.body.digest is None or back.body.digest is None:
        return None
    if front.body.digest == back.body.digest:
        return True
    contents = [_content_digest(front), _content_digest(back)]
    return None if None in contents else contents[0] == contents[1]


def _content_digest(response: Response) -> str | None:
    if (field_value(response, "Content-Encoding") or "identity").lower() == "identity":
        return response.body.digest
    return response.body.content_digest


def _finding(
    case: Case, slug: str, severity: Severity, matches: Sequence[Match], of: int, statement: str, more: tuple[Value, ...] = ()
) -> Finding:
    return Finding(
        slug,
        TITLE,
        severity,
        confidence_of(matches),
        statement,
        (Value("count", len(matches), "count"), Value("of", of, "count"), *more),
        evidence(case.response_frames(matches)),
        "Look for a rule at the balancer that rewrites or compresses bodies, or replaces error pages."
        if severity is Severity.MEDIUM
        else "",
    )
