"""What lbtrace says, with frames and filters."""

from __future__ import annotations

import dataclasses

from lbtrace.findings import registry
from lbtrace.model.pairing import (
    Confidence,
)
from lbtrace.model.report import Finding
from lbtrace.render import Detail
from lbtrace.render.terminal.findings import DRAWN_ABOVE
from tests.render import founding
from tests.render.documents import page

replace = dataclasses.replace


def test_what_is_drawn_above_is_a_finding() -> None:
    """A finding that was renamed would be printed twice."""
    slugs = {module.slug for module in registry()} | {"added-latency"}
    assert {slug.split(".")[0] for slug in DRAWN_ABOVE} <= slugs


def shown(*findings: Finding, detail: Detail = Detail.REASONS) -> str:
    """The page from the times, which stand before the findings, to the verdict's reasons."""
    text = page(replace(founding.report(), findings=findings), detail)
    return text.partition("\nTimes")[2].partition("\nWhy this verdict")[0]


def test_facts_of_one_title_that_rest_on_the_same_frames_name_them_once() -> None:
    (fact,) = founding.report().findings
    text = shown(fact, replace(fact, slug="source-address.other", statement="Another."))
    assert (text.count("Source address rewritten"), text.count("client #4 ↔ backend #14")) == (1, 1)
    assert "Another." in text


def test_doubt_stands_where_it_differs() -> None:
    (fact,) = founding.report().findings
    doubtful = replace(fact, statement="Perhaps.", confidence=Confidence.LOW)
    assert "Perhaps. (confidence: low)" in shown(fact, doubtful)
    assert "Perhaps. (confidence" not in shown(doubtful)
    assert "Source address rewritten   confidence: low" in shown(doubtful)


def test_what_the_tables_draw_is_left_to_all() -> None:
    (fact,) = founding.report().findings
    drawn = replace(fact, slug="added-latency.total", statement="Drawn.")
    text = shown(fact, drawn)
    assert "Drawn." not in text
    assert "1 more fact is in the tables above" in text
    assert "1 fact is in the tables above" in shown(drawn)
    assert "3 facts are in the tables above" in shown(drawn, drawn, drawn)
    assert "Drawn." in shown(fact, drawn, detail=Detail.EVERYTHING)
    assert "in the tables above" not in shown(fact, drawn, detail=Detail.EVERYTHING)


def test_of_a_fact_a_filter_of_frame_numbers_is_left_to_all() -> None:
    (fact,) = founding.report().findings
    assert "Wireshark, client:" not in shown(fact)
    assert "Wireshark, client: frame.number == 4" in shown(fact, detail=Detail.EVERYTHING)
    telling = replace(fact.evidence[0], client_filter="tcp.flags.syn == 1")
    assert "Wireshark, client: tcp.flags.syn == 1" in shown(replace(fact, evidence=(telling,)))


def test_of_much_evidence_two_are_shown() -> None:
    (fact,) = founding.report().findings
    much = replace(fact, evidence=fact.evidence * 3)
    assert shown(much).count("client #4 ↔ backend #14") == 2
    assert "… and 1 more captures with evidence" in shown(much)
    assert shown(much, detail=Detail.EVERYTHING).count("client #4 ↔ backend #14") == 3


def test_a_witness_says_what_it_speaks_for() -> None:
    text = page()
    assert "for l7-proxy, l4-proxy; against l4-passthrough" in text
    assert "Why AWS ALB   fits 92 of 100\n" in text
    report = founding.report()
    (profile,) = report.verdict.profiles
    forgiven = replace(report.verdict, profiles=(replace(profile, forgiven=2),))
    assert "fits 92 of 100; 2 more changes are usual" in page(replace(report, verdict=forgiven))
