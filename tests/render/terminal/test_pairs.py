"""The table of pairs, and of exchanges without a partner."""

from __future__ import annotations

import dataclasses
import re

import pytest

from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    Attempt,
    AttemptOutcome,
    Clue,
    Confidence,
    Reason,
    Ref,
    Tier,
    UnpairedReason,
)
from lbtrace.model.report import Summary, TierCount, UnpairedCount
from lbtrace.render import Detail
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def test_pairs_name_the_frames_on_both_sides_and_what_decided() -> None:
    assert re.search(r"GET /divide/50 +200 +#14 ↔ #16 +rare value +8 ms +5 ms", page())


def test_a_retry_shows_each_attempt_and_how_it_ended() -> None:
    report = founding.report()
    pair = report.correlation.pairs[0]._replace(
        attempts=(
            Attempt(Ref(0, 1), AttemptOutcome.RESET),
            Attempt(Ref(0, 2), AttemptOutcome.ANSWERED),
        ),
        tier=Tier.ORDER,
        group=0,
        confidence=Confidence.LOW,
    )
    retried = replace(report, correlation=replace(report.correlation, pairs=(pair,)))
    text = page(founding.with_summary(retried), width=120)
    assert "order only *; reset" in text
    assert re.search(r"then again +#4 ↔ #16", text)
    assert "1 pair (marked *) in 1 group of alike exchanges" in squeezed(text)


def test_a_long_table_is_cut_and_says_so() -> None:
    report = founding.report()
    report = replace(
        report, correlation=replace(report.correlation, pairs=tuple(report.correlation.pairs) * 50)
    )
    assert "… and 188 more pairs (--all shows them, --format json has everything)" in page(report)
    assert page(report, detail=Detail.EVERYTHING).count("GET /divide/25") >= 50


def test_an_answer_that_may_be_of_either_is_no_retry() -> None:
    report = founding.report()
    pair = report.correlation.pairs[0]._replace(
        attempts=(
            Attempt(Ref(0, 1), AttemptOutcome.EITHER),
            Attempt(Ref(0, 2), AttemptOutcome.EITHER),
        )
    )
    text = page(replace(report, correlation=replace(report.correlation, pairs=(pair,))), width=120)
    assert re.search(r"^   or +#4 ↔ #16 +one of these", text, re.MULTILINE)
    assert re.search(r"GET /divide/25 .* rare value; one of these +8 ms +5 ms", text)


def test_a_pair_without_attempts_reached_no_backend() -> None:
    report = founding.report()
    pair = report.correlation.pairs[0]._replace(attempts=())
    text = page(replace(report, correlation=replace(report.correlation, pairs=(pair,))))
    assert re.search(r"GET /divide/25 +200 +#4 ↔ none +rare value +8 ms\n", text)


def test_each_kind_of_evidence_is_counted_with_an_example() -> None:
    report = founding.report()
    example = Reason(Clue.TARGET, "/x" * 40)
    tiers = (TierCount(Tier.RARE_TOKEN, 3, example), TierCount(Tier.SHAPE, 1, example))
    text = squeezed(page(replace(report, summary=replace(report.summary, tiers=tiers)), width=140))
    assert "rare value (3 of 4): a value rare in both captures" in text
    assert f"for example target {'/x' * 19}/…" in text
    assert text.count("for example target") == 1
    assert "same shape (1 of 4)" in text


def test_exchanges_of_one_side_are_counted_by_reason() -> None:
    report = founding.report()
    counted = (
        UnpairedCount(Side.BACKEND, UnpairedReason.HEALTH_CHECK, 12, Ref(0, 0)),
        UnpairedCount(Side.CLIENT, UnpairedReason.UNKNOWN, 1, Ref(0, 0)),
        UnpairedCount(Side.BACKEND, UnpairedReason.UNKNOWN, 2, Ref(0, 1)),
    )
    shown = replace(report, summary=replace(report.summary, unpaired=counted))
    text = squeezed(page(shown, width=110))
    assert "12 backend health check GET /health → 200 #4" in text
    order = text.index("2 backend exchanges without a known partner")
    assert order < text.index("1 client exchange without a known partner")
    assert "Exchanges on one side only" not in page(replace(report, summary=Summary()))


@pytest.mark.parametrize(
    ("missing", "text"), [(0, "(no request) →"), (1, "(request not captured) →")]
)
def test_a_request_that_was_not_sent_is_told_from_one_not_captured(missing: int, text: str) -> None:
    report = founding.report()
    (client,) = report.clients
    first = client.connections[0]
    changed = replace(
        client,
        connections=[
            first._replace(from_client=first.from_client._replace(missing=missing)),
            *client.connections[1:],
        ],
        exchanges=[client.exchanges[0]._replace(request=None), *client.exchanges[1:]],
    )
    counted = (UnpairedCount(Side.CLIENT, UnpairedReason.UNKNOWN, 1, Ref(0, 0)),)
    summary = replace(report.summary, unpaired=counted)
    assert text in page(replace(report, clients=(changed,), summary=summary), width=110)
