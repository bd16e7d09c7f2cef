"""Traits: sentences about the traffic as a whole, each where it holds and where one pair speaks
against it.
"""

from __future__ import annotations

import pytest

from lbtrace.comparison import Comparison
from lbtrace.model.http import HeaderLine, Response
from lbtrace.verdict.modifiers import modifiers
from lbtrace.verdict.traits import TRAITS, traits
from lbtrace.verdict.weigh import KINDS
from lbtrace.verdict.witnesses import observe
from tests.simulator import Balancer, Simulation
from tests.verdict.recorded import XFF, compared, simulation

KIND = {kind.value: kind for kind in KINDS}


def seen(comparison: Comparison, kind: str = "l7-proxy") -> set[str]:
    words = modifiers(comparison, KIND[kind], observe(comparison))
    return set(traits(comparison, words, []))


def of(balancer: Balancer, kind: str = "l7-proxy") -> set[str]:
    found = seen(compared(simulation(balancer).run()), kind)
    assert {t for t in found if not t.startswith("modifier")} <= set(TRAITS)
    return found


@pytest.mark.parametrize(
    ("balancer", "kind", "source", "destination"),
    [
        (Balancer(kind="direct"), "direct", "preserved", "kept"),
        (Balancer(kind="dnat"), "l4-passthrough", "preserved", "rewritten"),
        (Balancer(kind="snat"), "l4-passthrough", "rewritten", "rewritten"),
        (Balancer(add=XFF), "l7-proxy", "rewritten", "rewritten"),
        (Balancer(add=XFF, preserve_source=True), "l7-proxy", "preserved", "rewritten"),
    ],
)
def test_addresses(balancer: Balancer, kind: str, source: str, destination: str) -> None:
    found = of(balancer, kind)
    assert {t for t in found if t.startswith(("source", "destination"))} == {
        f"source: {source}",
        f"destination: {destination}",
    }


@pytest.mark.parametrize(
    ("balancer", "connections"),
    [
        (Balancer(add=XFF), "reused"),
        (Balancer(add=XFF, keep_alive=False), "one per request"),
    ],
)
def test_backend_connections(balancer: Balancer, connections: str) -> None:
    assert {t for t in of(balancer) if t.startswith("backend connections")} == {
        f"backend connections: {connections}"
    }
    alone = seen(compared(simulation(balancer, count=1).run()))
    assert not any(t.startswith("backend connections") for t in alone), "one request tells neither"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (None, "Host: as the client sent it"),
        ("172.31.11.95:8080", "Host: the backend's"),
        ("172.31.11.95", "Host: the backend's"),
        ("172.31.11.9", ""),
        ("inner", ""),
    ],
)
def test_hosts(host: str | None, said: str) -> None:
    assert {t for t in of(Balancer(host=host)) if t.startswith("Host")} == (
        {said} if said else set()
    )


@pytest.mark.parametrize(
    ("balancer", "said"),
    [
        (Balancer(recase=True), "lower case"),
        (Balancer(add=[("x-added", "1")]), "as the client wrote them"),
        (Balancer(), "as the client wrote them"),
    ],
)
def test_names(balancer: Balancer, said: str) -> None:
    assert {t for t in of(balancer) if t.startswith("request field names")} == {
        f"request field names: {said}"
    }


def test_the_version_behind() -> None:
    assert "request version: HTTP/1.0 behind HTTP/1.1" in of(Balancer(version="HTTP/1.0"))
    assert "request version: HTTP/1.0 behind HTTP/1.1" not in of(Balancer())


def test_modifiers_are_traits() -> None:
    assert "modifier: proxy-protocol" in of(Balancer(kind="l4-proxy", proxy=1), "l4-proxy")
    assert "modifier: dnat" in of(Balancer(kind="dnat"), "l4-passthrough")


def answer(*lines: tuple[str, str]) -> Response:
    made = Simulation(balancer=Balancer(refuse=1.0))
    made.client("192.168.0.5").asks("GET", "/")
    response = made.run().clients[0].exchanges[0].response
    assert response is not None
    return response._replace(lines=tuple(HeaderLine(n, v, f"{n}: {v}") for n, v in lines))


BARE = "own answer: lower case, cache-control: no-cache, neither Server nor Date"


@pytest.mark.parametrize(
    ("lines", "bare"),
    [
        ([("cache-control", "no-cache")], True),
        ([("content-length", "0"), ("cache-control", "No-Cache")], True),
        ([("Cache-Control", "no-cache")], False),
        ([("cache-control", "no-store")], False),
        ([("content-length", "0")], False),
        ([("cache-control", "no-cache"), ("server", "lb")], False),
        ([("cache-control", "no-cache"), ("date", "now")], False),
    ],
)
def test_own_answers(lines: list[tuple[str, str]], bare: bool) -> None:
    comparison = compared(simulation(Balancer(add=XFF)).run())
    assert (BARE in set(traits(comparison, (), [answer(*lines)]))) == bare
    both = [answer(*lines), answer(("Server", "lb"))]
    assert BARE not in set(traits(comparison, (), both)), "each of them must look so"
    assert BARE not in set(traits(comparison, (), []))
