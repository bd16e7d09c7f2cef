"""The list of exchanges on the first screen."""

from __future__ import annotations

import dataclasses
import re
from zoneinfo import ZoneInfo

import pytest

from lbtrace.model.pairing import (
    Attempt,
    AttemptOutcome,
    Confidence,
    ExchangePair,
    Ref,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import Report
from lbtrace.render import Detail
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace
ANSWERED, RESET = AttemptOutcome.ANSWERED, AttemptOutcome.RESET


def listed(report: Report | None = None, **view: object) -> str:
    text = page(report or founding.report(), Detail.FIRST_SCREEN, **view)
    return text.partition("\nExchanges")[2]


def with_attempts(*outcomes: AttemptOutcome) -> Report:
    report = founding.report()
    first, *others = report.correlation.pairs
    attempts = tuple(Attempt(Ref(0, 1 + n), outcome) for n, outcome in enumerate(outcomes))
    pairs: tuple[ExchangePair, ...] = (first._replace(attempts=attempts), *others)
    return replace(report, correlation=replace(report.correlation, pairs=pairs))


def test_a_row_says_when_what_and_where() -> None:
    text = listed()
    assert "4 of 4; frames: where each request begins" in text
    assert "1 07:01:46.515 GET /divide/25 200 #4 ↔ #14 8 ms" in squeezed(text)
    assert "behind" not in text


def test_the_time_of_day_is_that_of_the_zone() -> None:
    assert "16:01:46.515" in listed(zone=ZoneInfo("Asia/Seoul"))


@pytest.mark.parametrize(
    ("outcomes", "row"),
    [
        ((RESET, ANSWERED), "200 reset, answered #4 ↔ #14, #16 8 ms"),
        ((), "200 #4 ↔ none 8 ms"),
    ],
)
def test_how_each_attempt_ended(outcomes: tuple[AttemptOutcome, ...], row: str) -> None:
    assert row in squeezed(listed(with_attempts(*outcomes), width=110))


def test_an_interchangeable_pair_is_marked() -> None:
    report = founding.report()
    first, *others = report.correlation.pairs
    pairs = (first._replace(group=0), *others)
    marked = replace(report, correlation=replace(report.correlation, pairs=pairs))
    assert "#4 ↔ #14 *" in listed(marked)
    assert "*" not in listed()


def test_problems_come_first_and_the_heading_says_so() -> None:
    assert "4 of 4, problems first; frames" in listed(with_attempts(RESET))


@pytest.mark.parametrize(
    ("side", "id_", "row"),
    [
        (
            "client",
            1,
            "u1 07:01:47.515 GET /divide/50 200 answered by the balancer itself #14 ↔ none",
        ),
        (
            "backend",
            2,
            "u1 07:01:10.004 GET /divide/50 200 answered by the balancer itself none ↔ #16",
        ),
    ],
)
def test_an_exchange_without_a_partner_says_why(side: str, id_: int, row: str) -> None:
    report = founding.report()
    alone = Unpaired(side, Ref(0, id_), UnpairedReason.ANSWERED_BY_BALANCER, Confidence.HIGH)
    correlation = replace(report.correlation, pairs=(), unpaired=(alone,))
    text = squeezed(listed(replace(report, correlation=correlation), width=130))
    assert row in text


def test_of_many_twelve_are_shown_and_all_are_counted() -> None:
    report = founding.report()
    pairs = tuple(report.correlation.pairs) * 4
    many = replace(report, correlation=replace(report.correlation, pairs=pairs))
    assert "12 of 16; frames" in listed(many)
    assert len(re.findall(r"^ +\d+  07:01", listed(many), re.M)) == 12
