"""What a balancer states of the client, held against what the client did."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import STATED, exchange, told
from tests.simulator.script import CLIENT, Script


@pytest.mark.parametrize(
    ("line", "true"),
    [
        (STATED, True),
        (f"Forwarded: for={CLIENT};proto=http", True),
        ("X-Forwarded-Port: 80", True),
        ("X-Forwarded-Port: 443", False),
        ("X-Forwarded-Proto: http", True),
        ("X-Forwarded-Proto: ws", True),
        ("X-Forwarded-Proto: HTTP", True),
        ("X-Forwarded-Proto: https", False),
        ("X-Forwarded-Proto: wss", False),
        ("X-Forwarded-Host: a.example", True),
        ("X-Forwarded-Host: A.example, inner.example", True),
        ("X-Forwarded-Host: b.example", False),
    ],
)
def test_a_statement_is_true_or_false(line: str, true: bool, tmp_path: Path) -> None:
    """The client asks http://a.example on port 80."""
    play = Script()
    for n in range(3):
        exchange(play, f"/{n}", added=tuple(dict.fromkeys((STATED, line))))
    field = line.partition(":")[0]
    (finding,) = [
        f for f in told(play, tmp_path, "forwarded-fields") if values(f)["field"] == field
    ]
    assert finding.slug == f"forwarded-fields.{'right' if true else 'wrong'}"
    assert finding.severity is (Severity.INFO if true else Severity.MEDIUM)
    assert bool(finding.remedy) is not true
    assert (values(finding)["count"], values(finding)["of"]) == (3, 3)


def test_a_statement_that_is_false_once_is_counted_among_all(tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        exchange(play, f"/{n}", added=(STATED, f"X-Forwarded-Port: {81 if n == 1 else 80}"))
    (port,) = [
        f
        for f in told(play, tmp_path, "forwarded-fields.wrong")
        if values(f)["field"] == "X-Forwarded-Port"
    ]
    assert (values(port)["count"], values(port)["of"], values(port)["value"]) == (1, 3, "81")


@pytest.mark.parametrize("line", ["X-Forwarded-Port: 443", "X-Forwarded-Proto: https"])
def test_what_the_request_bore_already_is_no_statement_of_the_balancer(
    line: str, tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        exchange(play, f"/{n}", line)
    fields = [values(f)["field"] for f in told(play, tmp_path, "forwarded-fields")]
    assert fields == ["X-Forwarded-For"]


def test_behind_the_clients_own_claim_the_address_is_one_of_several(tmp_path: Path) -> None:
    play = Script()
    for n in range(2):
        exchange(play, f"/{n}", added=(f"X-Forwarded-For: 203.0.113.7, {CLIENT}",))
    (finding,) = told(play, tmp_path, "forwarded-fields")
    assert finding.slug == "forwarded-fields.right"
    assert values(finding)["address"] == CLIENT
    assert "{address}" in finding.statement
