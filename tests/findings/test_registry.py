"""Every finding is complete, and its page is fresh."""

from __future__ import annotations

import pkgutil
import string
from pathlib import Path

import pytest

import lbtrace.findings
from lbtrace.errors import OptionError
from lbtrace.findings import (
    FindingModule,
    finding_of,
    registry,
    rooms,
    slugs,
    slugs_with_variants,
)
from lbtrace.findings.__main__ import document
from lbtrace.findings._document import sections
from tests.findings.simulated import ALB, Judged, four, judge_simulation
from tests.simulator import Balancer, Simulation

ROOT = Path(__file__).resolve().parents[2]


def concurrent(balancer: Balancer) -> Simulation:
    simulation = Simulation(seed=3, balancer=balancer)
    for n in range(4):
        client = simulation.client(f"192.168.0.{n + 5}", seen_as="1.240.235.98")
        for k in range(6):
            client.asks(
                "POST" if k % 3 == 0 else "GET",
                f"/same/{k % 2}",
                at_ms=k * 3,
                connection="kept",
                body=b"x" * (k % 3 == 0),
            )
    return simulation


PLAYS = {
    "alb": lambda: four(ALB, seen_as="1.240.235.98"),
    "dnat": lambda: four(Balancer(kind="dnat", check_ms=500, check=""), seen_as="1.240.235.98"),
    "snat": lambda: four(Balancer(kind="snat")),
    "direct": lambda: four(Balancer(kind="direct")),
    "dsr": lambda: four(Balancer(kind="dsr")),
    "proxy": lambda: four(Balancer(kind="l4-proxy", proxy=1)),
    "tls": lambda: four(Balancer(kind="tls")),
    "retry": lambda: concurrent(Balancer(retry=0.5)),
    "give up": lambda: concurrent(Balancer(give_up=0.5)),
    "refuse": lambda: four(Balancer(refuse=0.5)),
    "cache": lambda: concurrent(Balancer(cache=0.5)),
    "old": lambda: four(
        Balancer(
            version="HTTP/1.0", host="backend:8080", drop=["Accept"], gzip=True, keep_alive=False
        )
    ),
    "lower": lambda: four(
        Balancer(recase=True, add=[("x-forwarded-for", "{client}")], reorder=True)
    ),
    "loss": lambda: four(Balancer(), client_loss=0.3, backend_loss=0.3),
}


@pytest.fixture(scope="module", params=list(PLAYS))
def spoken(request: pytest.FixtureRequest) -> Judged:
    return judge_simulation(PLAYS[request.param]())


@pytest.mark.parametrize("finding", registry(), ids=lambda f: f.slug)
def test_a_finding_says_what_it_means_how_it_is_decided_what_proves_it_and_what_to_do(
    finding: FindingModule,
) -> None:
    parts = sections(finding.doc)
    assert set(parts) - {"Variants"} == {"", "Meaning", "Decided by", "Evidence", "Remedy"}
    assert all(parts.values())
    assert finding.title
    assert finding.slug == finding.slug.lower()


def test_every_finding_stands_in_a_room() -> None:
    """One beside the rooms would not be found."""
    outside = {m.name for m in pkgutil.iter_modules(lbtrace.findings.__path__) if not m.ispkg}
    assert {name for name in outside if not name.startswith("_")} == set()
    assert sorted(f.slug for room in rooms() for f in room.findings) == [*slugs()]
    assert all(room.title for room in rooms())


def test_the_page_is_what_the_command_prints() -> None:
    assert (ROOT / "docs/findings.md").read_text() == document()


def test_what_is_said_is_well_formed(spoken: Judged) -> None:
    """Known slugs; every place in a sentence has a value; filters belong to the frames; at most
    five frames a side.
    """
    slugs = {f.slug for f in registry()}
    assert spoken.findings
    for finding in spoken.findings:
        assert finding.slug.partition(".")[0] in slugs
        places = {name for _, name, _, _ in string.Formatter().parse(finding.statement) if name}
        assert places <= {v.name for v in finding.values}
        assert all(isinstance(v.value, int) == (v.unit != "text") for v in finding.values)
        for proof in finding.evidence:
            for side, text in (("client", proof.client_filter), ("backend", proof.backend_filter)):
                numbers = sorted({f.number for f in proof.frames if f.side == side})
                assert len(numbers) <= 5
                assert all(str(n) in text for n in numbers)
                assert bool(numbers) == bool(text)


def test_the_most_severe_is_said_first(spoken: Judged) -> None:
    order = ["critical", "high", "medium", "low", "info"]
    ranks = [order.index(f.severity) for f in spoken.findings]
    assert ranks == sorted(ranks)


def test_nothing_is_said_of_empty_captures() -> None:
    assert judge_simulation(Simulation()).findings == ()


@pytest.mark.parametrize("slug", ["retries", "retries.mirrored", "errors.backend"])
def test_a_finding_is_known_by_its_slug_with_or_without_a_variant(slug: str) -> None:
    assert finding_of(slug).slug == slug.partition(".")[0]
    assert slug in slugs_with_variants()


@pytest.mark.parametrize(
    ("slug", "hint"),
    [
        ("retrys", "Did you mean retries"),
        ("retries.mirored", "retries.mirrored"),
        ("goaway.nothing-like-it", "goaway"),
        ("WebSocket", "These speak of it: "),
        ("qqqqqq", "lbtrace explain lists them."),
    ],
)
def test_a_slug_of_no_finding_is_an_option_that_makes_no_sense(slug: str, hint: str) -> None:
    with pytest.raises(OptionError) as error:
        finding_of(slug)
    assert repr(slug) in str(error.value)
    assert hint in error.value.hint
