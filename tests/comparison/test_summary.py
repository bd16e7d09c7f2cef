"""What a page shows beside the counts is what a walk over the pairs finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import (
    AddressMapping,
    Confidence,
    Correlation,
    Ref,
    Topology,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import Reuse
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from tests.findings.simulated import ALB, four
from tests.simulator import Balancer
from tests.simulator.random_simulations import random_simulation

OWN, CHECK = UnpairedReason.ANSWERED_BY_BALANCER, UnpairedReason.HEALTH_CHECK


@pytest.fixture(scope="module", params=range(12))
def comparison(request: pytest.FixtureRequest) -> Comparison:
    recorded = random_simulation(request.param).run()
    found = correlate(recorded.clients, recorded.backends, Options())
    return Comparison(recorded.clients, recorded.backends, found)


def test_pairs_are_counted_by_their_evidence(comparison: Comparison) -> None:
    pairs, tiers = comparison.correlation.pairs, comparison.summary.tiers
    assert {t.tier: t.count for t in tiers} == Counter(p.tier for p in pairs)
    assert [t.tier for t in tiers] == sorted(t.tier for t in tiers)
    for counted in tiers:
        told = [p.reasons[0] for p in pairs if p.tier is counted.tier and p.reasons]
        assert counted.example == (told[0] if told else None)


def test_pairs_are_counted_by_what_is_open_about_them(comparison: Comparison) -> None:
    pairs, summary = comparison.correlation.pairs, comparison.summary
    grouped = [p.group for p in pairs if p.group is not None]
    known = [p for p in pairs if p.confidence > Confidence.LOW]
    assert (summary.interchangeable, summary.groups) == (len(grouped), len(set(grouped)))
    assert summary.unsure == len(pairs) - len(known)
    assert summary.sent_again == sum(max(len(p.attempts) - 1, 0) for p in known)


def test_exchanges_without_a_partner_are_counted_by_reason(comparison: Comparison) -> None:
    unpaired, counted = comparison.correlation.unpaired, comparison.summary.unpaired
    expected = Counter((u.side, u.reason) for u in unpaired)
    assert {(c.side, c.reason): c.count for c in counted} == expected
    assert [c.count for c in counted] == sorted(expected.values(), reverse=True)
    for c in counted:
        assert c.first == next(u.ref for u in unpaired if (u.side, u.reason) == (c.side, c.reason))


def of(correlation: Correlation, balancer: Balancer = ALB) -> Comparison:
    recorded = four(balancer).run()
    return Comparison(recorded.clients, recorded.backends, correlation)


def test_an_answer_that_may_be_the_balancers_is_not_counted_as_its_own() -> None:
    unpaired = tuple(
        Unpaired("client", Ref(0, i), reason, confidence)
        for i, (reason, confidence) in enumerate(
            (
                (OWN, Confidence.LOW),
                (OWN, Confidence.MEDIUM),
                (OWN, Confidence.HIGH),
                (CHECK, Confidence.HIGH),
            )
        )
    )
    assert of(Correlation(unpaired=unpaired)).summary.answered_by_balancer == 2


def test_nothing_was_compared_without_pairs() -> None:
    summary = of(Correlation()).summary
    assert (summary.requests_compared, summary.responses_compared) == (False, False)
    assert (summary.tiers, summary.unpaired) == ((), ())


def test_heads_are_compared_when_a_pair_has_both_whole() -> None:
    recorded = four(ALB).run()
    found = correlate(recorded.clients, recorded.backends, Options())
    summary = Comparison(recorded.clients, recorded.backends, found).summary
    assert (summary.requests_compared, summary.responses_compared) == (4, True)
    unsure = replace(found, pairs=[p._replace(confidence=Confidence.LOW) for p in found.pairs])
    summary = Comparison(recorded.clients, recorded.backends, unsure).summary
    assert (summary.requests_compared, summary.responses_compared) == (False, False)
    assert summary.unsure == len(found.pairs)


@pytest.mark.parametrize(("kind", "reuse"), [(ALB, Reuse.SHOWN), (Balancer(kind="dnat"), None)])
def test_connections_behind_that_are_fewer_are_used_again(
    kind: Balancer, reuse: Reuse | None
) -> None:
    recorded = four(kind).run()
    found = correlate(recorded.clients, recorded.backends, Options())
    assert Comparison(recorded.clients, recorded.backends, found).summary.reuse is reuse


@pytest.mark.parametrize(
    ("connections", "requests", "reuse"),
    [
        (3, 4, Reuse.SHOWN),
        (3, 3, None),  # a cache answered the fourth: each connection carried one request
        (4, 4, None),
        (1, 1, None),
    ],
)
def test_fewer_connections_are_reuse_only_if_one_carried_several_requests(
    connections: int, requests: int, reuse: Reuse | None
) -> None:
    """Four clients' requests on a connection each; behind it so many, the first few of them on one
    connection.
    """
    recorded = four(Balancer(add=[("X-Forwarded-For", "{client}")], keep_alive=False)).run()
    (backend,) = recorded.backends
    shared = requests - connections
    moved = [
        e._replace(connection=0 if e.id <= shared else e.connection)
        for e in list(backend.exchanges)[:requests]
    ]
    found = Comparison(recorded.clients, [replace(backend, exchanges=moved)], Correlation())
    assert found.backend_counts.http_connections == connections
    assert found.summary.reuse is reuse


def test_connections_that_were_open_before_show_no_reuse() -> None:
    recorded = four(ALB).run()
    (backend,) = recorded.backends
    opened = [c._replace(syns=0) for c in backend.connections]
    before = [replace(backend, connections=opened)]
    assert Comparison(recorded.clients, before, Correlation()).summary.reuse is Reuse.UNKNOWN
    silent = [replace(backend, exchanges=[])]
    assert Comparison(recorded.clients, silent, Correlation()).summary.reuse is None


def test_syns_sent_again_are_those_of_both_sides() -> None:
    recorded = four(ALB).run()

    def again(trace: Trace, times: int) -> Trace:
        held = [c._replace(syn_retransmissions=times) for c in trace.connections]
        return replace(trace, connections=held)

    clients = [again(trace, 1) for trace in recorded.clients]
    backends = [again(trace, 2) for trace in recorded.backends]
    expected = sum(len(t.connections) for t in clients) + 2 * sum(
        len(t.connections) for t in backends
    )
    found = Comparison(clients, backends, Correlation())
    assert found.summary.syn_retransmissions == expected


def test_one_capture_is_the_same_files_on_both_sides() -> None:
    recorded = four(ALB).run()
    (client,) = recorded.clients
    again = replace(client, side=Side.BACKEND)
    assert Comparison([client], [again], Correlation()).summary.one_capture
    assert not of(Correlation()).summary.one_capture


def test_addresses_behind_a_nat_are_those_of_its_mappings() -> None:
    mapping = AddressMapping("192.168.0.5", "1.240.235.98", "X-Forwarded-For", 4, 4)
    topology = Topology(("192.168.0.5",), (Endpoint("3.35.166.21", 80),), mappings=(mapping,))
    found = of(Correlation(topology=topology))
    assert found.summary.behind_nat == {m.seen_as for m in found.nat_mappings} == {"1.240.235.98"}
