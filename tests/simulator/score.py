"""A correlation and the truth → what was right, what was declared interchangeable, and what was
confidently wrong: pairs of exchanges, pairs of connections, and reasons why something has no
partner.

A pair counts as *confident* when it stands alone (no group) with confidence medium or better.
Within a group only the set has to be right: the backend exchanges its pairs hold must be those that
its client exchanges caused, unless one of its pairs is LOW (then even that is not claimed).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from lbtrace.match.exchange_times import same_body
from lbtrace.model.pairing import (
    AttemptOutcome,
    Confidence,
    Correlation,
    ExchangePair,
    Ref,
    Unpaired,
    UnpairedReason,
)
from tests.simulator.roles import Recording

CONFIDENT = (Confidence.CERTAIN, Confidence.HIGH, Confidence.MEDIUM)
ABSENT = (UnpairedReason.NEVER_ANSWERED, UnpairedReason.OUTSIDE_OTHER_CAPTURE)


@dataclass(slots=True)
class Score:
    """Counts of client exchanges. `caused`: those the backend captures show a partner of."""

    caused: int = 0
    right: int = 0  # confident, alone, and the answered attempt is the true one
    grouped: int = 0  # declared interchangeable
    grouped_right: int = 0  # … and right all the same
    unsure: int = 0  # paired with low confidence
    missed: int = 0
    wrong: int = 0  # confident and wrong: unforgivable
    wrong_groups: int = 0  # groups of medium confidence whose set is not the true one
    attempts: int = 0  # attempts in truth beside the answered one
    attempts_found: int = 0
    attempts_wrong: int = 0
    checks: int = 0
    checks_found: int = 0
    checks_wrong: int = 0
    own: int = 0
    own_found: int = 0
    own_wrong: int = 0
    copies: int = 0
    copies_found: int = 0
    mates: int = 0  # client connections whose bytes or requests went over one backend connection
    mates_found: int = 0
    mates_wrong: int = 0
    reasons_wrong: int = 0

    @property
    def precision(self) -> float:
        """Of the confident pairs, the share that is right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of the client exchanges with a partner, the share paired rightly and alone."""
        return self.right / self.caused if self.caused else 1.0

    @property
    def covered(self) -> float:
        """The same, counting declared interchangeable sets."""
        return (self.right + self.grouped) / self.caused if self.caused else 1.0


def score(recorded: Recording, found: Correlation) -> tuple[Score, list[str]]:
    """The counts, and a line for each confident mistake."""
    out = Score()
    said: list[str] = []
    groups: dict[int, list[ExchangePair]] = defaultdict(list)
    out.caused = sum(1 for bs in recorded.truth.values() if bs)
    paired: set[Ref] = set()
    for p in found.pairs:
        paired.add(p.client)
        truth = recorded.truth.get(p.client, ())
        mine = [a.backend for a in p.attempts]
        if p.group is not None:
            groups[p.group].append(p)
            out.grouped += bool(truth)
            out.grouped_right += mine[-1] in truth
            continue
        right = bool(truth) and set(mine) <= set(truth) and _answer_right(recorded, p)
        if p.confidence not in CONFIDENT:
            out.unsure += bool(truth)
        elif right:
            out.right += 1
        else:
            out.wrong += 1
            said.append(f"{p} but truth is {truth}")
        out.attempts_found += len(set(mine) & set(truth)) - bool(set(mine) & set(truth))
    for number, pairs in groups.items():
        if any(p.confidence not in CONFIDENT for p in pairs):
            continue
        claimed = sorted(a.backend for p in pairs for a in p.attempts)
        caused = {b for p in pairs for b in recorded.truth.get(p.client, ())}
        if not set(claimed) <= caused:
            out.wrong_groups += 1
            said.append(
                f"group {number} of {len(pairs)}: {sorted(set(claimed) - caused)[:5]} are caused "
                "by none of it"
            )
    out.attempts = sum(max(len(bs) - 1, 0) for bs in recorded.truth.values())
    out.missed = sum(1 for c, bs in recorded.truth.items() if bs and c not in paired)
    _reasons(recorded, found, out, said)
    _connections(recorded, found, out, said)
    return out, said


def _answer_right(recorded: Recording, p: ExchangePair) -> bool:
    """The attempt said to be answered gave what the client got: it is no copy that was answered
    otherwise.
    """
    got = recorded.clients[p.client.point].exchanges[p.client.id].response
    for a in p.attempts:
        gave = recorded.backends[a.backend.point].exchanges[a.backend.id].response
        if a.outcome is AttemptOutcome.ANSWERED and a.backend in recorded.copies and got and gave:
            return same_body(got.body, gave.body) is not False
    return True


def _reasons(recorded: Recording, found: Correlation, out: Score, said: list[str]) -> None:
    _health_checks(recorded, found, out, said)
    _unpaired(recorded, found, out, said)


def _health_checks(recorded: Recording, found: Correlation, out: Score, said: list[str]) -> None:
    out.checks = len(recorded.checks)
    for check in found.health_checks:
        for i in check.exchanges:
            ref = Ref(check.point, i)
            if ref in recorded.checks:
                out.checks_found += 1
            elif check.confidence in CONFIDENT:
                out.checks_wrong += 1
                said.append(f"{ref} is no health check")


def _unpaired(recorded: Recording, found: Correlation, out: Score, said: list[str]) -> None:
    out.own, out.copies = len(recorded.own), len(recorded.copies)
    caused = {b for bs in recorded.truth.values() for b in bs}
    for u in found.unpaired:
        sure = u.confidence in CONFIDENT
        if u.reason is UnpairedReason.ANSWERED_BY_BALANCER:
            if u.ref in recorded.own:
                out.own_found += 1
            elif sure:
                out.own_wrong += 1
                said.append(f"{u.ref} was not answered by the balancer: {u.detail}")
            continue
        if u.reason is UnpairedReason.COPY:
            out.copies_found += u.ref in recorded.copies
        wrong = _wrong_reason(recorded, caused, u) if sure else ""
        if wrong:
            out.reasons_wrong += 1
            said.append(wrong)


def _wrong_reason(recorded: Recording, caused: set[Ref], u: Unpaired) -> str:
    """What is wrong about a reason, "" when nothing is known to be."""
    if u.reason is UnpairedReason.COPY and u.ref not in recorded.copies:
        return f"{u.ref} is no copy: {u.detail}"
    if u.reason is UnpairedReason.OTHER_CLIENT and u.ref in caused:
        return f"{u.ref} was asked by a client that was captured: {u.detail}"
    if u.reason in ABSENT and u.side == "client" and recorded.truth.get(u.ref):
        return f"{u.ref} is {u.reason}, but {recorded.truth[u.ref]} is there"
    return ""


def _connections(recorded: Recording, found: Correlation, out: Score, said: list[str]) -> None:
    """A pair of connections is right when the one behind carried the bytes or the requests of the
    one in front.
    """
    own = {mine for mine, theirs in recorded.carried.items() if len(theirs) == 1}
    out.mates = len(own)
    for p in found.connection_pairs:
        if p.confidence not in CONFIDENT:
            continue
        if p.backend in recorded.carried.get(p.client, ()):
            out.mates_found += p.client in own
        else:
            out.mates_wrong += 1
            said.append(f"{p} but truth is {recorded.carried.get(p.client)}")
