"""What is open, as data: sets, completeness of the sides, candidates of an ambiguous verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.pairing import Completeness, Incomplete, PairSet, Ref, SideCompleteness
from lbtrace.model.report import Kind, Report
from lbtrace.render.json import sets as written
from tests.render import founding
from tests.render.documents import check, text_of

REPORT = founding.report()
client = st.integers(0, 3).map(lambda number: Ref(0, number))
backend = st.integers(0, 4).map(lambda number: Ref(0, number))
pair_set = st.builds(
    PairSet,
    st.integers(0, 9),
    st.sets(client, max_size=4).map(lambda refs: tuple(sorted(refs))),
    st.sets(backend, max_size=5).map(lambda refs: tuple(sorted(refs))),
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
)


def of(**correlation: object) -> Report:
    return replace(REPORT, correlation=replace(REPORT.correlation, **correlation))  # type: ignore[arg-type]


@given(st.lists(pair_set, max_size=3))
def test_a_set_is_written_with_its_members_its_size_and_its_fixed_pairs(
    sets: list[PairSet],
) -> None:
    lines = [json.loads(text) for text in written.sets(of(sets=sets))]
    assert [
        (
            line["group"],
            [(e["point"], e["exchange"]) for e in line["clients"]],
            [(e["point"], e["exchange"]) for e in line["backends"]],
            line["fixed"],
            line["size"],
        )
        for line in lines
    ] == [
        (
            s.group,
            list(s.clients),
            list(s.backends),
            list(s.fixed),
            len(s.clients) + len(s.backends),
        )
        for s in sets
    ]


@pytest.mark.parametrize(
    ("held", "exchange", "connection"),
    [
        (SideCompleteness(None), None, None),
        (SideCompleteness(), None, None),
        (SideCompleteness(Incomplete.REQUEST_MISSING, Ref(0, 1)), ("client", 1), None),
        (SideCompleteness(Incomplete.PARTNER_MISSING, Ref(0, 4)), ("backend", 4), None),
        (
            SideCompleteness(Incomplete.BYTES_MISSING, connection=Ref(0, 2)),
            None,
            {"point": 0, "connection": 2},
        ),
    ],
)
def test_a_side_says_whether_it_is_complete_and_what_shows_that_it_is_not(
    held: SideCompleteness, exchange: tuple[str, int] | None, connection: dict[str, int] | None
) -> None:
    report = of(completeness=Completeness(held, SideCompleteness(None)))
    document = json.loads(text_of(report))
    check(document)
    side = document["completeness"]["client"]
    assert side["complete"] is (held.reason is None)
    assert side["reason"] == (held.reason or "")
    assert side["connection"] == connection
    if exchange is None:
        assert side["exchange"] is None
    else:
        (capture,) = (c for c in document["captures"] if c["side"] == exchange[0])
        shown = capture["exchanges"][exchange[1]]["request"]["first_frame"]
        assert side["exchange"]["exchange"] == exchange[1]
        assert side["exchange"]["first_frame"] == shown


def test_an_ambiguous_verdict_names_its_candidates() -> None:
    kinds = (Kind.L7_PROXY, Kind.L4_PROXY)
    verdict = replace(REPORT.verdict, kind=Kind.AMBIGUOUS, candidates=kinds)
    document = json.loads(text_of(replace(REPORT, verdict=verdict)))
    check(document)
    assert document["verdict"]["candidates"] == ["l7-proxy", "l4-proxy"]
