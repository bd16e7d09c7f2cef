"""What was changed in the heads."""

from __future__ import annotations

import dataclasses

import pytest

from lbtrace.model.pairing import (
    ChangeKind,
    Confidence,
    Pattern,
)
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def test_that_no_header_differs_is_said_only_of_pairs_that_are_sure() -> None:
    report = founding.report()
    quiet = replace(report.correlation, changes=())
    unchanged = founding.with_summary(replace(report, correlation=quiet))
    assert squeezed(page(unchanged)).count("no header line differs") == 2
    unsure = replace(quiet, pairs=tuple(p._replace(confidence=Confidence.LOW) for p in quiet.pairs))
    text = squeezed(page(founding.with_summary(replace(report, correlation=unsure))))
    assert text.count("not known: no sure pair with whole heads") == 2
    assert "no header line differs" not in text


def changed(**change: object) -> str:
    report = founding.report()
    given = replace(report.correlation.changes[0], **change)
    correlation = replace(report.correlation, changes=(given,))
    return page(replace(report, correlation=correlation), width=120)


@pytest.mark.parametrize(
    ("kind", "before", "after", "lines"),
    [
        (ChangeKind.ADDED, "", "X: new", ["+ added X: new same each time 3 of 4"]),
        (ChangeKind.REMOVED, "X: old", "", ["- removed X: old 3 of 4"]),
        (ChangeKind.RECASED, "X-a: 1", "x-A: 1", ["~ re-cased X-a → x-A 3 of 4"]),
        (ChangeKind.REORDERED, "a, b", "b, a", ["~ re-ordered a, b 3 of 4", "to b, a"]),
        (
            ChangeKind.CHANGED,
            "X: old",
            "X: new",
            ["~ changed X: old same each time 3 of 4", "to X: new"],
        ),
        (
            ChangeKind.DUPLICATED,
            "X: own",
            "X: other",
            ["+ second line X: own 3 of 4", "and X: other same each time"],
        ),
    ],
)
def test_a_change_is_drawn_by_its_kind(
    kind: ChangeKind, before: str, after: str, lines: list[str]
) -> None:
    text = changed(
        kind=kind,
        before=before,
        after=after,
        behaviour=Pattern.CONSTANT,
        count=3,
        of=4,
        example=0,
    )
    found = [squeezed(line) for line in text.splitlines()]
    place = found.index(lines[0])
    assert found[place : place + len(lines)] == lines
    assert found[place + len(lines)] == "for example client #4 ↔ backend #14"


def test_what_may_differ_on_each_hop_is_one_line() -> None:
    text = squeezed(changed(name="Via", kind=ChangeKind.ADDED, hop_by_hop=True, count=2, of=4))
    assert "may differ on each hop: Via added (2 of 4)" in text
    assert "for example client" not in text.partition("Exchanges across")[0]


@pytest.mark.parametrize("example", [-1, 4])
def test_without_an_example_none_is_named(example: int) -> None:
    assert "for example client" not in changed(example=example)


def test_without_pairs_nothing_is_said() -> None:
    report = founding.report()
    alone = replace(report, correlation=replace(report.correlation, pairs=()))
    assert "on the way to the backend" not in page(alone)
