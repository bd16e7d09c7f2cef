"""The verdict and the counts of both sides."""

from __future__ import annotations

import dataclasses

import pytest

from lbtrace.model.pairing import (
    Confidence,
)
from lbtrace.model.report import Kind, Reuse, Verdict
from lbtrace.render import Detail
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def test_no_ratio_is_made_of_no_syn() -> None:
    report = founding.report()
    counts = replace(report.backend_counts, syns=0, opened=0, already_open=1)
    summary = replace(report.summary, reuse=Reuse.UNKNOWN)
    text = page(replace(report, backend_counts=counts, summary=summary))
    assert "no SYN seen" in text
    assert "0 : 4" not in text
    assert "no SYN of 1 connection behind the balancer was captured: no ratio" in squeezed(text)


def test_swapped_captures_are_said_at_the_top() -> None:
    report = founding.report()
    text = page(replace(report, correlation=replace(report.correlation, swapped=True)))
    assert "were swapped" in "\n".join(text.splitlines()[:8])


@pytest.mark.parametrize("kind", list(Kind))
def test_every_verdict_has_its_sentence(kind: Kind) -> None:
    report = founding.report()
    text = page(
        replace(
            report,
            verdict=Verdict(kind, Confidence.LOW, ("snat", "of-the-future"), (), (), "because"),
        )
    )
    assert "confidence: low" in text.partition("client  ")[0]
    assert "because" in text


def test_what_a_reason_on_the_page_says_is_not_said_twice() -> None:
    report = founding.report()
    for reason, shown in (("because", True), ("it is that TLS ends at the balancer.", False)):
        verdict = replace(report.verdict, modifiers=("tls-terminating",), reason=reason)
        text = page(replace(report, verdict=verdict))
        assert ("TLS ends at the balancer.\n" in text.replace(reason, "")) is shown


def test_what_a_reason_that_is_not_on_the_page_says_is_said() -> None:
    report = founding.report()
    reason = "it is that TLS ends at the balancer."
    verdict = replace(report.verdict, modifiers=("tls-terminating",), reason=reason)
    text = page(replace(report, verdict=verdict), detail=Detail.FIRST_SCREEN)
    assert reason not in text
    assert "TLS ends at the balancer." in text


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        ({"syn_retransmissions": 2}, "SYN 4 1 + 2 sent again, not counted"),
        ({"answered_by_balancer": 3}, "not counted; 3 answered by the balancer itself"),
        ({"sent_again": 1}, "not counted; 1 sent to a backend again"),
        ({"reuse": Reuse.SHOWN}, "SYN : requests 1 : 1 1 : 4 connections behind are used again"),
    ],
)
def test_a_note_says_why_counts_differ(summary: dict[str, object], text: str) -> None:
    report = founding.report()
    changed = replace(report, summary=replace(report.summary, **summary))
    assert text in squeezed(page(changed, width=110))


def test_responses_are_counted_where_they_are_fewer() -> None:
    report = founding.report()
    assert "HTTP responses" not in page()
    fewer = replace(report, backend_counts=replace(report.backend_counts, responses=3))
    assert "HTTP responses 4 3" in squeezed(page(fewer))


def test_without_requests_there_is_no_ratio() -> None:
    report = founding.report()
    silent = replace(report, client_counts=replace(report.client_counts, requests=0))
    assert "SYN : requests no requests 1 : 4" in squeezed(page(silent))
