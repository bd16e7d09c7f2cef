"""What tables say of an exchange."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.model.grpc import GrpcCall
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render import Detail
from lbtrace.render.terminal.cells import answer
from tests.render import founding
from tests.render.documents import page, squeezed
from tests.render.html.test_html import data_of, written


def call(exchange: int, status: int | None) -> GrpcCall:
    return GrpcCall(exchange, status, False, "", None, 0, 1, 1)


def called(trace: Trace, status: int | None) -> Trace:
    """The second exchange of a trace is a gRPC call, and so is the first, which went well."""
    return replace(trace, calls=[call(0, 0), call(1, status)])


def report_of(status: int) -> Report:
    report = founding.report()
    clients, backends = (
        tuple(called(trace, status) for trace in traces)
        for traces in (report.clients, report.backends)
    )
    return replace(report, clients=clients, backends=backends)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (None, "200"),
        (0, "200"),
        (5, "200, NOT_FOUND (5)"),
        (14, "200, UNAVAILABLE (14)"),
        (99, "200, gRPC (99)"),
    ],
)
def test_how_a_grpc_call_ended_stands_behind_the_status(status: int | None, text: str) -> None:
    trace = called(founding.client_trace(), status)
    assert answer(trace, trace.exchanges[1]) == text
    assert [answer(trace, e) for e in trace.exchanges[2:]] == ["200", "200"]


@pytest.mark.parametrize("detail", [Detail.FIRST_SCREEN, Detail.EVERYTHING])
def test_both_pages_for_a_terminal_say_it(detail: Detail) -> None:
    report = report_of(14)
    for result in (report, report.clients[0]):
        assert "200, UNAVAILABLE (14)" in page(result, detail, width=120)
        zoomed = squeezed(page(result, Detail.FIRST_SCREEN, zoom="2"))
        assert zoomed.count(" → 200, UNAVAILABLE (14)") == 1


def test_a_page_of_80_columns_says_it_in_a_line_of_its_own() -> None:
    """Beside the status it would take three lines."""
    lines = page(report_of(7).clients[0], Detail.EVERYTHING, width=80).splitlines()
    (at,) = (
        n for n, line in enumerate(lines) if "PERMISSION_DENIED (7)" in line and "×" not in line
    )
    assert lines[at].strip() == "PERMISSION_DENIED (7)"
    assert lines[at - 1].split()[0] == "2"
    assert " 200 " in lines[at - 1]


def test_the_page_for_a_browser_says_it_and_is_filtered_by_the_status() -> None:
    data = data_of(written(report_of(14)))
    rows, strings = data["rows"], data["strings"]
    assert strings[rows["answer"][0]] == "200, UNAVAILABLE (14)"
    assert strings[rows["status"][0]] == "2xx"
