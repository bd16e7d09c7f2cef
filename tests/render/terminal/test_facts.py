"""What the balancer did, one line for each question."""

from __future__ import annotations

import dataclasses

import pytest

from lbtrace.model.net import Side
from lbtrace.model.pairing import ChangeKind, Confidence, HeaderChange, Pattern, Ref, UnpairedReason
from lbtrace.model.report import Excluded, Report, Reuse, Summary, UnpairedCount
from lbtrace.render import Detail
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def told(report: Report) -> str:
    return squeezed(page(report, Detail.FIRST_SCREEN, width=110))


def changed(*changes: HeaderChange) -> str:
    report = founding.report()
    return told(replace(report, correlation=replace(report.correlation, changes=changes)))


def change(name: str, kind: ChangeKind = ChangeKind.ADDED, **more: object) -> HeaderChange:
    plain = HeaderChange(True, kind, name, Pattern.CONSTANT, 4, 4, "", f"{name}: x", 0)
    return replace(plain, **more)


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        (
            {},
            "SYN : requests 4 : 4 client side, 1 : 4 backend side (1 health check not counted)",
        ),
        ({"reuse": Reuse.SHOWN}, "(connections behind are used again; 1 health check not counted)"),
        ({"sent_again": 2}, "(2 sent again; 1 health check not counted)"),
    ],
)
def test_both_sides_are_one_line(summary: dict[str, object], text: str) -> None:
    report = founding.report()
    assert text in told(replace(report, summary=replace(Summary(), **summary)))


def test_fields_that_changed_alike_stand_together() -> None:
    text = changed(
        change("A"),
        change("B", behaviour=Pattern.FRESH, count=3),
        change("C", ChangeKind.REMOVED),
        change("D", ChangeKind.RECASED),
        change("", ChangeKind.REORDERED),
        change("Via", hop_by_hop=True),
    )
    assert (
        "requests added A, B (new each time, 3 of 4) · removed C · written in another case: D · "
        "order of the fields changed · per-hop fields (normal): Via responses" in text
    )


@pytest.mark.parametrize(("count", "rest"), [(6, ""), (7, ", +1 more"), (9, ", +3 more")])
def test_of_many_fields_the_rest_is_counted(count: int, rest: str) -> None:
    names = [f"F{n}" for n in range(count)]
    assert f"added {', '.join(names[:6])}{rest} responses" in changed(*map(change, names))


def test_that_no_field_differs_is_said_only_of_pairs_that_are_sure() -> None:
    report = founding.report()
    quiet = replace(report.correlation, changes=())
    unchanged = founding.with_summary(replace(report, correlation=quiet))
    assert told(unchanged).count("both heads no header line differs") == 1
    unsure = replace(quiet, pairs=tuple(p._replace(confidence=Confidence.LOW) for p in quiet.pairs))
    text = told(founding.with_summary(replace(report, correlation=unsure)))
    assert text.count("both heads not known: no sure pair with whole heads") == 1


def test_what_stands_on_one_side_only_is_counted_by_reason() -> None:
    report = founding.report()
    counted = (
        UnpairedCount(Side.CLIENT, UnpairedReason.ANSWERED_BY_BALANCER, 2, Ref(0, 0)),
        UnpairedCount(Side.BACKEND, UnpairedReason.HEALTH_CHECK, 1, Ref(0, 0)),
    )
    text = told(replace(report, summary=replace(report.summary, unpaired=counted)))
    assert "one side only 2 client exchanges: answered by the balancer itself Exchanges" in text
    assert "1 health check not counted" in text  # beside the requests


@pytest.mark.parametrize(("cut", "more"), [(3, ""), (4, "+1 more (-v)")])
def test_of_what_is_not_known_three_sentences_are_told(cut: int, more: str) -> None:
    report = founding.report()
    (client,) = report.clients
    packets = replace(client.packets, truncated=2)
    clients = tuple(replace(client, packets=packets) for _ in range(cut))
    text = told(replace(report, clients=clients))
    assert text.count("cut by the snapshot length") == 3
    assert more in text
    assert ("more (-v)" in text) is bool(more)


def test_what_was_taken_off_the_time_added_is_said_with_its_amount() -> None:
    report = founding.report()
    assert report.latency is not None
    own = replace(report.latency, sending=Excluded(2, 2_900_000_000))
    assert "not in it: the client's own sending of its request, 2.9 s at most (2 pairs)" in told(
        replace(report, latency=own)
    )
