"""The table of the founding article: what it says of the three balancers, and what it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.lesson import Act
from lbtrace.lesson.side_by_side import LABELS, UNKNOWN, values
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import SideCounts
from tests.lesson.reports import FOUNDING, sample, told


def column(name: str) -> dict[str, str]:
    return dict(zip(LABELS, values(sample(name)), strict=True))


@pytest.mark.parametrize(
    ("label", "alb", "nlb", "snat"),
    [
        ("SYN, client side : backend side", "4 : 1", "4 : 4", "4 : 4"),
        ("requests per backend connection", "4", "1", "1"),
        ("source that the backend sees", "172.31.42.119", "1.240.235.98", "172.31.42.119"),
        ("client's address stated in", "X-Forwarded-For", "the source address", "nowhere"),
        ("sequence numbers of the SYNs", *(f"equal in {n} of 4" for n in (0, 4, 4))),
        (
            "health checks",
            *(
                f"{what}, every 10 s"
                for what in ("GET /health", "connect and close", "GET /health")
            ),
        ),
    ],
)
def test_the_founding_articles_table_comes_from_the_packets(
    label: str, alb: str, nlb: str, snat: str
) -> None:
    assert [column(name)[label] for name in FOUNDING] == [alb, nlb, snat]


def test_each_balancer_has_its_column() -> None:
    page, _ = told(*(Act(name, sample(name)) for name in FOUNDING), width=120)
    table = page.split("Side by side", 1)[1]
    assert all(name in table.splitlines()[1] for name in FOUNDING)


def test_connections_of_several_lengths_are_a_range() -> None:
    assert column("haproxy-tcp")["requests per backend connection"] == "3–10"


def nothing(counts: SideCounts) -> SideCounts:
    return replace(counts, syns=0, already_open=1, requests_per_connection=())


def test_what_is_not_known_is_said_to_be() -> None:
    known = sample("alb-like")
    assert known.behaviour is not None
    report = replace(
        known,
        correlation=Correlation(),
        client_counts=nothing(known.client_counts),
        backend_counts=nothing(known.backend_counts),
        behaviour=replace(known.behaviour, facts=()),
    )
    seen = dict(zip(LABELS, values(report), strict=True))
    assert seen.pop("health checks") == "none seen"
    assert seen.pop("verdict") == "L7 proxy"
    assert set(seen.values()) == {""}
    page, _ = told(Act("alb-like", report))
    assert page.split("Side by side", 1)[1].count(UNKNOWN) == len(seen)
