"""Which findings are one problem, and which problem comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.findings._kind import compared_with
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.problems import BY, CAUSES, REPEATED, SEEN_TWICE, _rank, problems
from lbtrace.model.report import Evidence, Finding, Severity, Value


def frame(number: int, side: Side = Side.BACKEND) -> FrameRef:
    return FrameRef(side, 0, 0, number, number * 1000)


def finding(
    slug: str, *numbers: int, severity: Severity = Severity.MEDIUM, **counted: int
) -> Finding:
    values = tuple(Value(name, number, "count") for name, number in counted.items())
    evidence = (Evidence(tuple(map(frame, numbers or (1,)))),)
    return Finding(slug, "t", severity, Confidence.HIGH, "s", values, evidence)


def grouped(*findings: Finding) -> list[tuple[int, ...]]:
    return [p.findings for p in problems(findings)]


def test_a_fact_is_no_problem() -> None:
    assert problems([finding("errors.backend", severity=Severity.INFO)]) == ()


def test_a_cause_leads_what_came_of_it() -> None:
    retry = finding("retries.repeated", 12, 17, severity=Severity.LOW)
    race = finding("keep-alive-race.backend", 10, 12, severity=Severity.HIGH)
    for findings, order in (((retry, race), (1, 0)), ((race, retry), (0, 1))):
        (problem,) = problems(findings)
        assert problem.findings == problem.said == order
        assert problem.severity is Severity.HIGH
        assert problem.slugs == ("keep-alive-race.backend", "retries.repeated")
        assert [f.number for f in problem.frames] == [10, 12, 17]


@pytest.mark.parametrize(
    "cause",
    ["host-and-target.target-refused", "host-and-target.host-refused", "upgrades.declined-backend"],
)
def test_a_backend_that_refuses_what_was_changed_is_one_problem(cause: str) -> None:
    errors = finding("errors.backend", 4, 6, severity=Severity.LOW)
    assert grouped(errors, finding(cause, 6, severity=Severity.LOW)) == [(1, 0)]


def test_failures_of_other_exchanges_are_other_problems() -> None:
    assert grouped(finding("keep-alive-race.backend", 10, 12), finding("retries.repeated", 13)) == [
        (0,),
        (1,),
    ]


def test_a_cause_and_what_came_of_it_may_share_a_connection_and_no_frame() -> None:
    ref, other = Ref(0, 3), Ref(1, 3)
    alert = finding("tls-alerts.by-server-backend", 4, 6).on((ref,))
    error = finding(f"{BY}error", 1)
    assert grouped(error.on((ref, other)), alert) == [(1, 0)]
    assert grouped(error.on((other,)), alert) == [(0,), (1,)]
    assert grouped(error, alert) == [(0,), (1,)]
    assert grouped(finding("xff-trust.appended", 4).on((ref,)), alert) == [(1,), (0,)]


def test_a_finding_never_unites_two_problems() -> None:
    causes = (finding(f"{BY}error", 1), finding(f"{BY}error", 2))
    assert grouped(*causes, finding("errors.open", 1, 2)) == [(0, 2), (1,)]


def test_what_shares_a_frame_by_chance_is_not_one_problem() -> None:
    assert grouped(finding("errors.open", 4), finding("xff-trust.appended", 4)) == [(0,), (1,)]
    assert grouped(finding("xff-trust.appended", 4), finding("redirects.scheme", 4)) == [(0,), (1,)]


def test_the_same_elsewhere_is_the_same_problem() -> None:
    assert grouped(finding("capture-quality.cut", 1), finding("capture-quality.cut", 2)) == [(0, 1)]
    assert grouped(finding("capture-quality.cut"), finding("capture-quality.dropped")) == [
        (0,),
        (1,),
    ]


def test_an_idle_limit_of_the_balancer_is_one_problem_on_both_sides() -> None:
    behind = finding("idle-limits.closed-by-client-backend", 1)
    front = finding("idle-limits.closed-by-server-client", 2)
    backends = finding("idle-limits.closed-by-server-backend", 3)
    assert grouped(behind, front, backends) == [(0, 1), (2,)]


@pytest.mark.parametrize("slug", ["idle-limits.forgotten-client", "idle-limits.reset-client"])
def test_requests_that_were_lost_after_silence_are_one_problem_with_it(slug: str) -> None:
    assert grouped(finding("errors.unanswered", 4), finding(slug, 4)) == [(1, 0)]


def test_errors_that_another_finding_tells_with_their_cause_are_said_once() -> None:
    (problem,) = problems([finding(REPEATED, 16), finding(f"{BY}error", 14, 16)])
    assert (problem.findings, problem.said) == ((1, 0), (1,))
    (alone,) = problems([finding(REPEATED, 16)])
    assert alone.said == (0,)


def test_the_gravest_comes_first_then_what_concerns_most() -> None:
    found = problems(
        [
            finding("a", count=9, severity=Severity.LOW),
            finding("b", count=1, severity=Severity.HIGH),
            finding("c", count=3, of=4, severity=Severity.HIGH),
            finding("d", severity=Severity.HIGH),
        ]
    )
    assert [(p.id, p.slugs, p.count, p.of) for p in found] == [
        ("P1", ("c",), 3, 4),
        ("P2", ("b",), 1, None),
        ("P3", ("d",), None, None),
        ("P4", ("a",), 9, None),
    ]


def test_failures_come_before_what_is_as_grave_and_concerns_more() -> None:
    remark = finding("source-address.rewritten", 1, severity=Severity.LOW, count=9)
    failed = finding("errors.unanswered", 2, severity=Severity.LOW, count=1)
    assert grouped(remark, failed) == [(1,), (0,)]
    assert grouped(remark, failed, finding("redirects.loop", 3)) == [(2,), (1,), (0,)]


def test_what_came_of_what_came_of_a_cause_belongs_to_it() -> None:
    refused = finding("connection-failures.refused", 1, 2)
    answered, counted = finding(f"{BY}error", 1, 16), finding(REPEATED, 16)
    (problem,) = problems([refused, counted, answered])
    assert (problem.findings, problem.said) == ((0, 2, 1), (0, 2))


def test_a_mismatch_leads_and_an_end_without_a_word_does_not() -> None:
    mismatch = finding("protocol-mismatch.http2-to-http1-client", 4, 6)
    silent = finding("protocol-mismatch.unanswered-backend", 4, 6)
    retry, seen = finding("retries.repeated", 4), finding("errors.seen", 6)
    assert grouped(seen, retry, mismatch) == [(2, 1, 0)]
    assert grouped(silent, retry) == [(1, 0)]


def test_messages_without_the_fault_are_no_part_of_a_problem() -> None:
    """A request that worked is shown to compare: it did not fail, and nothing began with it."""
    lead = finding("refused-messages.request-size", 7)
    lead = compared_with(lead, [frame(3)])
    (problem, other) = problems([lead, finding("errors.open", 3)])
    assert problem.since == frame(7)
    assert other.slugs == ("errors.open",)


def test_only_a_count_is_counted() -> None:
    size = Finding(
        "a",
        "t",
        Severity.LOW,
        Confidence.LOW,
        "s",
        (Value("count", 7, "bytes"),),
        finding("a").evidence,
    )
    assert problems([size])[0].count is None


def test_since_is_the_first_frame_in_front_of_the_balancer() -> None:
    evidence = (Evidence((frame(9, Side.CLIENT), frame(3))), Evidence((frame(5, Side.CLIENT),)))
    both = Finding("a", "t", Severity.LOW, Confidence.LOW, "s", (), evidence)
    assert problems([both])[0].since == frame(5, Side.CLIENT)
    assert problems([finding("a", 7, 3)])[0].since == frame(3)


any_finding = st.builds(
    lambda kind, variant, severity, numbers: finding(
        f"{kind}.{variant}", *numbers, severity=severity
    ),
    st.sampled_from([*CAUSES, "xff-trust", "capture-quality", "idle-limits"]),
    st.sampled_from(["a", "balancer", *(slug.partition(".")[2] for slug in SEEN_TWICE)]),
    st.sampled_from(Severity),
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
)


@given(st.lists(any_finding, max_size=8))
def test_every_finding_that_is_no_fact_is_in_one_problem(findings: list[Finding]) -> None:
    found = problems(findings)
    told = sorted(i for p in found for i in p.findings)
    assert told == [i for i, f in enumerate(findings) if f.severity is not Severity.INFO]
    assert all(p.findings[0] in p.said and set(p.said) <= set(p.findings) for p in found)
    ranks = [p.severity.rank for p in found]
    assert ranks == sorted(ranks, reverse=True)
    assert [p.id for p in found] == [f"P{n}" for n in range(1, len(found) + 1)]


def fits(problem: list[Finding], other: Finding) -> bool:
    """Whether a finding is part of a problem, as the module says it."""
    failures = [_rank(f) < len(CAUSES) for f in (problem[0], other)]
    if not any(failures):
        one, two = (SEEN_TWICE.get(f.slug, f.slug) for f in (problem[0], other))
        return one == two
    shown = {frame for f in problem for e in f.evidence for frame in e.frames}
    failed = {connection for f in problem for connection in f.failed}
    theirs = {frame for e in other.evidence for frame in e.frames}
    return all(failures) and bool(shown & theirs or failed & set(other.failed))


failing = st.builds(
    lambda found, connections: found.on(tuple(Ref(0, c) for c in connections)),
    any_finding,
    st.lists(st.integers(1, 6), max_size=2),
)


@given(st.lists(failing, max_size=10))
def test_each_finding_joins_the_first_problem_that_it_fits(findings: list[Finding]) -> None:
    trouble = [i for i, f in enumerate(findings) if f.severity is not Severity.INFO]
    groups: list[list[int]] = []
    for i in sorted(trouble, key=lambda i: (_rank(findings[i]), i)):
        group = next((g for g in groups if fits([findings[k] for k in g], findings[i])), None)
        groups.append([i]) if group is None else group.append(i)
    assert sorted(grouped(*findings)) == sorted(map(tuple, groups))


def test_thousands_of_servers_with_a_problem_each() -> None:
    """A comparison of each with each would be two hundred million."""
    findings = tuple(finding("protocol-mismatch.a", n) for n in range(20_000))
    found = problems(findings)
    assert len(found) == len(findings)
    assert problems(findings) is found


def test_a_list_that_grew_is_looked_at_again() -> None:
    findings = [finding("errors.a", 1)]
    assert len(problems(findings)) == 1
    findings.append(finding("errors.b", 2))
    assert len(problems(findings)) == 2


def test_requests_that_failed_late_are_told_as_slow_in_the_same_problem() -> None:
    """Only where all that were slow failed: else something was slow that worked."""
    errors = replace(finding("errors.seen", 4, 9, count=3), requests=("GET /1", "GET /2", "GET /3"))
    for frames, count, requests, together in (
        ((4, 12), 2, ("GET /1", "GET /3"), True),
        ((4, 12), 4, ("GET /1", "GET /3"), False),
        ((4, 12), 2, ("GET /1", "GET /5"), False),
        ((5, 12), 2, ("GET /1", "GET /3"), False),
    ):
        slow = replace(finding("slow-requests", *frames, count=count), requests=requests)
        assert grouped(slow, errors) == ([(1, 0)] if together else [(1,), (0,)])
    assert grouped(finding("slow-requests", 4)) == [(0,)]
