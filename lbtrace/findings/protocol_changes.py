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

import numpy as np

from lbtrace.case import Case, Match, confidence_of, evidence
from lbtrace.fields import field_value
from lbtrace.model.http import Framing, Request, Response
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Protocol changes"
BODY = (Framing.CHUNKED, Framing.CONTENT_LENGTH, Framing.UNTIL_CLOSE)


def find(case: Case) -> Iterator[Finding]:
    """Version, framing of requests and of responses, coding of responses."""
    versions: dict[tuple[str, str], list[Match]] = {}
    framings: dict[tuple[str, str, str], list[Match]] = {}
    codings: dict[tuple[str, str], list[Match]] = {}
    for m, asked, passed in _differing(case):
        if asked.version != passed.version:
            versions.setdefault((asked.version, passed.version), []).append(m)
        before, after = asked.body.framing, passed.body.framing
        if before is not after and before in BODY and after in BODY:
            framings.setdefault(("request", before.value, after.value), []).append(m)
    for m, got, given in _recoded(case):
        before, after = given.body.framing, got.body.framing
        if before is not after and before in BODY and after in BODY:
            framings.setdefault(("response", before.value, after.value), []).append(m)
        was = field_value(given, "Content-Encoding") or "identity"
        now = field_value(got, "Content-Encoding") or "identity"
        if was.lower() != now.lower():
            codings.setdefault((was, now), []).append(m)
    for (front, back), matches in versions.items():
        yield _finding(case, "version", "Requests in {before} are sent to the backend in {after} ({count}).", front, back, matches)
    for (which, was, now), matches in framings.items():
        yield _finding(
            case,
            "framing",
            f"{which.capitalize()} bodies framed by {{before}} are framed by {{after}} after the balancer ({{count}}).",
            was,
            now,
            matches,
        )
    for (was, now), matches in codings.items():
        yield _finding(case, "coding", "The content coding of responses changes from {before} to {after} ({count}).", was, now, matches)
    yield from _interim(case)
    yield from _upgrades(case)


def _differing(case: Case) -> list[tuple[Match, Request, Request]]:
    """The request heads whose version or framing is not the same on both sides."""
    (client, backend), (front, back) = case.sides, case.request_rows
    q, p = client.requests, backend.requests
    differ = (q.version[front] != p.version[back]) | (q.framing[front] != p.framing[back])
    return [case.request_heads[i] for i in np.flatnonzero(differ).tolist()]


def _recoded(case: Case) -> list[tuple[Match, Response, Response]]:
    """The response heads whose framing is not the same on both sides, or of which any names a content coding."""
    (client, backend), (front, back) = case.sides, case.response_rows
    r, s = client.responses, backend.responses
    coded = [m.having(t.words, "content-encoding") for m, t in ((r, client), (s, backend))]
    differ = (r.framing[front] != s.framing[back]) | coded[0][front] | coded[1][back]
    return [case.response_heads[i] for i in np.flatnonzero(differ).tolist()]


def _upgrades(case: Case) -> Iterator[Finding]:
    """Connections that left HTTP after a 101 or CONNECT, on both sides or on one only."""
    both: list[Match] = []
    one: list[Match] = []
    names: Counter[str] = Counter()
    (client, _), (asked, _) = case.sides, case.rows
    left = (client.responses.start[asked] == 101) | (client.requests.method[asked] == client.words.texts.get("CONNECT", -1))
    for m in map(case.matches.__getitem__, np.flatnonzero(left).tolist()):
        front = case.clients[m.pair.client.point].applications[m.front.connection].upgraded
        back = case.backends[m.backend.point].applications[m.back.connection].upgraded
        status = m.front.response.status if m.front.response is not None else 0
        if (front or back) and (status == 101 or (m.front.request is not None and m.front.request.method == "CONNECT")):
            if not (front and back) and (m.front.response is None or m.back.response is None):
                continue  # where the answer is not in the capture, what became of the connection is unknown
            names[front or back] += 1
            (both if front and back else one).append(m)
    for matches, slug, statement in (
        (both, "upgrade", "Connections left HTTP for {names} on both sides ({count}); from there on the balancer passes bytes on."),
        (one, "upgrade-one-side", "Connections left HTTP for {names} on one side only ({count})."),
    ):
        if matches:
            yield Finding(
                f"protocol-changes.{slug}",
                TITLE,
                Severity.INFO,
                confidence_of(matches),
                statement,
                (Value("count", len(matches), "count"), Value("names", ", ".join(names))),
                evidence(case.request_frames(matches)),
            )


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
    """Interim responses that are on one side only: a balancer may answer Expect: 100-continue itself. One may be among bytes that were
    not captured."""
    own, kept = [], []
    statuses: Counter[int] = Counter()
    (client, backend), (here, there) = case.sides, case.rows
    for m in map(case.matches.__getitem__, np.flatnonzero(client.interim[here] | backend.interim[there]).tolist()):
        front, back = {i.status for i in m.front.interim}, {i.status for i in m.back.interim}
        if front - back and not m.back_connection.from_server.missing:
            own.append(m)
            statuses.update(front - back)
        elif back - front and not m.front_connection.from_server.missing:
            kept.append(m)
            statuses.update(back - front)
    for matches, slug, statement in (
        (own, "interim-own", "The balancer itself sent {statuses} before the final response ({count} times); the backend did not."),
        (kept, "interim-kept", "The backend sent {statuses} before the final response ({count} times); the balancer kept it to itself."),
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
