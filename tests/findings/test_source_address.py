"""Who the backend believes is asking."""

from __future__ import annotations

from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Severity
from tests.findings.stage import ALB, four, tell, values
from tests.play import Balancer, Play


def test_a_proxy_shows_its_own_address_and_states_the_client() -> None:
    said = tell(four(ALB, seen_as="1.240.235.98")).one("source-address")
    assert said.slug == "source-address.rewritten"
    assert said.severity is Severity.INFO
    assert values(said)["backend_sees"] == "172.31.42.119"
    assert values(said)["stated_in"] == "X-Forwarded-For"


def test_a_client_that_is_stated_nowhere_is_worth_a_remedy() -> None:
    said = tell(four(Balancer(kind="snat"))).one("source-address")
    assert said.slug == "source-address.rewritten"
    assert said.severity is Severity.MEDIUM
    assert said.remedy


def test_a_destination_nat_keeps_the_source() -> None:
    said = tell(four(Balancer(kind="dnat"))).one("source-address")
    assert said.slug == "source-address.preserved"
    assert values(said)["count"] == 4


def test_a_nat_before_the_balancer_is_not_the_balancers_doing() -> None:
    spoken = tell(four(Balancer(kind="dnat"), seen_as="1.240.235.98"))
    assert spoken.one("source-address").slug == "source-address.preserved"
    assert values(spoken.one("nat-before-balancer"))["seen_as"] == "1.240.235.98"


def test_a_private_source_beside_the_backend_is_the_balancers() -> None:
    spoken = tell(four(Balancer(kind="snat")))
    assert spoken.of("nat-before-balancer") == []


def test_a_proxy_header_states_the_client() -> None:
    said = tell(four(Balancer(kind="l4-proxy", proxy=1), seen_as="1.240.235.98")).one("source-address")
    assert "PROXY" in str(values(said)["stated_in"])


def test_one_address_stated_for_several_clients_may_be_a_fixed_value() -> None:
    play = Play(balancer=Balancer(add=[("X-Forwarded-For", "203.0.113.77")]))
    for k in range(3):
        for i in range(4):
            play.client(f"192.168.0.{5 + k}").asks("GET", f"/{k}/{i}", at_ms=50 * (3 * i + k))
    found = tell(play).of("nat-before-balancer")
    assert len(found) == 3
    assert {f.confidence for f in found} == {Confidence.LOW}
    assert all("or the value is a fixed one" in f.statement for f in found)
    alone = tell(four(Balancer(add=[("X-Forwarded-For", "203.0.113.77")]))).one("nat-before-balancer")
    assert alone.confidence is Confidence.HIGH


def test_what_packets_that_are_passed_on_come_from_is_not_the_balancers() -> None:
    spoken = tell(four(Balancer(kind="dnat"), seen_as="1.240.235.98"))
    assert spoken.correlation.topology.balancer_back == ()
    assert tell(four(Balancer(kind="snat"), seen_as="1.240.235.98")).correlation.topology.balancer_back == ("172.31.42.119",)
