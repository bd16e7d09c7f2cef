"""Equal requests of which the balancer answers most itself: whoever is whose, what all requests
behind it have and none in front tells how it treats them.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Kind, Verdict
from tests.findings.through import message, request
from tests.simulator.script import Script

CURL = "User-Agent: curl/8.1"
SHOP = "shop.example"


def crowd(
    folder: Path, *behind: str, host: str = "u", passed: int = 4, body: str = "the page"
) -> Verdict:
    """Clients that ask for one page at once and all get it, and the few requests that the backend
    sees meanwhile, with the lines `behind`.
    """
    play = Script()
    fronts = [play.front().asks(request("/shop/page", CURL, host=SHOP)) for _ in range(12)]
    for _ in range(passed):
        play.wait(90)
        asked = play.back().asks(request("/shop/page", *behind, host=host))
        asked.answers(message("200 OK", body), 90)
    for front in fronts:
        play.wait(1)
        front.answers(message("200 OK", body)).leaves()
    return play.report(folder).verdict


@pytest.mark.parametrize(
    ("host", "behind"), [("u", [CURL]), (SHOP, [CURL, "X-Forwarded-For: 192.0.2.1"])]
)
def test_a_line_that_only_requests_behind_have_is_the_balancers(
    host: str, behind: list[str], tmp_path: Path
) -> None:
    said = crowd(tmp_path, *behind, host=host)
    assert (said.kind, said.confidence) == (Kind.L7_PROXY, Confidence.MEDIUM)
    (heads,) = (w for w in said.witnesses if w.name == "head-differences")
    assert heads.evidence


def test_requests_that_are_the_same_on_both_sides_need_no_proxy_that_reads(tmp_path: Path) -> None:
    assert crowd(tmp_path, CURL, host=SHOP).kind is not Kind.L7_PROXY


@pytest.mark.parametrize("behind", [[], ["User-Agent: checker"]])
def test_requests_of_other_software_may_be_health_checks(behind: list[str], tmp_path: Path) -> None:
    assert crowd(tmp_path, *behind).kind is Kind.INCONCLUSIVE


def test_two_of_them_show_too_little(tmp_path: Path) -> None:
    assert crowd(tmp_path, CURL, passed=2).kind is Kind.INCONCLUSIVE


@pytest.mark.parametrize(
    ("got", "kind"), [("the page", Kind.L7_PROXY), ("another", Kind.INCONCLUSIVE)]
)
def test_a_body_is_the_same_whatever_its_coding(got: str, kind: Kind, tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(request("/shop/page", CURL, host=SHOP))
    play.back().asks(request("/shop/page", CURL)).answers(message("200 OK", "the page"), 5)
    coded = gzip.compress(got.encode(), mtime=0).decode("latin-1")
    front.answers(message("200 OK", coded, "Content-Encoding: gzip"), 5).leaves()
    assert play.report(tmp_path).verdict.kind is kind


def test_an_empty_page_shows_nothing(tmp_path: Path) -> None:
    assert crowd(tmp_path, CURL, body="").kind is Kind.INCONCLUSIVE
