"""Findings → problems: what is wrong, each cause once.

Findings of severity INFO are facts, no problems. Two findings are one problem

- if both are about requests that failed and they share a frame, or a connection behind the
  balancer that failed: one is the cause and one what came of it. The one that stands first in
  `CAUSES` leads, and a third belongs to it that shares either with one of them;
- if both are about something else and have the same slug, or slugs that `SEEN_TWICE` joins: the
  same thing, seen in two places;
- if one tells of slow requests, and all of them are among the requests that failed: they share a
  frame, their methods and targets, and the other counts as many or more.

A finding joins the first problem that it fits and never unites two. Problems are ordered by
severity, requests that failed before anything else, then by how many are concerned; their ids are
P1, P2, … in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Finding, Severity

# findings about requests that failed: causes before what comes of them
CAUSES = (
    "protocol-mismatch",
    "tls-alerts",
    "unanswered-hellos",
    "unused-tls",
    "return-path",
    "keep-alive-race",
    "unfinished-requests",
    "resets",
    "closed-unanswered",
    "connection-fields",
    "subprotocols",
    "goaway",
    "streams-reset",
    "ntlm-logins",
    "lost-credentials",
    "dropped-bodies",
    "refused-origins",
    "refused-messages",
    "resets.early",
    "idle-limits.408",
    "idle-limits.forgotten",
    "idle-limits.reset",
    "grpc-over-http1",
    "connection-failures",
    "health-checks",
    "answered-by-balancer",
    "retries",
    "protocol-mismatch.unanswered",  # an end without an answer, and no word on why
    "no-http-answer",
    "cut-short",
    "not-passed-on",
    "half-closed",
    "gave-up",
    "grpc-errors",
    "host-and-target.host",
    "host-and-target.target",
    "upgrades",
    "refused-names",
    "errors",
)
# what is not about failures, has one cause, and is told of each side of the balancer
SEEN_TWICE = {
    "idle-limits.closed-by-client-backend": "the idle limit of the balancer",
    "idle-limits.closed-by-server-client": "the idle limit of the balancer",
}
WAITED = "slow-requests"
# the number of errors, per status: so says each of the other kind, with what was behind it
REPEATED, BY = "errors.balancer", "answered-by-balancer."


@dataclass(frozen=True, slots=True)
class Problem:
    """`findings` are indexes in `Report.findings`, the cause first; `said` are those of them that a
    reader needs. `count` and `of` are what the first one counts, None where it counts nothing.
    `since` is the earliest frame: of the client side, if there is one. `frames` are those of all
    findings, each once. `cause` is the first finding.
    """

    id: str
    severity: Severity
    slugs: tuple[str, ...]
    findings: tuple[int, ...]
    said: tuple[int, ...]
    count: int | None
    of: int | None
    since: FrameRef
    frames: tuple[FrameRef, ...]
    cause: Finding

    @property
    def text(self) -> str:
        """The sentence that says what is wrong."""
        return self.cause.text

    def __repr__(self) -> str:
        from lbtrace.presentation import problem_line

        return problem_line(self)


_told_last: list[tuple[tuple[Sequence[Finding], ...], tuple[Problem, ...]]] = []


def problems(*told: Sequence[Finding]) -> tuple[Problem, ...]:
    """The problems that findings tell of, the gravest first. Each of `told` are the findings of one
    report, or of one capture alone: no problem is of two of them. The indexes count through all.

    A page asks for them again and again, so those of the last findings are remembered.
    """
    if _told_last:
        known, found = _told_last[0]
        if len(known) == len(told) and all(a is b for a, b in zip(known, told, strict=True)):
            return found
    found = _problems(told)
    if all(isinstance(findings, tuple) for findings in told):  # which stay as they are
        _told_last[:] = [(told, found)]
    return found


def _problems(told: Sequence[Sequence[Finding]]) -> tuple[Problem, ...]:
    every = [finding for findings in told for finding in findings]
    groups: list[list[int]] = []
    start = 0
    for findings in told:
        groups += [[start + index for index in group] for group in _groups(findings)]
        start += len(findings)
    groups.sort(key=lambda group: _gravity(every, group))
    return tuple(_problem(f"P{n}", every, group) for n, group in enumerate(groups, 1))


def _groups(findings: Sequence[Finding]) -> list[list[int]]:
    """The findings of each problem, the cause first. Linear: thousands of servers may each have one
    of their own.
    """
    groups: list[list[int]] = []
    # frame or failed connection, of failures, or slug, of all else → the first group that has it
    first: dict[object, int] = {}
    for index in _causes_first(findings):
        has = _has(findings[index])
        group = min((first[each] for each in has if each in first), default=len(groups))
        if findings[index].slug == WAITED:
            group = _failed_late(findings, groups, first, index, group)
        if group == len(groups):
            groups.append([])
        groups[group].append(index)
        for each in has:
            first[each] = min(first.get(each, group), group)
    return groups


def _failed_late(
    findings: Sequence[Finding],
    groups: Sequence[Sequence[int]],
    first: Mapping[object, int],
    index: int,
    otherwise: int,
) -> int:
    """The problem whose requests failed after they had waited, if they are all that waited."""
    waiting = findings[index]
    group = min((first[f] for f in _frames([waiting]) if f in first), default=otherwise)
    if group == len(groups):
        return otherwise
    failed = max((findings[i] for i in groups[group]), key=lambda f: _counted(f, "count") or 0)
    more = (_counted(failed, "count") or 0) >= (_counted(waiting, "count") or 0)
    return group if more and set(waiting.requests) <= set(failed.requests) else otherwise


def _has(finding: Finding) -> list[object]:
    """What makes it one problem with another finding that has it, too."""
    if not _of_failures(finding):
        return [SEEN_TWICE.get(finding.slug, finding.slug)]
    return [*_frames([finding]), *(("failed", connection) for connection in finding.failed)]


def _causes_first(findings: Sequence[Finding]) -> list[int]:
    """The findings that are no facts, in the order in which they may lead a problem."""
    trouble = [i for i, f in enumerate(findings) if f.severity is not Severity.INFO]
    return sorted(trouble, key=lambda i: (_rank(findings[i]), i))


def _rank(finding: Finding) -> int:
    """The place of a finding in CAUSES, by its slug, else by its file; past the end for one that is
    about something else.
    """
    kind, _, variant = finding.slug.partition(".")
    for name in (f"{kind}.{variant.partition('-')[0]}", kind):
        if name in CAUSES:
            return CAUSES.index(name)
    return len(CAUSES)


def _of_failures(finding: Finding) -> bool:
    """Whether a finding is about requests that failed."""
    return _rank(finding) < len(CAUSES)


def _frames(findings: Iterable[Finding]) -> dict[FrameRef, None]:
    """The frames of what is wrong, each once and in their order."""
    return dict.fromkeys(
        f for finding in findings for e in finding.evidence if not e.compared for f in e.frames
    )


def _gravity(findings: Sequence[Finding], group: Sequence[int]) -> tuple[int, bool, int, int]:
    """Sorts the gravest first: severity, failures, number, then the order of the findings."""
    lead = findings[group[0]]
    count = _counted(lead, "count") or 0
    severity = max(findings[i].severity.rank for i in group)
    return -severity, not _of_failures(lead), -count, min(group)


def _counted(finding: Finding, name: str) -> int | None:
    for value in finding.values:
        if value.name == name and value.unit == "count" and isinstance(value.value, int):
            return value.value
    return None


def _repeated(finding: Finding, told: Sequence[Finding]) -> bool:
    """Whether another finding of its problem says all that this one says."""
    return finding.slug == REPEATED and any(f.slug.startswith(BY) for f in told)


def _problem(id_: str, findings: Sequence[Finding], group: Sequence[int]) -> Problem:
    told = [findings[i] for i in group]
    frames = tuple(_frames(told))
    return Problem(
        id_,
        max(finding.severity for finding in told),
        tuple(dict.fromkeys(finding.slug for finding in told)),
        tuple(group),
        tuple(i for i in group if not _repeated(findings[i], told)),
        _counted(told[0], "count"),
        _counted(told[0], "of"),
        min(frames, key=lambda frame: (frame.side is not Side.CLIENT, frame.time_ns)),
        frames,
        told[0],
    )
