"""Retries and duplicates.

Meaning:
    Requests that reached a backend more than once: tried again after a failure, hedged, or copied. A request that is not idempotent (POST,
    PATCH; RFC 9110 §9.2.2) and is sent twice may have been carried out twice.
Decided by:
    Pairs with several attempts, by the outcome of each. Where nearly every request reaches backends several times, and every copy is
    answered, the balancer mirrors traffic. Backend exchanges that repeat another one without a client are copies, too.
Evidence:
    The client's request and each attempt.
Remedy:
    Do not let the balancer repeat requests that are not idempotent: nginx does not unless told `non_idempotent`; HAProxy
    repeats after a failed connection only, unless `retry-on` says more. Idempotency keys make repeating harmless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lbtrace.case import FRAMES_PER_SIDE, RANK, Case, Match, evidence, plural
from lbtrace.model.http import Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, UnpairedReason
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Retries and duplicates"
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
HOW = {
    AttemptOutcome.RESET: "the first attempt was reset",
    AttemptOutcome.CLOSED: "the first attempt's connection was closed",
    AttemptOutcome.TIMEOUT: "the first attempt was not answered in time",
    AttemptOutcome.SUPERSEDED: "the first attempt was answered, but its answer was not used",
    AttemptOutcome.UNKNOWN: "the end of the first attempt is not in the capture",
    AttemptOutcome.ANSWERED: "the first attempt was answered",
    AttemptOutcome.EITHER: "all were answered, and which of the answers the client got is not shown",
}
COPIED = {AttemptOutcome.ANSWERED, AttemptOutcome.SUPERSEDED, AttemptOutcome.EITHER}  # how copies of mirrored traffic end
FEW = 3  # requests: fewer are no habit
REMEDY = "Do not let the balancer repeat requests that are not idempotent, or give them idempotency keys."


def find(case: Case) -> Iterator[Finding]:
    """Repeated requests by idempotency, and copies."""
    several = [m for m in case.matches if len(m.pair.attempts) > 1]
    unsafe = [m for m in several if m.front.request is not None and m.front.request.method not in IDEMPOTENT and _reached(case, m) > 1]
    places = {m.place for m in unsafe}
    mirrored = [m for m in several if all(a.outcome in COPIED for a in m.pair.attempts)]
    if len(mirrored) >= FEW and 10 * len(mirrored) >= 9 * len(case.matches):
        yield _mirrored(case, mirrored)
        places |= {m.place for m in mirrored}
    safe = [m for m in several if m.place not in places]
    if unsafe:
        yield _finding(case, "retries.not-idempotent", Severity.HIGH, unsafe, REMEDY)
    if safe:
        yield _finding(case, "retries.repeated", Severity.LOW, safe, "")
    copies = [u for u in case.correlation.unpaired if u.side == Side.BACKEND and u.reason is UnpairedReason.COPY]
    if copies:
        yield Finding(
            "retries.copies",
            TITLE,
            Severity.INFO,
            min((u.confidence for u in copies), key=lambda c: RANK[c]),
            "Backend exchanges that are copies of others, with no client waiting for them: {count} (mirrored or warm-up traffic).",
            (Value("count", len(copies), "count"),),
            evidence(case.request_frame(Side.BACKEND, u.ref) for u in copies[:FRAMES_PER_SIDE]),
        )


def _mirrored(case: Case, matches: Sequence[Match]) -> Finding:
    servers = Counter(case.connection_of(Side.BACKEND, m.backend).server for m in matches if m.answered)
    untold = sum(not m.answered for m in matches)
    which = [f"the clients got the answers of {server} ({count})" for server, count in servers.most_common()]
    which += [f"which of the answers the clients got is not shown ({untold})"] if untold else []
    return Finding(
        "retries.mirrored",
        TITLE,
        Severity.INFO,
        min((m.pair.confidence for m in matches), key=lambda c: RANK[c]),
        "Sent to backends {most} times at once, and answered as often: {count} of {of} requests (mirrored traffic); {which}.",
        (
            Value("most", max(len(m.pair.attempts) for m in matches), "count"),
            Value("count", len(matches), "count"),
            Value("of", len(case.matches), "count"),
            Value("which", "; ".join(which)),
        ),
        evidence(_frames(case, matches)),
    )


def _frames(case: Case, matches: Sequence[Match]) -> Iterator[FrameRef]:
    for m in matches[:2]:
        yield case.request_frame(Side.CLIENT, m.pair.client)
        yield from (case.request_frame(Side.BACKEND, a.backend) for a in m.pair.attempts[:3])


def _reached(case: Case, match: Match) -> int:
    """Attempts whose request was sent whole, so that a backend could have carried it out."""
    whole = 0
    for attempt in match.pair.attempts:
        request = case.exchange(Side.BACKEND, attempt.backend).request
        whole += request is not None and Mark.HEAD_TRUNCATED not in request.marks and request.body.complete
    return whole


def _finding(case: Case, slug: str, severity: Severity, matches: Sequence[Match], remedy: str) -> Finding:
    methods = Counter(m.front.request.method for m in matches if m.front.request is not None)
    outcomes = Counter(m.pair.attempts[0].outcome for m in matches)
    targets = {case.connection_of(Side.BACKEND, a.backend).server for m in matches for a in m.pair.attempts}
    return Finding(
        slug,
        TITLE,
        severity,
        min((m.pair.confidence for m in matches), key=lambda c: RANK[c]),
        "Sent to a backend more than once: {count} ({methods}), up to {most} times each, to {targets} different "
        + plural(len(targets), "backend")
        + "; {how}.",
        (
            Value("count", len(matches), "count"),
            Value("methods", ", ".join(method for method, _ in methods.most_common(5))),
            Value("most", max(len(m.pair.attempts) for m in matches), "count"),
            Value("targets", len(targets), "count"),
            Value("how", "; ".join(f"{HOW[o]} ({n})" for o, n in outcomes.most_common())),
        ),
        evidence(_frames(case, matches)),
        remedy,
    )
