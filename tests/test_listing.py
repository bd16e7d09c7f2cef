"""The rows of the list of exchanges: which come first, and what they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.listing import ListedExchanges, Listing, Row, listing, listing_alone, sampled
from lbtrace.model.grpc import GrpcCall
from lbtrace.model.http import Exchange
from lbtrace.model.net import Endpoint, FrameRef, Side
from lbtrace.model.pairing import Attempt, AttemptOutcome, Confidence, Ref, Unpaired, UnpairedReason
from lbtrace.model.report import Evidence, Report, Severity
from lbtrace.model.selection import At, Moment, Selection, Statuses
from tests.render import founding

NEVER = UnpairedReason.NEVER_ANSWERED


def numbers(report: Report) -> list[str]:
    return [row.number for row in listing(report).rows]


def alone(report: Report, *unpaired: Unpaired, pairs: int) -> Report:
    """The first so many pairs, and exchanges without a partner."""
    kept = report.correlation.pairs[:pairs]
    return replace(report, correlation=replace(report.correlation, pairs=kept, unpaired=unpaired))


def without(side: str, id_: int, reason: UnpairedReason = UnpairedReason.UNKNOWN) -> Unpaired:
    return Unpaired(side, Ref(0, id_), reason, Confidence.HIGH)


def answered(report: Report, id_: int, status: int) -> Report:
    """A client exchange with another status."""
    (client,) = report.clients
    exchanges: list[Exchange] = list(client.exchanges)
    response = exchanges[id_].response
    assert response is not None
    exchanges[id_] = exchanges[id_]._replace(response=response._replace(status=status))
    return replace(report, clients=(replace(client, exchanges=exchanges),))


def test_rows_are_called_by_their_place() -> None:
    assert (Row(True, 0).number, Row(False, 2).number) == ("1", "u3")


def test_without_trouble_they_come_as_captured_and_health_checks_do_not() -> None:
    found = listing(founding.report())
    assert [row.number for row in found.rows] == ["1", "2", "3", "4"]
    assert (found.troubled, found.of) == (0, 4)


def test_client_exchanges_without_a_partner_stand_where_they_were_captured() -> None:
    report = alone(founding.report(), without("backend", 4), without("client", 3), pairs=3)
    assert numbers(report) == ["1", "2", "3", "u2", "u1"]


@pytest.mark.parametrize(("status", "first"), [(499, "1"), (500, "3")])
def test_an_error_of_a_server_comes_first(status: int, first: str) -> None:
    assert numbers(answered(founding.report(), 2, status))[0] == first


@pytest.mark.parametrize(
    ("outcome", "first"),
    [
        (AttemptOutcome.RESET, "4"),
        (AttemptOutcome.CLOSED, "4"),
        (AttemptOutcome.TIMEOUT, "4"),
        (AttemptOutcome.SUPERSEDED, "4"),
        (AttemptOutcome.COPY, "1"),
    ],
)
def test_a_failed_attempt_comes_first(outcome: AttemptOutcome, first: str) -> None:
    report = founding.report()
    *pairs, last = report.correlation.pairs
    last = last._replace(attempts=(Attempt(Ref(0, 4), outcome),))
    correlation = replace(report.correlation, pairs=(*pairs, last))
    assert numbers(replace(report, correlation=correlation))[0] == first


def test_what_nobody_answered_comes_first() -> None:
    report = alone(founding.report(), without("client", 3, NEVER), pairs=3)
    assert numbers(report) == ["u1", "1", "2", "3"]
    assert listing(report).troubled == 1


@pytest.mark.parametrize(
    ("frame", "side"), [(24, Side.CLIENT), (26, Side.CLIENT), (18, Side.BACKEND)]
)
def test_what_a_problem_names_comes_first(frame: int, side: Side) -> None:
    report = founding.report()
    trace = report.trace(side, 0)
    exchange = next(
        e
        for e in trace.exchanges
        if e.request and e.response and frame in (e.request.first_frame, e.response.first_frame)
    )
    assert exchange.request is not None
    assert exchange.response is not None
    at = exchange.request if exchange.request.first_frame == frame else exchange.response
    evidence = (Evidence((FrameRef(side, 0, 0, frame, at.first_ns),)),)
    (finding,) = report.findings
    wrong = replace(finding, severity=Severity.LOW, evidence=evidence)
    found = listing(replace(report, findings=(wrong,)))
    assert (found.rows[0].number, found.troubled) == ("3", 1)
    assert numbers(replace(report, findings=(replace(wrong, severity=Severity.INFO),)))[0] == "1"


def test_a_frame_of_no_exchange_names_none() -> None:
    syn = FrameRef(Side.CLIENT, 0, 0, 1, founding.NOON + founding.AHEAD)
    assert ListedExchanges(founding.report()).rows_of([syn]) == []


def test_rows_can_be_cut() -> None:
    rows = listing(founding.report()).rows
    assert [row.number for row in rows[1:3]] == ["2", "3"]
    assert rows[-1] == Row(True, 3)


def chosen(report: Report, **conditions: object) -> list[str]:
    selection = Selection(**conditions)  # type: ignore[arg-type]
    return sorted(row.number for row in listing(report, selection).rows)


MS = founding.MS
START = founding.NOON + founding.AHEAD + 3 * MS  # of the first request


@pytest.mark.parametrize(
    ("conditions", "numbers"),
    [
        ({}, ["1", "2", "3", "4"]),
        ({"methods": ("GET",)}, ["1", "2", "3", "4", "u1"]),
        ({"methods": ("POST",)}, []),
        ({"paths": ("/divide/?",)}, ["4"]),
        ({"paths": ("/divide/[25]*",)}, ["1", "2"]),
        ({"paths": ("/health", "*/10")}, ["3", "u1"]),
        ({"statuses": (Statuses(200, 200),)}, ["1", "2", "3", "4", "u1"]),
        ({"statuses": (Statuses(201, 599), Statuses(0, 0))}, []),
        ({"clients": (At(founding.LAPTOP, None),)}, ["1", "2", "3", "4"]),
        ({"clients": (At(founding.LAPTOP, 50002),)}, ["3"]),
        ({"clients": (At(founding.BALANCER, None),)}, []),
        ({"backends": (At("172.31.11.95", 8080),)}, ["1", "2", "3", "4", "u1"]),
        ({"backends": (At("172.31.11.95", 80),)}, []),
        ({"since": Moment(START + 1000 * MS, False)}, ["2", "3", "4"]),
        ({"since": Moment(START + 1000 * MS + 1, False)}, ["3", "4"]),
        ({"until": Moment(START, False), "methods": ("GET",)}, ["1", "u1"]),
        ({"until": Moment(START - 1, False), "methods": ("GET",)}, ["u1"]),
        ({"problems": True}, []),
        ({"paths": ("/divide/*",), "clients": (At(founding.LAPTOP, 50001),)}, ["2"]),
    ],
)
def test_what_is_wanted_is_listed(conditions: dict[str, object], numbers: list[str]) -> None:
    assert chosen(founding.report(), **conditions) == numbers


def test_a_glob_may_name_the_query() -> None:
    report = founding.report()
    (client,) = report.clients
    exchanges: list[Exchange] = list(client.exchanges)
    request = exchanges[0].request
    assert request is not None
    exchanges[0] = exchanges[0]._replace(request=request._replace(target="/a/b?c=/d"))
    asked = replace(report, clients=(replace(client, exchanges=exchanges),))
    assert chosen(asked, paths=("/a/b",)) == chosen(asked, paths=("*c=*",)) == ["1"]
    assert chosen(asked, paths=("*/d",)) == ["1"]
    assert chosen(asked, paths=("/a",)) == []


def test_any_attempt_may_be_at_the_backend() -> None:
    report = founding.report()
    (backend,) = report.backends
    other = [
        backend.connections[0],
        backend.connections[1]._replace(server=Endpoint("10.0.0.9", 80)),
    ]
    moved = replace(report, backends=(replace(backend, connections=other),))
    assert chosen(moved, backends=(At("10.0.0.9", None),)) == ["1", "2", "3", "4"]
    assert chosen(moved, backends=(At("172.31.11.95", None),)) == ["u1"]


def test_what_went_wrong_can_be_asked_for_and_the_rest_is_counted() -> None:
    report = answered(founding.report(), 2, 502)
    found = listing(report, Selection(problems=True))
    assert [row.number for row in found.rows] == ["3"]
    assert (found.troubled, found.of) == (1, 5)


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        ({}, [0, 1, 2, 3]),
        ({"paths": ("*/10",)}, [2]),
        ({"clients": (At(founding.LAPTOP, 50001),)}, [1]),
        ({"backends": (At("3.35.166.21", 80),)}, [0, 1, 2, 3]),
        ({"backends": (At("3.35.166.21", 81),)}, []),
        ({"problems": True}, [3]),
    ],
)
def test_of_one_capture(conditions: dict[str, object], ids: list[int]) -> None:
    (client,) = answered(founding.report(), 3, 500).clients
    selection = Selection(**conditions)  # type: ignore[arg-type]
    found = listing_alone(client, (), selection)
    assert found.rows == sorted(ids, key=lambda n: n != 3)  # the 500 is first
    assert (found.of, found.statuses) == (4, [(200, 3), (500, 1)])
    named = listing_alone(client, [4], Selection(problems=True))
    assert (named.rows, named.troubled) == ([0, 3], 2)


@pytest.mark.parametrize(
    ("status", "wrong"), [(None, False), (0, False), (5, False), (14, True), (99, False)]
)
def test_a_grpc_call_that_failed_went_wrong(status: int | None, wrong: bool) -> None:
    """NOT_FOUND is an answer, as 404 is one."""
    report = founding.report()
    call = GrpcCall(2, status, False, "", None, 0, None, None)
    client = replace(report.clients[0], calls=[call])
    alone_ = listing_alone(client, ())
    found = listing(replace(report, clients=(client,)))
    assert (alone_.troubled, found.troubled) == (wrong, wrong)
    assert alone_.rows[0] == found.rows[0].place == (2 if wrong else 0)


@pytest.mark.parametrize(("frame", "rows"), [(4, [0]), (5, [0]), (6, [0]), (7, [])])
def test_an_exchange_is_named_by_the_frames_of_its_messages(frame: int, rows: list[int]) -> None:
    """The head of this request ends in another frame than it begins in and ends in."""
    trace = founding.client_trace()
    e = trace.exchanges[0]
    assert e.request is not None
    long = e._replace(request=e.request._replace(first_frame=4, head_frame=5, last_frame=6))
    changed = replace(trace, exchanges=[long, *trace.exchanges[1:]])
    assert listing_alone(changed, [frame], Selection(problems=True)).rows == rows


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 80))
def test_a_sample_keeps_what_went_wrong_and_spreads_over_the_rest(
    odd: int, even: int, most: int
) -> None:
    rows = [Row(True, place) for place in range(odd + even)]
    found = sampled(Listing(rows, odd, len(rows)), most)
    assert len(found) == min(most, len(rows))
    assert found == sorted(set(found))
    assert found[:odd] == rows[: min(odd, most)]
    gaps = [b.place - a.place for a, b in zip(found[odd:], found[odd + 1 :], strict=False)]
    assert not gaps or max(gaps) - min(gaps) <= 1
