"""Retries and duplicates.

Meaning:
    Requests that reached a backend more than once: retried after a failure, hedged, or copied. A
    request that is not idempotent (POST, PATCH; RFC 9110 §9.2.2) and is sent twice may have been
    executed twice.
Decided by:
    Pairs with several attempts, by the outcome of each attempt. If nearly every request reaches
    several backends and every copy is answered, the balancer mirrors traffic. An answer that was
    not used, of a status after which balancers try again, shows no mirror. A backend exchange
    without a client that repeats another one is a copy, too.
Evidence:
    The client's request and each attempt.
Remedy:
    Do not let the balancer repeat requests that are not idempotent. nginx repeats them only with
    `non_idempotent`; HAProxy repeats only after a failed connection, unless `retry-on` allows more.
    Idempotency keys make repetition harmless.
Variants:
    mirrored: requests sent to several backends at once.
    not-idempotent: a request that may have been carried out twice.
    repeated: other requests sent more than once.
    copies: backend exchanges that nobody waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, Pairs
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import RETRIED
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import CONFIDENCES, AttemptOutcome, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct, first_met, spans
from lbtrace.tables.pairs import OUTCOMES, PairTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.END)
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
HOW = {
    AttemptOutcome.RESET: "the first attempt was reset",
    AttemptOutcome.CLOSED: "the first attempt's connection was closed",
    AttemptOutcome.TIMEOUT: "the first attempt was not answered in time",
    AttemptOutcome.SUPERSEDED: "the first attempt was answered, but its answer was not used",
    AttemptOutcome.COPY: "the first one was a copy",
    AttemptOutcome.UNKNOWN: "the end of the first attempt is not in the capture",
    AttemptOutcome.ANSWERED: "the first attempt was answered",
    AttemptOutcome.EITHER: "all were answered, and which of the answers the client got is not "
    "shown",
}
COPIED = {
    AttemptOutcome.ANSWERED,
    AttemptOutcome.SUPERSEDED,
    AttemptOutcome.EITHER,
    AttemptOutcome.COPY,
}  # how copies of mirrored traffic end, if the answer was no reason to ask again
MIN_COPIED = 3  # requests that were sent at once as copies: fewer show no mirror
REMEDY = (
    "Do not let the balancer repeat requests that are not idempotent, or give them "
    "idempotency keys."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Repeated requests by idempotency, and copies."""
    client, m = comparison.sides[0], comparison.asked_pairs
    several = m.where(m.attempts > 1)
    tries = _tries(comparison, several)
    idempotent = [client.words.texts.get(method, -1) for method in sorted(IDEMPOTENT)]
    other = ~np.isin(client.requests.method[several.client], idempotent)
    tried = tries.outcome != OUTCOMES.index(AttemptOutcome.COPY)
    unsafe = other & (tries.number(_reached(comparison, tries) & tried) > 1)
    safe = ~unsafe & (tries.number(tried) > 1)
    mirrored = tries.number(_copied(comparison, tries)) == several.attempts
    # where nearly every request is sent twice and most are copies, the others may be copies, too
    if (
        mirrored.sum() >= MIN_COPIED
        and 2 * mirrored.sum() >= len(several)
        and 10 * len(several) >= 9 * len(m)
    ):
        yield _mirrored(comparison, several.where(mirrored))
        safe[:] = unsafe[:] = False
    for wanted, variant, severity, remedy in (
        (unsafe, "not-idempotent", Severity.HIGH, REMEDY),
        (safe, "repeated", Severity.LOW, ""),
    ):
        if wanted.any():
            yield _finding(
                comparison, variant, severity, several.where(wanted), tries.of(wanted), remedy
            )
    copies = [
        u
        for u in comparison.correlation.unpaired
        if u.side == Side.BACKEND and u.reason is UnpairedReason.COPY
    ]
    if copies:
        yield KIND.finding(
            "copies",
            Severity.INFO,
            min(u.confidence for u in copies),
            "Backend exchanges that are copies of others, with no client waiting for them: "
            "{count} (mirrored or warm-up traffic).",
            (comparison.request_frame(Side.BACKEND, u.ref) for u in copies[:FRAMES_PER_SIDE]),
            count=len(copies),
        )


class _Tries(NamedTuple):
    """One row per attempt of some pairs, in order."""

    match: Column  # which of the pairs it belongs to
    backend: Column  # the backend exchange
    outcome: Column  # as in a PairTable
    pairs: int

    def number(self, wanted: Column) -> Column:
        """How many of the attempts of each match are wanted."""
        return np.bincount(self.match[wanted], minlength=self.pairs)

    def of(self, wanted: Column) -> _Tries:
        """Those of wanted pairs."""
        rows = wanted[self.match]
        return _Tries(
            np.cumsum(wanted)[self.match[rows]] - 1,
            self.backend[rows],
            self.outcome[rows],
            int(wanted.sum()),
        )


def _tries(comparison: Comparison, pairs: Pairs) -> _Tries:
    """Every attempt of some pairs."""
    table = PairTable.of(comparison.correlation.pairs)
    at = spans(table.first[pairs.place], pairs.attempts)
    backend = comparison.sides[1].numbers(table.backend_point[at], table.backend[at])
    return _Tries(
        np.repeat(np.arange(len(pairs)), pairs.attempts),
        backend,
        table.outcome[at],
        len(pairs),
    )


def _copied(comparison: Comparison, tries: _Tries) -> Column:
    """Attempts that ended as copies do. An answer that was not used may be why the next attempt was
    made, if its status is one to try again after: it shows no copy.
    """
    answers = comparison.sides[1].responses
    unused = tries.outcome == OUTCOMES.index(AttemptOutcome.SUPERSEDED)
    failed = answers.there[tries.backend] & np.isin(answers.start[tries.backend], RETRIED)
    copied: Column = np.isin(tries.outcome, [OUTCOMES.index(o) for o in COPIED]) & ~(
        unused & failed
    )
    return copied


def _reached(comparison: Comparison, tries: _Tries) -> Column:
    """Attempts whose request was sent whole, so that a backend could have carried it out."""
    requests = comparison.sides[1].requests
    reached: Column = (requests.whole_heads & requests.complete)[tries.backend]
    return reached


def _mirrored(comparison: Comparison, pairs: Pairs) -> Finding:
    backend, answered = comparison.sides[1], pairs.where(pairs.answered)
    servers = Counter(backend.servers[answered.backend_connection].tolist())
    untold = len(pairs) - len(answered)
    which = [
        f"the clients got the answers of {backend.endpoint(server)} ({count})"
        for server, count in servers.most_common()
    ]
    which += [f"which of the answers the clients got is not shown ({untold})"] if untold else []
    return KIND.finding(
        "mirrored",
        Severity.INFO,
        CONFIDENCES[pairs.rank.min()],
        "Sent to backends {most} times at once, and answered as often: {count} of {of} requests "
        "(mirrored traffic); {which}.",
        _frames(comparison, pairs),
        most=int(pairs.attempts.max()),
        count=len(pairs),
        of=len(comparison.asked_pairs),
        which="; ".join(which),
    )


def _frames(comparison: Comparison, pairs: Pairs) -> Iterator[FrameRef]:
    for m in pairs[:2]:
        yield comparison.request_frame(Side.CLIENT, m.client_ref)
        yield from (comparison.request_frame(Side.BACKEND, a.backend) for a in m.found.attempts[:3])


def _finding(
    comparison: Comparison,
    variant: str,
    severity: Severity,
    pairs: Pairs,
    tries: _Tries,
    remedy: str,
) -> Finding:
    client, backend = comparison.sides
    asked = client.requests.method[pairs.client]
    methods = Counter(client.words.text_list[method] for method in asked.tolist())
    first, _ = first_met(tries.match)
    outcomes = Counter(OUTCOMES[outcome] for outcome in tries.outcome[first].tolist())
    targets = distinct(backend.servers[backend.connection[tries.backend]])
    return KIND.finding(
        variant,
        severity,
        CONFIDENCES[pairs.rank.min()],
        "The balancer sent {count} of {of} requests ({methods}) "
        + ("twice" if pairs.attempts.max() == 2 else "up to {most} times")
        + (", all to one backend" if len(targets) == 1 else ", to {targets} backends")
        + ": {how}.",
        _frames(comparison, pairs),
        count=len(pairs),
        of=len(comparison.asked_pairs),
        methods=", ".join(method for method, _ in methods.most_common(5)),
        most=int(pairs.attempts.max()),
        targets=len(targets),
        how="; ".join(f"{HOW[o]} ({n})" for o, n in outcomes.most_common()),
        remedy=remedy,
    ).about(comparison.asked(Side.CLIENT, pairs.client))
