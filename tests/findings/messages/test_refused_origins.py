"""Requests of the site itself that seem to come from another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.findings.through import STATED, exchange, message, told
from tests.simulator.script import Script

REFUSED = message("403 Forbidden", "CSRF")
HTTPS = "X-Forwarded-Proto: https"


def asked(
    origin: str,
    sent_host: str | None = None,
    added: Sequence[str] = (STATED,),
    answers: Sequence[bytes] = (REFUSED, REFUSED),
    good: bool = True,
) -> Script:
    """Requests with an Origin for a.example, and one without, which works."""
    play = Script()
    for n, answer in enumerate(answers):
        exchange(
            play,
            f"/{n}",
            f"Origin: {origin}",
            sent_host=sent_host,
            added=added,
            given=answer,
            got=answer,
        )
    if good:
        exchange(play, "/good", sent_host=sent_host, added=added)
    return play


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play, folder, "refused-origins")


def test_a_balancer_that_changes_host(tmp_path: Path) -> None:
    (said,) = found(asked("http://a.example", "10.0.9.11:8080"), tmp_path)
    assert (said.slug, said.severity) == ("refused-origins.other-host", Severity.MEDIUM)
    assert (values(said)["count"], values(said)["statuses"]) == (2, "403 ×2")
    assert (values(said)["origin"], values(said)["host"]) == ("http://a.example", "10.0.9.11:8080")
    assert "proxy_set_header Host" in said.remedy


def test_a_balancer_that_does_not_say_https(tmp_path: Path) -> None:
    (said,) = found(asked("https://a.example"), tmp_path)
    assert said.slug == "refused-origins.scheme"
    assert "host" not in values(said)
    assert "X-Forwarded-Proto" in said.remedy


@pytest.mark.parametrize(
    ("origin", "sent_host"),
    [
        ("https://other.example", None),  # another site: that is what the check is for
        ("https://other.example", "b.internal"),
        ("http://a.example", None),  # nothing was changed
        ("http://a.example:80", None),  # the port of the scheme
        ("null", "b.internal"),
        ("https://[::1", "b.internal"),
        ("https://b.internal", "b.internal"),
    ],
)
def test_other_origins_are_not_told(origin: str, sent_host: str | None, tmp_path: Path) -> None:
    added = (STATED, HTTPS)
    assert found(asked(origin, sent_host, added), tmp_path) == []


@pytest.mark.parametrize("host", ["A.EXAMPLE", "a.example:443"])
def test_the_same_name_in_another_form_is_the_same(host: str, tmp_path: Path) -> None:
    assert found(asked("https://a.example", host, (STATED, HTTPS)), tmp_path) == []


@pytest.mark.parametrize(
    ("answers", "good"),
    [
        ((REFUSED, message("200 OK", "one of these works")), True),
        ((REFUSED, REFUSED), False),  # nothing works: it need not be Origin
        ((message("500 Oops"), message("500 Oops")), True),
    ],
)
def test_only_where_all_of_these_are_refused_and_others_work(
    answers: Sequence[bytes], good: bool, tmp_path: Path
) -> None:
    play = asked("https://a.example", answers=answers, good=good)
    assert found(play, tmp_path) == []


@pytest.mark.parametrize("said", [HTTPS, "Forwarded: for=192.0.2.9;proto=https"])
def test_a_backend_that_is_told_https_refuses_for_another_reason(said: str, tmp_path: Path) -> None:
    assert found(asked("https://a.example", added=(STATED, said)), tmp_path) == []


def test_one_capture_shows_the_scheme_alone(tmp_path: Path) -> None:
    for n, (origin, host) in enumerate((("https://a.example", None), ("http://a.example", "b"))):
        folder = tmp_path / str(n)
        folder.mkdir()
        asked(origin, host).report(folder)
        (alone,) = show([[str(folder / "backend.pcap")]]).captures
        slugs = [f.slug for f in alone.findings if f.slug.startswith("refused-origins")]
        assert slugs == ([] if n else ["refused-origins.scheme"])


def test_it_leads_the_problem(tmp_path: Path) -> None:
    (problem,) = asked("https://a.example").report(tmp_path).problems
    assert problem.slugs[0] == "refused-origins.scheme"
    assert "errors.backend" in problem.slugs
