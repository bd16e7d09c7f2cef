"""The first screen: whatever a report holds, it fits, and what is left out is counted."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern
from lbtrace.model.report import Finding, Kind, Report, Severity, Verdict
from lbtrace.render import Detail
from lbtrace.render.terminal.first_screen import LINES, fitting
from tests.laws import examples
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace
SEVERITIES = [s for s in Severity if s is not Severity.INFO]


def first(report: Report | None = None, **view: int) -> str:
    return page(report or founding.report(), Detail.FIRST_SCREEN, **view)


def trouble(words: int, severity: Severity = Severity.MEDIUM, slug: str = "a") -> Finding:
    (finding,) = founding.report().findings
    statement = " ".join(f"word{n}" for n in range(words))
    return replace(finding, slug=slug, severity=severity, statement=statement)


def wrong(*findings: Finding) -> Report:
    """The founding experiment with problems."""
    return replace(
        founding.report(), findings=tuple(replace(f, slug=f"{n}") for n, f in enumerate(findings))
    )


def change(name: str, kind: ChangeKind, request: bool, hop: bool) -> HeaderChange:
    return HeaderChange(request, kind, name, Pattern.FRESH, 1, 4, "", f"{name}: 1", 0, hop)


changes = st.builds(
    change,
    st.text("abcdefgh-", min_size=1, max_size=30),
    st.sampled_from(ChangeKind),
    st.booleans(),
    st.booleans(),
)


@examples(40)
@given(
    st.lists(st.builds(trouble, st.integers(1, 60), st.sampled_from(SEVERITIES)), max_size=9),
    st.integers(0, 40),
    st.lists(changes, max_size=25),
    st.sampled_from([80, 100, 200]),
)
def test_it_fits_a_screen(
    findings: list[Finding], backends: int, changed: list[HeaderChange], width: int
) -> None:
    report = wrong(*findings)
    topology = replace(
        report.correlation.topology,
        backends=tuple(Endpoint(f"10.0.{n}.1", 8080) for n in range(backends)),
    )
    correlation = replace(report.correlation, topology=topology, changes=tuple(changed))
    lines = first(replace(report, correlation=correlation), width=width).splitlines()
    assert len(lines) <= LINES
    assert all(len(line) <= width for line in lines)


@examples(20)
@given(st.integers(1, 60), st.sampled_from([40, 80, 100, 200]))
def test_of_the_sentence_of_a_problem_no_word_is_cut(words: int, width: int) -> None:
    text = squeezed(first(wrong(trouble(words)), width=width))
    assert " ".join(f"word{n}" for n in range(words)) in text


@pytest.mark.parametrize("count", [1, 5, 9])
def test_problems_that_do_not_fit_are_counted(count: int) -> None:
    text = first(wrong(*[trouble(40)] * count))
    told = re.findall(r"^ (P\d) MEDIUM word0 ", text, re.M)
    hidden = re.search(r"^ \+(\d) more: (P\d)(?:–(P\d))? \(-v shows all\)", text, re.M)
    assert told == [f"P{n}" for n in range(1, len(told) + 1)]
    assert len(told) + (int(hidden[1]) if hidden else 0) == count
    assert hidden is None or (hidden[2], hidden[3] or hidden[2]) == (
        f"P{len(told) + 1}",
        f"P{count}",
    )
    assert bool(hidden) is (count > 3)


def test_what_to_do_is_left_out_before_a_problem_is() -> None:
    few, many = (first(wrong(*[trouble(12)] * count)) for count in (5, 7))
    assert (few.count("What to do"), few.count("word0")) == (5, 5)
    assert (many.count("What to do"), many.count("word0")) == (1, 7)


def advised(text: str) -> list[bool]:
    """Whether each problem that is told says what to do."""
    return ["What to do" in block for block in re.split(r"^ P\d+ ", text, flags=re.M)[1:]]


def test_the_first_problems_keep_what_to_do_as_far_as_it_fits() -> None:
    assert advised(first(wrong(*[trouble(12)] * 6))) == [True] * 4 + [False] * 2


def test_where_problems_are_left_out_the_first_says_what_to_do() -> None:
    text = first(wrong(*[trouble(40)] * 9))
    assert advised(text)[0]
    assert "+5 more: P5–P9 (-v shows all): Source address rewritten (P5, P6, P7, P8, P9)" in (
        squeezed(text)
    )


def test_where_there_is_much_to_say_of_problems_the_balancer_is_told_in_few_lines() -> None:
    sentence = "It ends the client's TCP connections"
    assert sentence in first(wrong(*[trouble(12)] * 2))
    text = first(wrong(*[trouble(12)] * 9))
    assert sentence not in text
    assert "L7 proxy, looks like" in text


def test_what_to_do_is_said_of_the_cause_alone() -> None:
    """What came of a cause ends with it, so what would be done about that is not told."""
    (lead, *_), report = founding.report().findings, founding.report()
    told = [
        replace(lead, slug=slug, severity=severity, remedy=remedy)
        for slug, severity, remedy in (
            ("resets.client", Severity.HIGH, "Mend the cause."),
            ("errors.passed-on", Severity.LOW, "Mend what came of it."),
        )
    ]
    text = first(replace(report, findings=tuple(told)))
    assert text.count(" P1 ") == 1
    assert " P2 " not in text
    assert "What to do: Mend the cause." in text
    assert "Mend what came of it." not in text
    without = first(replace(report, findings=(replace(told[0], remedy=""), told[1])))
    assert "What to do: Mend what came of it." in without


@pytest.mark.parametrize(
    ("sizes", "room", "fits"),
    [([], 0, 0), ([3, 3], 6, 2), ([3, 3], 5, 1), ([3, 3, 3], 7, 2), ([3, 3, 3], 6, 1), ([9], 4, 0)],
)
def test_a_line_is_kept_for_what_does_not_fit(sizes: list[int], room: int, fits: int) -> None:
    assert fitting(sizes, room) == fits


def test_without_a_problem_it_says_so() -> None:
    assert first().startswith(
        " No problems found in 4 requests · 2021-08-05 07:01:46–07:01:49 UTC (3.01 s)\n"
    )


@pytest.mark.parametrize(
    ("kind", "compared"),
    [(Kind.UNRELATED, False), (Kind.INCONCLUSIVE, False), (Kind.AMBIGUOUS, True)],
)
def test_that_nothing_was_compared_is_no_clean_bill(kind: Kind, compared: bool) -> None:
    report = replace(
        founding.report(),
        verdict=Verdict(kind, founding.report().verdict.confidence, (), (), (), "because"),
    )
    assert ("could not be compared" not in first(report)) is compared
    assert "because" in first(report)


def test_without_requests_connections_are_counted() -> None:
    report = founding.report()
    silent = replace(report, client_counts=replace(report.client_counts, requests=0))
    assert "No problems found in 4 connections" in first(silent)


def test_nothing_of_a_section_without_content_is_written() -> None:
    report = founding.report()
    bare = replace(
        report,
        correlation=replace(report.correlation, pairs=(), unpaired=(), changes=()),
        client_counts=replace(report.client_counts, connections=0),
        backend_counts=replace(report.backend_counts, connections=0),
        latency=None,
        summary=type(report.summary)(),
    )
    for title in (
        "Exchanges",
        "SYN : requests",
        "requests  ",
        "time added",
        "one side",
        "not known",
    ):
        assert title not in first(bare)


def test_quiet_says_the_problems_only() -> None:
    text = page(wrong(trouble(3)), Detail.PROBLEMS)
    assert text.splitlines()[0].startswith(" 1 problem in 4 requests")
    assert "P1 MEDIUM word0 word1 word2" in text
    assert "What to do: " in text
    assert "client  " not in text


def test_verbose_adds_the_evidence_of_each_problem() -> None:
    text = page(wrong(trouble(3)), Detail.REASONS)
    for told in (
        "P1 MEDIUM word0 word1 word2",
        "client #4 ↔ backend #14",
        "Wireshark, client: frame.number == 4",
        "What to do: Log X-Forwarded-For",
        "confidence: certain",
    ):
        assert told in text


def test_since_or_at_by_how_many() -> None:
    (finding,) = founding.report().findings
    four = replace(finding, severity=Severity.LOW)
    one = replace(
        four, values=tuple(v._replace(value=1) if v.name == "count" else v for v in four.values)
    )
    assert "since 07:01:46.515 · client #4 ↔ backend #14" in first(wrong(four))
    assert "at 07:01:46.515 · client #4" in first(wrong(one))
