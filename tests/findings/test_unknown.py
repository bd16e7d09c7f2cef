"""What is not in the captures, and who is whose among interchangeable pairs, is unknown: no finding
may take it for a difference.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.http import Application, ClientHello, Exchange, Interim, Mark, Protocol
from lbtrace.model.pairing import (
    AddressMapping,
    Confidence,
    ConnectionBasis,
    ConnectionPair,
    Correlation,
    Ref,
    Tier,
)
from lbtrace.model.report import Kind
from lbtrace.options import Options
from lbtrace.pipeline import compare
from lbtrace.verdict import judge
from lbtrace.verdict.witnesses.packets import addresses
from tests.findings.simulated import (
    ALB,
    Judged,
    four,
    judge_recording,
    judge_simulation,
    values,
    with_exchanges,
)
from tests.simulator import Balancer, Simulation

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
SENT = [("X-Forwarded-For", "6.6.6.6")]


def cut(exchange: Exchange) -> Exchange:
    """The same exchange, its heads cut after the first line by the snapshot length."""
    assert exchange.request is not None
    assert exchange.response is not None
    return exchange._replace(
        request=exchange.request._replace(
            lines=exchange.request.lines[:1], marks=(Mark.HEAD_TRUNCATED,)
        ),
        response=exchange.response._replace(
            lines=exchange.response.lines[:1], marks=(Mark.HEAD_TRUNCATED,)
        ),
    )


def behind_a_short_snaplen(spoken: Judged) -> Judged:
    """What is said when every head of the backend capture was cut."""
    back = spoken.recorded.backends[0]
    spoken.recorded.backends[0] = with_exchanges(
        back, **{f"e{e.id}": cut(e) for e in back.exchanges}
    )
    return judge_recording(spoken.recorded, spoken.correlation)


@pytest.mark.parametrize(
    "slug",
    [
        "host-and-target",
        "header-style",
        "xff-trust",
        "forwarded-fields",
        "protocol-changes.coding",
        "protocol-changes.version",
    ],
)
def test_a_cut_head_is_compared_with_nothing(slug: str) -> None:
    simulation = Simulation(
        seed=7,
        balancer=Balancer(
            gzip=True, recase=True, version="HTTP/1.0", add=[("X-Forwarded-Proto", "http")]
        ),
    )
    simulation.client("192.168.0.5").asks(
        "GET", "/divide/25", at_ms=0, headers=SENT, answer=b"25" * 400
    )
    spoken = judge_simulation(simulation)
    assert spoken.of(slug)
    assert behind_a_short_snaplen(spoken).of(slug) == []


def test_heads_that_were_cut_are_not_called_untouched() -> None:
    spoken = judge_simulation(four(Balancer(kind="dnat")))
    assert values(spoken.one("request-headers.unchanged"))["count"] == 4
    back = spoken.recorded.backends[0]
    spoken.recorded.backends[0] = with_exchanges(back, e1=cut(back.exchanges[1]))
    assert (
        values(
            judge_recording(spoken.recorded, spoken.correlation).one("request-headers.unchanged")
        )["count"]
        == 3
    )


def crossed(balancer: Balancer, *clients: str) -> Judged:
    """One request of each client, answered differently, all at once; then every backend exchange is
    paired with another's client.
    """
    simulation = Simulation(seed=7, balancer=balancer)
    for n, address in enumerate(clients):
        simulation.client(address).asks("GET", "/", at_ms=0.1 * n, answer=b"answer %d" % n)
    recorded = simulation.run()
    spoken = judge_simulation(simulation)
    pairs = sorted(spoken.correlation.pairs, key=lambda p: p.client)
    attempts = [p.attempts for p in pairs]
    mixed = [
        p._replace(attempts=a, tier=Tier.ORDER, confidence=Confidence.MEDIUM, group=0)
        for p, a in zip(pairs, [*attempts[1:], attempts[0]], strict=True)
    ]
    correlation = replace(spoken.correlation, pairs=tuple(mixed), connection_pairs=())
    return judge_recording(recorded, correlation)


def test_a_body_of_another_in_the_group_is_not_another_body() -> None:
    spoken = crossed(Balancer(), "192.168.0.5", "192.168.0.6")
    assert spoken.of("responses.body") == []


def test_an_address_of_another_in_the_group_is_not_a_wrong_one() -> None:
    spoken = crossed(ALB, "203.0.113.5", "203.0.113.6")
    assert "X-Forwarded-For" not in {
        values(f)["field"] for f in spoken.of("forwarded-fields.wrong")
    }


def test_a_source_of_another_in_the_group_is_not_rewritten() -> None:
    spoken = crossed(Balancer(preserve_source=True), "203.0.113.5", "203.0.113.6")
    assert spoken.of("source-address.rewritten") == []
    assert spoken.of("source-address.mixed") == []


def test_ends_of_another_in_the_group_are_not_rewritten() -> None:
    spoken = crossed(Balancer(kind="direct"), "203.0.113.5", "203.0.113.6")
    (seen,) = addresses(
        Comparison(spoken.recorded.clients, spoken.recorded.backends, spoken.correlation)
    )
    assert seen.variant == "same"


def test_an_address_stated_behind_tls_is_found() -> None:
    simulation = Simulation(
        seed=7,
        balancer=Balancer(kind="tls", keep_alive=False, add=[("X-Forwarded-For", "{client}")]),
    )
    for n in range(4):
        simulation.client("203.0.113.5").asks(
            "GET", f"/{n}", at_ms=300 * n, answer=b"answer %d" % n
        )
    recorded = simulation.run()
    pairs = tuple(
        ConnectionPair(Ref(0, c.id), Ref(0, c.id), ConnectionBasis.EXCHANGES, Confidence.MEDIUM)
        for c in recorded.clients[0].connections
    )
    (said,) = judge_recording(recorded, Correlation(connection_pairs=pairs)).of("source-address")
    assert values(said)["stated_in"] == "X-Forwarded-For"


def test_what_tls_may_hide_is_not_unrelated() -> None:
    one = Simulation(seed=1, balancer=Balancer())
    for name in ("one", "two", "three"):
        one.client("203.0.113.5").asks("GET", f"/{name}", answer=name.encode())
    other = Simulation(seed=2, balancer=Balancer(host="api.example.net"))
    for n in range(6):
        other.client("10.1.1.1").asks(
            "POST", f"/api/{n}", at_ms=60 * n, body=b"%d" % n, answer=b"{}%d" % n
        )
    front, back = one.run().clients, other.run().backends
    assert judge(Comparison(front, back, correlate(front, back, Options()))).kind is Kind.UNRELATED
    hello = Application(
        Protocol.TLS, tls=ClientHello("00" * 32, "", "other.example.net", (), (0x0304,), 4)
    )
    encrypted = front[0].connections[0]._replace(id=1)
    front = [
        replace(
            front[0],
            connections=[*front[0].connections, encrypted],
            applications=[*front[0].applications, hello],
        )
    ]
    said = judge(Comparison(front, back, correlate(front, back, Options())))
    assert said.kind is Kind.INCONCLUSIVE
    assert "TLS" in said.reason


def test_a_proxy_header_that_names_a_stranger_does_not_state_the_client() -> None:
    spoken = judge_simulation(four(Balancer(kind="l4-proxy", proxy=1, keep_alive=False)))
    assert values(spoken.one("source-address"))["stated_in"] == "PROXY"
    back = spoken.recorded.backends[0]
    wrong = [
        a._replace(proxy=tuple(h._replace(source="198.18.0.9:1") for h in a.proxy))
        for a in back.applications
    ]
    spoken.recorded.backends[0] = replace(back, applications=wrong)
    assert spoken.correlation.connection_pairs
    known = replace(
        spoken.correlation.topology,
        mappings=(AddressMapping("192.168.0.5", "192.168.0.5", None, 4, 4),),
    )
    said = judge_recording(spoken.recorded, replace(spoken.correlation, topology=known)).one(
        "source-address"
    )
    assert "stated_in" not in values(said)


def test_a_proxy_header_that_states_a_socket_states_no_other_client() -> None:
    """PROXY v2 of AF_UNIX has a path as its source."""
    spoken = judge_simulation(four(Balancer(kind="l4-proxy", proxy=2, keep_alive=False)))
    back = spoken.recorded.backends[0]
    local = [
        a._replace(proxy=tuple(h._replace(source="/run/lb.sock") for h in a.proxy))
        for a in back.applications
    ]
    spoken.recorded.backends[0] = replace(back, applications=local)
    assert not judge_recording(spoken.recorded, spoken.correlation).of(
        "proxy-protocol.wrong-source"
    )


def test_an_interim_response_may_be_among_what_was_not_captured() -> None:
    spoken = judge_simulation(four(Balancer()))
    front, back = spoken.recorded.clients[0], spoken.recorded.backends[0]
    first = front.exchanges[0]
    assert first.request is not None
    going_on = Interim(100, (), first.request.head_frame, first.request.head_ns)
    spoken.recorded.clients[0] = with_exchanges(front, e0=first._replace(interim=(going_on,)))
    assert judge_recording(spoken.recorded, spoken.correlation).one("protocol-changes.interim-own")
    lossy = [c._replace(from_server=c.from_server._replace(missing=25)) for c in back.connections]
    spoken.recorded.backends[0] = replace(back, connections=lossy)
    assert (
        judge_recording(spoken.recorded, spoken.correlation).of("protocol-changes.interim-own")
        == []
    )


@pytest.mark.parametrize(
    ("in_front", "behind"),
    [("alb-like", "nginx-race"), ("haproxy", "alb-like"), ("squid", "haproxy")],
)
def test_a_pair_of_low_confidence_carries_no_problem_to_the_other_side(
    in_front: str, behind: str
) -> None:
    """Recordings of other times have alike requests. Which of them belong together is not known, so
    no problem names frames of both.
    """
    client, backend = SAMPLES / in_front / "client.pcap", SAMPLES / behind / "backend.pcap"
    report = compare([[str(client)]], [[str(backend)]])
    assert {pair.confidence for pair in report.correlation.pairs} == {Confidence.LOW}
    of_exchanges = [p for p in report.problems if "swapped-captures" not in p.cause.slug]
    assert not [p for p in of_exchanges if len({frame.side for frame in p.frames}) == 2]
