"""Connections that are one conversation → the exchanges on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.correlate import correlate
from lbtrace.match import match
from lbtrace.model.pairing import Clue, Confidence, ConnectionBasis, Tier
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Recording, Simulation


def kept(balancer: Balancer, seen_as: str = "") -> Recording:
    """Equal requests on three connections that are kept, of one host where a NAT hides it."""
    simulation = Simulation(seed=4, balancer=balancer)
    hosts = [simulation.client(f"192.168.0.{5 + k}", seen_as) for k in range(1 if seen_as else 3)]
    for k in range(3):
        for i in range(4):
            hosts[k % len(hosts)].asks("GET", "/", at_ms=i, connection=f"k{k}")
    return simulation.run()


@pytest.mark.parametrize("kind", ["dnat", "snat", "dsr", "direct"])
def test_the_same_packets_pair_every_exchange_for_certain(kind: str) -> None:
    recorded = kept(Balancer(kind=kind))
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert len(found.pairs) == 12
    for p in found.pairs:
        assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
        assert (p.tier, p.confidence) == (Tier.SAME_PACKETS, Confidence.CERTAIN)
        assert p.reasons[0].clue is Clue.SEQUENCE_NUMBERS


@pytest.mark.parametrize(("seen_as", "sure"), [("", Confidence.CERTAIN), ("1.240.235.98", None)])
def test_a_port_that_is_stated_pairs_by_place(seen_as: str, sure: Confidence | None) -> None:
    """By the client's own address for certain; through a NAT that kept the port less so."""
    add = [("X-Forwarded-For", "{client}:{clientport}")]
    recorded = kept(Balancer(add=add), seen_as)
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    told = [p for p in found.pairs if p.tier is Tier.STATED_ADDRESS]
    assert told
    for p in told:
        assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
        assert p.confidence is (sure or Confidence.HIGH)


def test_connections_that_a_proxy_header_names_are_pairs() -> None:
    recorded = kept(Balancer(kind="l4-proxy", proxy=2))
    found = match(recorded.clients, recorded.backends, DEFAULT)
    assert {p.basis for p in found.connection_pairs} == {ConnectionBasis.STATED_ADDRESS}
    for p in found.connection_pairs:
        assert p.backend in recorded.carried[p.client]


def test_exchanges_whose_place_is_not_known_wait_for_their_content() -> None:
    """The start of the connections is in no capture, and the numbers are those of the balancer."""
    recorded = kept(Balancer(kind="l4-proxy", proxy=1))
    back = recorded.backends[0]
    late = [c._replace(syns=0, syn_frame=None, syn_ns=None, opened=False) for c in back.connections]
    found = correlate(recorded.clients, [replace(back, connections=late)], DEFAULT)
    for p in found.pairs:
        if p.group is None and p.confidence is not Confidence.LOW:
            assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
