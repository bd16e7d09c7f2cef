"""What became of whole requests: held against a reader of one pair at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Ref, UnpairedReason
from lbtrace.verdict.witnesses.requests import attempts, connection_mapping, own_answers
from tests.laws import examples
from tests.simulator import Balancer, Simulation
from tests.verdict.recorded import compared, comparisons, frames, told


def mapping(comparison: Comparison, only: Confidence) -> list[tuple[Ref, Ref]]:
    """The connections of each pair that is sure enough, was tried once and stands alone."""
    return [
        (
            Ref(p.client_ref.point, p.client.connection),
            Ref(p.backend_ref.point, p.backend.connection),
        )
        for p in comparison.distinct_pairs
        if len(p.found.attempts) == 1 and p.found.confidence.rank >= only.rank
    ]


def one_to_one(pairs: list[tuple[Ref, Ref]]) -> bool:
    together = set(pairs)
    return len(together) == len({a for a, _ in together}) == len({b for _, b in together})


@examples(80)
@given(comparisons())
def test_sure_pairs_whose_connections_cross_show_that_connections_are_shared(
    comparison: Comparison,
) -> None:
    found = told(connection_mapping(comparison))
    sure = mapping(comparison, Confidence.HIGH)
    every = mapping(comparison, Confidence.LOW)
    if not one_to_one(sure):
        together = set(sure)
        widest = max(
            *Counter(a for a, _ in together).values(), *Counter(b for _, b in together).values()
        )
        assert found == {("connection-mapping", "shared"): {"count": widest}}
    elif one_to_one(every) and all(p.found.group is None for p in comparison.pairs):
        fronts = {a for a, _ in every}
        expected = {("connection-mapping", "one-to-one"): {"count": len(fronts)}}
        assert found == (expected if len(fronts) > 1 else {})


@pytest.mark.parametrize(("crossing", "shared"), [(0, False), (1, False), (2, True), (4, True)])
def test_pairs_of_medium_confidence_count_when_a_quarter_crosses(
    crossing: int, shared: bool
) -> None:
    """Of eight pairs on eight connections each."""
    made = Simulation(seed=7, balancer=Balancer(kind="l4-proxy"))
    client = made.client("192.168.0.5")
    for n in range(8):
        client.asks("GET", f"/divide/{n}", at_ms=60 * n, answer=b"answer %d" % n)
    whole = compared(made.run())
    back = whole.backends[0]
    # the first of them go over the connection of the last one
    exchanges = [
        e._replace(connection=back.exchanges[7].connection) if e.id < crossing else e
        for e in back.exchanges
    ]
    pairs = [p._replace(confidence=Confidence.MEDIUM) for p in whole.correlation.pairs]
    found = told(
        connection_mapping(
            Comparison(
                whole.clients,
                [replace(back, exchanges=exchanges)],
                replace(whole.correlation, pairs=tuple(pairs), connection_pairs=()),
            )
        )
    )
    if shared:
        assert found == {("connection-mapping", "shared"): {"count": crossing + 1}}
    else:
        expected = {} if crossing else {("connection-mapping", "one-to-one"): {"count": 8}}
        assert found == expected


def alike(balancer: Balancer, *requests: int, think: bool = False) -> Comparison:
    """Clients with so many equal requests each, on one connection: only the sets are known."""
    made = Simulation(seed=3, balancer=balancer)
    for number, count in enumerate(requests):
        client = made.client(f"192.168.0.{5 + number}")
        for n in range(count):
            client.asks("GET", "/same", at_ms=n, connection="kept", think_ms=60)
    whole = compared(made.run())
    pairs = tuple(p._replace(group=0) for p in whole.correlation.pairs)
    return compared_with(whole, pairs)


def compared_with(whole: Comparison, pairs: object) -> Comparison:
    correlation = replace(whole.correlation, pairs=pairs, connection_pairs=())  # type: ignore[arg-type]
    return Comparison(whole.clients, whole.backends, correlation)


def test_as_many_requests_on_as_many_connections() -> None:
    found = told(connection_mapping(alike(Balancer(kind="l4-proxy"), 3, 2)))
    assert found == {("connection-mapping", "one-to-one"): {"count": 2}}
    assert told(connection_mapping(alike(Balancer(kind="l4-proxy"), 3))) == {}


def test_other_numbers_of_requests_show_that_connections_are_shared() -> None:
    comparison = alike(Balancer(keep_alive=False), 3, 2)
    assert told(connection_mapping(comparison)) == {
        ("connection-mapping", "shared"): {
            "fronts": 2,
            "most_front": 3,
            "backs": 5,
            "most_back": 1,
        }
    }


def test_what_is_left_over_makes_numbers_worthless() -> None:
    """An exchange without a partner, a pair that is no knowledge, a connection captured in part."""
    whole = alike(Balancer(keep_alive=False), 3, 2)
    pairs = tuple(whole.correlation.pairs)
    unsure = (pairs[0]._replace(confidence=Confidence.LOW), *pairs[1:])
    assert told(connection_mapping(compared_with(whole, unsure))) == {}
    for side in ("clients", "backends"):
        (trace,) = getattr(whole, side)
        for change in ({"syns": 0}, {"missing": 1}, {"back": 1}):
            first = trace.connections[0]
            if "syns" in change:
                first = first._replace(syns=0)
            elif "missing" in change:
                first = first._replace(from_client=first.from_client._replace(missing=1))
            else:
                first = first._replace(from_server=first.from_server._replace(missing=1))
            partly = replace(trace, connections=[first, *list(trace.connections)[1:]])
            sides = {"clients": whole.clients, "backends": whole.backends, side: [partly]}
            made = Comparison(sides["clients"], sides["backends"], whole.correlation)
            assert told(connection_mapping(made)) == {}, (side, change)


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (UnpairedReason.HEALTH_CHECK, True),
        (UnpairedReason.ANSWERED_BY_BALANCER, True),
        (UnpairedReason.OUTSIDE_OTHER_CAPTURE, False),
    ],
)
def test_what_cannot_have_a_partner_is_not_left_over(reason: UnpairedReason, says: bool) -> None:
    whole = alike(Balancer(keep_alive=False), 3, 2)
    refused = compared(simulation_refusing().run()).correlation.unpaired[0]
    correlation = replace(whole.correlation, unpaired=(refused._replace(reason=reason),))
    found = told(connection_mapping(Comparison(whole.clients, whole.backends, correlation)))
    assert bool(found) == says


def simulation_refusing(refuse: float = 0.5, count: int = 12) -> Simulation:
    made = Simulation(seed=5, balancer=Balancer(refuse=refuse, add=[("X-Id", "{fresh}")]))
    client = made.client("192.168.0.5")
    for n in range(count):
        client.asks("GET", f"/item/{n}", at_ms=60 * n, answer=b"item %d" % n)
    return made


@examples(60)
@given(comparisons())
def test_answers_of_the_balancer(comparison: Comparison) -> None:
    own = [
        u
        for u in comparison.correlation.unpaired
        if u.side == Side.CLIENT
        and u.reason is UnpairedReason.ANSWERED_BY_BALANCER
        and u.confidence in (Confidence.HIGH, Confidence.CERTAIN)
    ]
    expected = {("own-answers", "some"): {"count": len(own)}} if own and comparison.pairs else {}
    assert told(own_answers(comparison)) == expected


def test_an_answer_of_the_balancer_is_shown_by_its_response() -> None:
    recorded = simulation_refusing().run()
    comparison = compared(recorded)
    [found] = own_answers(comparison)
    said = told(iter([found]))["own-answers", "some"]["count"]
    assert 0 < int(str(said)) <= len(recorded.own)
    heads = {
        e.response.head_frame
        for ref in recorded.own
        for e in [comparison.exchange(Side.CLIENT, ref)]
        if e.response
    }
    assert frames(found, Side.CLIENT) <= heads
    unsure = tuple(
        u._replace(confidence=Confidence.MEDIUM) for u in comparison.correlation.unpaired
    )
    correlation = replace(comparison.correlation, unpaired=unsure)
    assert not list(own_answers(Comparison(recorded.clients, recorded.backends, correlation)))


@examples(60)
@given(comparisons())
def test_requests_sent_more_than_once(comparison: Comparison) -> None:
    several = [p for p in comparison.distinct_pairs if len(p.found.attempts) > 1]
    expected = {("attempts", "several"): {"count": len(several)}} if several else {}
    found = list(attempts(comparison))
    assert told(iter(found)) == expected
    for observation in found:
        heads = {
            e.request.head_frame
            for p in several[:2]
            for a in p.found.attempts[:2]
            for e in [comparison.exchange(Side.BACKEND, a.backend)]
            if e.request
        }
        assert frames(observation, Side.BACKEND) == heads


def test_two_requests_that_were_sent_again_are_shown() -> None:
    made = Simulation(seed=5, balancer=Balancer(retry=1.0, add=[("X-Id", "{fresh}")]))
    client = made.client("192.168.0.5")
    for n in range(5):
        client.asks("GET", f"/item/{n}", at_ms=90 * n, answer=b"item %d" % n)
    comparison = compared(made.run())
    [found] = attempts(comparison)
    assert told(iter([found])) == {("attempts", "several"): {"count": 5}}
    assert len(frames(found, Side.CLIENT)) == 2
    assert len(frames(found, Side.BACKEND)) == 4
