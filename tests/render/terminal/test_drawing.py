"""Who talks to whom."""

from __future__ import annotations

import dataclasses
import re

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import (
    AddressMapping,
)
from lbtrace.model.report import Kind
from tests.render import founding
from tests.render.documents import page, squeezed

replace = dataclasses.replace


def test_long_addresses_are_listed_not_cut() -> None:
    report = founding.report()
    long = "2001:db8:1234:5678:9abc:def0:1234:5678"
    topology = replace(
        report.correlation.topology,
        clients=(long,),
        fronts=(Endpoint(long, 80),),
        backends=(Endpoint(long, 8080),),
    )
    text = page(replace(report, correlation=replace(report.correlation, topology=topology)))
    assert f"[{long}]:8080" in text


def test_a_nat_is_drawn_only_where_one_was_found() -> None:
    report = founding.report()
    mapping = AddressMapping("192.168.0.5", "10.9.9.9", "X-Real-IP", 4, 4)
    topology = replace(report.correlation.topology, mappings=(mapping,))
    told = squeezed(
        page(
            replace(report, correlation=replace(report.correlation, topology=topology), findings=())
        )
    )
    assert "X-Real-IP states 10.9.9.9 for 192.168.0.5 (4 of 4)." in told
    assert "NAT" not in told


def drawn(width: int = 80, kind: Kind = Kind.L7_PROXY, **topology: object) -> str:
    report = founding.report()
    changed = replace(report.correlation.topology, **topology)
    verdict = replace(report.verdict, kind=kind)
    correlation = replace(report.correlation, topology=changed)
    return page(replace(report, verdict=verdict, correlation=correlation), width=width)


@pytest.mark.parametrize(("count", "shown", "rest"), [(4, 4, 0), (5, 5, 0), (6, 4, 2), (9, 4, 5)])
def test_of_many_addresses_a_few_are_shown(count: int, shown: int, rest: int) -> None:
    text = drawn(clients=tuple(f"10.0.0.{n}" for n in range(count)), mappings=())
    assert sum(f"10.0.0.{n} " in text for n in range(count)) == shown
    assert ("more " in text.partition("packets")[0]) is (rest > 0)
    assert not rest or f"+{rest} more" in text


def test_a_narrow_page_has_a_list() -> None:
    assert re.search(r"client +192\.168\.0\.5\n +load balancer +3\.35\.166\.21:80", drawn(width=70))
    assert "▶" in drawn(width=80)
    assert "source behind it  unknown" in drawn(width=50, balancer_back=(), mappings=())


def test_without_a_balancer_there_is_a_connection() -> None:
    assert "connects to" in drawn(kind=Kind.DIRECT)
    assert "load balancer" in drawn()


def test_sources_that_were_kept_are_those_of_the_clients() -> None:
    kept = AddressMapping("192.168.0.5", "192.168.0.5", None, 4, 4)
    text = drawn(balancer_back=(), mappings=(kept,))
    assert re.search(r"3\.35\.166\.21:80 ┆ 192\.168\.0\.5", text)


@pytest.mark.parametrize(
    ("stated_by", "seen_as", "text"),
    [
        (None, "10.9.9.9", "192.168.0.5 appears as 10.9.9.9 behind the balancer (source address, "),
        ("X-Real-IP", "10.9.9.9", "X-Real-IP states 10.9.9.9 for 192.168.0.5 (3 of 4)."),
        ("X-Real-IP", "1.240.235.98", "it saw 1.240.235.98, not 192.168.0.5 (X-Real-IP, 3 of 4)."),
    ],
)
def test_a_mapping_says_who_states_it(stated_by: str | None, seen_as: str, text: str) -> None:
    mapping = AddressMapping("192.168.0.5", seen_as, stated_by, 3, 4)
    assert text in squeezed(drawn(width=100, mappings=(mapping,)))


@pytest.mark.parametrize(
    ("count", "told", "rest"), [(4, 4, ""), (5, 4, "+1 more client "), (7, 4, "+3 more clients ")]
)
def test_of_many_other_addresses_a_few_are_told(count: int, told: int, rest: str) -> None:
    mappings = tuple(AddressMapping(f"10.0.0.{n}", "10.9.9.9", None, 3, 4) for n in range(count))
    text = drawn(width=100, mappings=mappings)
    assert text.count("appears as 10.9.9.9") == told
    assert rest in text
    assert ("seen under another address" in text) is bool(rest)


def test_clients_behind_one_nat_are_told_together() -> None:
    mappings = tuple(
        AddressMapping(f"10.0.0.{n}", "1.240.235.98", "X-Forwarded-For", 3, 4) for n in range(5)
    )
    text = squeezed(drawn(width=100, mappings=mappings))
    assert (
        "it saw 1.240.235.98, not 10.0.0.0, 10.0.0.1, +3 more (X-Forwarded-For, 15 of 20)." in text
    )
    assert text.count("A NAT sits") == 1


def test_without_any_address_nothing_is_drawn() -> None:
    text = drawn(clients=(), fronts=(), balancer_back=(), backends=(), mappings=())
    assert "source behind it" not in text
