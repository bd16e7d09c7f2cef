"""Answers that went past the balancer, as two captures of the same conversation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lbtrace.comparison import Comparison
from lbtrace.comparison.return_path import PastTheBalancer
from lbtrace.findings.clients import return_path
from lbtrace.model.net import Side
from lbtrace.model.report import Severity
from tests.findings.files import BACKEND, FRONT, Talk, of, report
from tests.findings.simulated import four, judge_simulation, values
from tests.simulator import Balancer
from tests.tcp.wire import CLIENT, Wire


def told_of(known_opened: bool) -> dict[str, object]:
    """What is found when the second connection of the client side is a stray of the first."""
    judged = judge_simulation(four(Balancer(kind="dnat")))
    run = judged.recorded
    comparison = Comparison(run.clients, run.backends, judged.correlation)
    table = comparison.table(Side.CLIENT)
    if not known_opened:
        table.connections[0].opened[0] = False
    none = np.zeros(0, np.int64)
    one = np.array([1]), np.array([0])
    comparison.__dict__["_strays"] = (PastTheBalancer(*one), PastTheBalancer(none, none))
    (finding,) = return_path.find(comparison)
    return {"slug": finding.slug, "severity": finding.severity, **values(finding)}


def test_an_answer_that_never_came_the_right_way_is_high() -> None:
    told = told_of(known_opened=False)
    assert told["slug"] == "return-path.asymmetric-client"
    assert told["severity"] is Severity.HIGH
    assert told["count"] == 1


def test_a_segment_of_a_connection_that_works_is_medium() -> None:
    told = told_of(known_opened=True)
    assert told["slug"] == "return-path.untranslated-client"
    assert told["severity"] is Severity.MEDIUM
    assert told["front"] == "3.35.166.21:80"


def test_nothing_is_found_where_nothing_strayed() -> None:
    assert not judge_simulation(four(Balancer(kind="dnat"))).of("return-path")


@pytest.mark.parametrize("resets", [0, 1, 2])
def test_answers_from_the_backend_and_from_elsewhere(resets: int, tmp_path: Path) -> None:
    """Two SYNs to the balancer are answered from other addresses, one of them the backend's. The
    client knows none of these connections.
    """
    works = Talk(40000)
    works.asks(10_000_000)
    front = [works.front]
    for n, source in enumerate((BACKEND, BACKEND._replace(address="172.16.0.99"))):
        asking = CLIENT._replace(port=40001 + n)
        tried, at = Wire([], asking, FRONT), (n + 1) * 1_000_000_000
        for again in range(3):
            tried.c("SYN", 99, at=at + again * 100_000_000)
        astray = Wire([], asking, source)
        for again in range(3):
            astray.s("SYN", 999, ack=100, at=at + again * 100_000_000 + 1_000_000)
            if n < resets:
                astray.c("RST", 100, at=at + again * 100_000_000 + 2_000_000)
        front += [tried, astray]
    (finding,) = of(report(tmp_path, front, [works.behind]), "return-path.asymmetric-client")
    told = values(finding)
    assert (told["count"], told.get("reset", 0)) == (2, resets)
    assert ("{reset}" in finding.statement) is bool(resets)
    assert "the backend's own address" in finding.statement
