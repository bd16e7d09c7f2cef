"""Pairs by shared rare values: only what nothing that a balancer cannot change speaks against."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.http import Exchange
from lbtrace.model.pairing import Confidence, Tier
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.scenarios.base import TWO


def with_ids(balancer: Balancer, requests: int = 20) -> Recording:
    """Equal requests that carry ids."""
    simulation = Simulation(seed=5, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    dice = random.Random(6)
    for i in range(requests):
        ids = [("X-Request-Id", f"{dice.getrandbits(128):032x}")]
        client.asks("POST", "/", at_ms=10 * i, headers=ids, body=b"order", connection=f"k{i % 5}")
    return simulation.run()


def changed(recorded: Recording, which: int, change: object) -> Recording:
    """The same, with one backend exchange changed."""
    back = recorded.backends[0]
    made = [change(e) if i == which else e for i, e in enumerate(back.exchanges)]  # type: ignore[operator]
    return replace(recorded, backends=[replace(back, exchanges=made)])


def as_get(e: Exchange) -> Exchange:
    assert e.request is not None
    return e._replace(request=e.request._replace(method="GET"))


def another_body(e: Exchange) -> Exchange:
    assert e.request is not None
    body = e.request.body._replace(digest="0" * 32, content_digest=None)
    return e._replace(request=e.request._replace(body=body))


def test_ids_pair_what_is_equal_otherwise() -> None:
    recorded = with_ids(Balancer())
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    for p in found.pairs:
        assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
        assert (p.tier, p.confidence) == (Tier.RARE_TOKEN, Confidence.HIGH)


@pytest.mark.parametrize("change", [as_get, another_body], ids=["method", "body"])
def test_another_method_or_body_rules_a_pair_out_whatever_they_share(change: object) -> None:
    """A balancer changes neither (RFC 9110 §7.6)."""
    recorded = with_ids(Balancer())
    odd = changed(recorded, 7, change)
    (asker,) = (c for c, bs in recorded.truth.items() if bs[-1].id == 7)
    found = correlate(odd.clients, odd.backends, DEFAULT)
    assert not any(a.backend.id == 7 for p in found.pairs for a in p.attempts)
    assert asker not in {p.client for p in found.pairs}


def test_an_answer_that_says_it_was_kept_asked_nobody() -> None:
    """The balancer answers from its cache with a response whose id a backend once gave."""
    simulation = Simulation(seed=7, balancer=Balancer(cache=0.5))
    client = simulation.client("192.168.0.5")
    for i in range(24):
        etag = [("ETag", f'"{i % 4}-7f3a9c0d51e24b86"')]
        client.asks("GET", f"/{i % 4}", at_ms=60 * i, answer_headers=etag)
    recorded = simulation.run()
    assert len(recorded.own) > 5
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert not {p.client for p in found.pairs} & recorded.own


DRAWN = "5f1c9a7e03b84d26a1e7c0d95b3f8246"


def renamed(field: str, value: str, more: int) -> Recording:
    """One client sends a value with its requests, another an id of its own with each. The backend
    got the first request under another target; the client capture holds this one alone of the
    first client's.
    """
    simulation = Simulation(seed=5, backends=TWO)
    one, other = simulation.client("192.168.0.5"), simulation.client("192.168.0.6")
    dice = random.Random(6)
    for i in range(1 + more):
        one.asks("GET", f"/mine/{i}?page={i}", at_ms=50 * i, headers=[(field, value)])
    for i in range(12):
        ids = [("X-Request-Id", f"{dice.getrandbits(128):032x}")]
        other.asks("GET", f"/other/{i}?page={i % 4}", at_ms=10 * i + 5, headers=ids)
    whole = simulation.run()
    (front,) = whole.clients
    kept = [e for e in front.exchanges if e.request and e.request.target != "/mine/1?page=1"]
    return renamed_behind(replace(whole, clients=[replace(front, exchanges=kept)]))


def renamed_behind(recorded: Recording) -> Recording:
    """The backend got the first request under another path."""

    def rename(e: Exchange) -> Exchange:
        q = e.request
        return (
            e
            if q is None or q.target != "/mine/0?page=0"
            else e._replace(request=q._replace(target="/theirs?page=0"))
        )

    (back,) = recorded.backends
    return replace(recorded, backends=[replace(back, exchanges=list(map(rename, back.exchanges)))])


@pytest.mark.parametrize(
    ("field", "value", "more", "paired"),
    [
        ("X-Request-Id", DRAWN, 0, True),
        ("X-Client-Ref", DRAWN, 1, False),  # it comes with different requests
        ("Cookie", f"session={DRAWN}", 0, False),  # it comes with each request of a session
        ("X-Session-Token", DRAWN, 0, False),
    ],
)
def test_a_value_outweighs_another_target_only_where_it_is_one_requests_own(
    field: str, value: str, more: int, paired: bool
) -> None:
    recorded = renamed(field, value, more)
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    by_value = [p for p in found.pairs if p.reasons[0].value == value]
    assert bool(by_value) == paired
    assert sum(p.tier is Tier.RARE_TOKEN for p in found.pairs) == 12 + paired
