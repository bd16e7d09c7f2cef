"""What the lesson shows: the exchange that tells most, the SYNs that belong together."""

from __future__ import annotations

from dataclasses import replace

from lbtrace.lesson.exchanges import opened_together, telling
from lbtrace.listing import Row
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Report
from tests.lesson.reports import sample


def unsure(report: Report) -> Report:
    pairs = tuple(p._replace(confidence=Confidence.LOW) for p in report.correlation.pairs)
    return replace(report, correlation=replace(report.correlation, pairs=pairs))


def test_the_exchange_that_shows_a_reused_connection_tells_most() -> None:
    assert telling(sample("alb-like")) == Row(True, 1)


def test_without_reuse_it_is_the_first() -> None:
    assert telling(sample("nlb-like")) == Row(True, 0)


def test_what_is_not_sure_is_not_shown() -> None:
    assert telling(unsure(sample("alb-like"))) is None
    assert not list(opened_together(unsure(sample("alb-like"))))


def test_each_client_connection_stands_once_beside_the_one_that_carried_it_on() -> None:
    both = list(opened_together(sample("alb-like")))
    assert [front.syn.number for front, _ in both] == [1, 11, 21, 31]
    assert {behind.syn.number for _, behind in both} == {13}


def test_packets_that_are_passed_on_keep_their_sequence_number() -> None:
    both = list(opened_together(sample("nlb-like")))
    assert len(both) == 4
    assert all(front.isn == behind.isn for front, behind in both)


def test_a_connection_with_many_requests_stands_once() -> None:
    assert len(list(opened_together(sample("nginx")))) == 2
