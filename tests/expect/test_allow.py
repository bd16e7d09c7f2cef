"""Allowances let a finding pass until they end."""

from __future__ import annotations

from datetime import date

import pytest

from lbtrace.expect import read, warnings
from lbtrace.model.behaviour import Behaviour, Fact
from tests.behaviour.samples import behaviour_of
from tests.expect.files import DAY, outcomes

FAIL_ON = '[findings]\nfail_on = "low"\n'


def _allow(finding: str, where: str = "", until: str = "2027-03-01") -> str:
    named = f'where = "{where}"\n' if where else ""
    return f'[[allow]]\nfinding = "{finding}"\n{named}until = {until}\nreason = "known"\n'


def _failing(text: str, behaviour: Behaviour, day: date = DAY) -> set[str]:
    return {o.key for o in outcomes(FAIL_ON + text, behaviour, day) if o.fails}


RACE = {"findings.keep-alive-race.backend", "findings.retries.repeated"}


def test_each_finding_that_fails_is_an_outcome() -> None:
    assert _failing("", behaviour_of("nginx-race")) == RACE


def test_an_allowance_lets_its_finding_pass_and_is_counted() -> None:
    race = behaviour_of("nginx-race")
    assert _failing(_allow("retries.repeated"), race) == RACE - {"findings.retries.repeated"}
    assert _failing(_allow("retries"), race) == RACE - {"findings.retries.repeated"}
    assert not _failing(_allow("retries") + _allow("keep-alive-race"), race)
    (allowed,) = (o for o in outcomes(FAIL_ON + _allow("retries"), race) if o.allowed)
    assert allowed.allowed is not None
    assert (allowed.allowed.reason, allowed.reason) == ("known", "")
    others = _allow("retries", where="GET /else") + _allow("retries")
    (allowed,) = (o for o in outcomes(FAIL_ON + others, race) if o.allowed)
    assert allowed.reason == "", "why the first one does not let it pass does not matter"


def test_it_ends_on_its_day_with_a_warning(tmp_path) -> None:  # type: ignore[no-untyped-def]
    race = behaviour_of("nginx-race")
    text = _allow("retries", until="2026-11-29")
    assert "findings.retries.repeated" not in _failing(text, race, date(2026, 11, 29))
    assert "findings.retries.repeated" in _failing(text, race, date(2026, 11, 30))
    path = tmp_path / "lb.toml"
    path.write_text(FAIL_ON + text, "utf-8")
    expectations = read(str(path))
    assert not warnings(expectations, date(2026, 11, 29))
    (said,) = warnings(expectations, date(2026, 11, 30))
    assert "line 3" in said


def test_where_must_name_every_request_of_the_finding() -> None:
    def failing(requests: tuple[str, ...], where: str) -> bool:
        fact = Fact("findings.retries.repeated", "low", "", values=requests)
        return bool(_failing(_allow("retries", where), Behaviour((fact,), 1)))

    assert not failing(("GET /health",), "GET /health")
    assert not failing(("GET /a", "GET /b"), "GET /*")
    assert failing(("GET /health", "POST /pay"), "GET /health")
    assert failing((), "GET /health")  # unknown requests are none that were allowed


def test_a_finding_tells_its_requests() -> None:
    fact = behaviour_of("nginx-race").fact("findings.retries.repeated")
    assert fact is not None
    assert len(fact.values) == 1
    assert fact.values[0].startswith("GET /divide/")


@pytest.mark.parametrize(
    ("requests", "where", "until", "says"),
    [
        (("GET /health", "POST /pay"), "GET /health", "2027-03-01",
         "the allowance in line 3 is for GET /health, but it is about POST /pay, too"),
        ((), "GET /health", "2027-03-01",
         "the allowance in line 3 is for GET /health; this finding tells no requests"),
        (("GET /health",), "GET /health", "2026-01-01",
         "the allowance in line 3 ended on 2026-01-01"),
    ],
)  # fmt: skip
def test_an_allowance_that_does_not_apply_says_why(
    requests: tuple[str, ...], where: str, until: str, says: str
) -> None:
    fact = Fact("findings.retries.repeated", "low", "", values=requests)
    (outcome,) = outcomes(FAIL_ON + _allow("retries", where, until), Behaviour((fact,), 1))
    assert outcome.fails
    assert outcome.reason == says
