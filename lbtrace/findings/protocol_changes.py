"""Protocol changes.

Meaning:
    What the balancer translates between the two hops: the HTTP version, the framing of bodies (chunked or Content-Length), the content
    coding of responses. All are legal; HTTP/1.0 towards the backend costs keep-alive and chunked bodies.
Decided by:
    Comparing both messages of every pair after framing and coding are taken off, so that only the form differs.
Evidence:
    Example messages on both sides.
Remedy:
    For HTTP/1.0 towards the backend: `proxy_http_version 1.1` (nginx before 1.29.7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lbtrace.case import Case, Match, confidence_of, evidence, field_value
from lbtrace.model.http import Framing
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Protocol changes"
BODY = (Framing.CHUNKED, Framing.CONTENT_LENGTH, Framing.UNTIL_CLOSE)


def find(case: Case) -> Iterator[Finding]:
    """Version, framing of requests and of responses, coding of responses."""
    versions: dict[tuple[str, str], list[Match]] = {}
    framings: dict[tuple[str, str, str], list[Match]] = {}
    codings: dict[tuple[str, str], list[Match]] = {}
    for m in case.matches:
        if m.front.request is not None and m.back.request is not None:
            if m.front.request.version != m.back.request.version:
                versions.setdefault((m.front.request.version, m.back.request.version), []).append(m)
            before, after = m.front.request.body.framing, m.back.request.body.framing
            if before is not after and before in BODY and after in BODY:
                framings.setdefault(("request", before.value, after.value), []).append(m)
        if m.answered and m.front.response is not None and m.back.response is not None:
            before, after = m.back.response.body.framing, m.front.response.body.framing
            if before is not after and before in BODY and after in BODY:
                framings.setdefault(("response", before.value, after.value), []).append(m)
            was = field_value(m.back.response, "Content-Encoding") or "identity"
            now = field_value(m.front.response, "Content-Encoding") or "identity"
            if was.lower() != now.lower():
                codings.setdefault((was, now), []).append(m)
    for (front, back), matches in versions.items():
        yield _finding(case, "version", "{count} requests in {before} are sent to the backend in {after}.", front, back, matches)
    for (which, was, now), matches in framings.items():
        yield _finding(
            case,
            "framing",
            f"The body of {{count}} {which}s, framed by {{before}}, is framed by {{after}} after the balancer.",
            was,
            now,
            matches,
        )
    for (was, now), matches in codings.items():
        yield _finding(case, "coding", "The content coding of {count} responses changes from {before} to {after}.", was, now, matches)
    yield from _interim(case)


def _finding(case: Case, what: str, statement: str, before: str, after: str, matches: list[Match]) -> Finding:
    frames = case.response_frames(matches) if what != "version" else case.request_frames(matches)
    old = what == "version" and after == "HTTP/1.0"
    return Finding(
        f"protocol-changes.{what}",
        TITLE,
        Severity.LOW if old else Severity.INFO,
        confidence_of(matches),
        statement,
        (Value("count", len(matches), "count"), Value("before", before), Value("after", after)),
        evidence(frames),
        "Speak HTTP/1.1 to the backend to keep connections open: proxy_http_version 1.1 (nginx before 1.29.7)." if old else "",
    )


def _interim(case: Case) -> Iterator[Finding]:
    """Interim responses that are on one side only: a balancer may answer Expect: 100-continue itself."""
    own, kept = [], []
    statuses: Counter[int] = Counter()
    for m in case.matches:
        front, back = {i.status for i in m.front.interim}, {i.status for i in m.back.interim}
        if front - back:
            own.append(m)
            statuses.update(front - back)
        elif back - front:
            kept.append(m)
            statuses.update(back - front)
    for matches, slug, statement in (
        (own, "interim-own", "The balancer itself sent {statuses} before the response in {count} exchanges; the backend did not."),
        (kept, "interim-kept", "The backend sent {statuses} before the response in {count} exchanges; the balancer kept it to itself."),
    ):
        if matches:
            yield Finding(
                f"protocol-changes.{slug}",
                TITLE,
                Severity.INFO,
                confidence_of(matches),
                statement,
                (Value("count", len(matches), "count"), Value("statuses", ", ".join(map(str, sorted(statuses))))),
                evidence(case.request_frames(matches)),
            )
