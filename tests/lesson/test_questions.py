"""The questions: each answer follows from the report, and is not given where the report is not
sure.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.lesson import Act
from lbtrace.lesson.questions import QUESTIONS, UNKNOWN
from lbtrace.model.report import Kind, Report
from tests.lesson.reports import FOUNDING, sample, told

CONNECTIONS, SOURCE, SAME = QUESTIONS


def answers(name: str) -> list[str]:
    return [question.answer(sample(name)) for question in QUESTIONS]


def test_a_proxy_that_reuses_connections() -> None:
    how_many, source, same = answers("alb-like")
    assert how_many == "1 connection for 4 requests. 3 more are the balancer's health checks."
    assert source == "172.31.42.119, not the client's 192.168.0.5: the source was rewritten."
    assert same.startswith("Two. ")


def test_a_balancer_that_passes_packets_on() -> None:
    how_many, source, same = answers("nlb-like")
    assert how_many == "4 connections for 4 requests. 3 more are the balancer's health checks."
    assert source.startswith("1.240.235.98: the address that a NAT ")
    assert same.endswith("Only its destination address was rewritten.")


def test_the_trap_is_one_connection_though_its_source_is_the_balancer() -> None:
    _, source, same = answers("nlb-like-snat")
    assert source.startswith("172.31.42.119, not the client's")
    assert same.startswith("One. ")
    assert same.endswith("Only its addresses were rewritten: the source and the destination.")


def test_the_clients_own_address_is_called_so() -> None:
    assert answers("direct")[1].endswith(": the client's own address.")
    assert answers("direct")[2].endswith("nothing in between ended the connection.")


def without_knowledge() -> Report:
    """The founding experiment, of which nothing could be said."""
    report = sample("alb-like")
    assert report.behaviour is not None
    nothing = replace(report.behaviour, facts=())
    verdict = replace(report.verdict, kind=Kind.INCONCLUSIVE)
    return replace(report, behaviour=nothing, verdict=verdict)


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_the_captures_do_not_tell_is_not_told(question: object) -> None:
    assert isinstance(question, type(CONNECTIONS))
    assert question.answer(without_knowledge()) == UNKNOWN


def test_connections_that_were_open_before_are_told() -> None:
    report = sample("alb-like")
    counts = replace(report.backend_counts, already_open=1, check_connections=0)
    answer = CONNECTIONS.answer(replace(report, backend_counts=counts))
    assert answer == "1 connection for 4 requests. 1 connection was open before the capture began."


@pytest.mark.parametrize("name", FOUNDING)
def test_the_table_of_sources_counts_every_connection_behind(name: str) -> None:
    page, _ = told(Act("first", sample("alb-like")), Act(name, sample(name)))
    table = page.split("Connections that the backend saw, by source\n", 1)[1].split("\n\n")[0]
    counted = [int(line.split()[1]) for line in table.splitlines()[1:]]
    assert sum(counted) == len(sample(name).backends[0].connections)
