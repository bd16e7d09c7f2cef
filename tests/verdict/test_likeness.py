"""What profiles are compared with: every line that the balancer wrote, and nothing of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace import profiles
from lbtrace.comparison import Comparison
from lbtrace.model.pairing import UnpairedReason
from lbtrace.model.report import Kind
from lbtrace.profiles import Observed
from lbtrace.verdict.likeness import EXAMPLES, likeness
from tests.simulator import Balancer, Simulation
from tests.verdict.recorded import XFF, compared, simulation


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Observed]:
    """What `likeness` shows the profiles."""
    found: list[Observed] = []

    def rank(observed: Observed) -> tuple[()]:
        found.append(observed)
        return ()

    monkeypatch.setattr(profiles, "rank", rank)
    return found


def lines(
    shown: list[Observed], comparison: Comparison, kind: Kind = Kind.L7_PROXY
) -> dict[str, tuple[str, ...]]:
    likeness(comparison, kind, ())
    return dict(shown[-1].lines)


def test_what_was_written_into_heads(shown: list[Observed]) -> None:
    balancer = Balancer(
        add=[*XFF, ("X-Id", "{fresh}")], drop=["Accept"], host="inner", respond=[("Via", "1.1 lb")]
    )
    found = lines(shown, compared(simulation(balancer).run()))
    written = found["request-written"]
    assert "X-Forwarded-For: 192.168.0.5" in written
    assert "Host: inner" in written
    assert sum(line.startswith("X-Id: ") for line in written) > 1, "a line for each value"
    assert "X-Forwarded-For: 192.168.0.5" in found["request-added"]
    assert "Host: inner" not in found["request-added"], "it was changed, not added"
    assert any(line.startswith("Accept") for line in found["request-removed"])
    assert "Via: 1.1 lb" in found["response-written"]
    assert "Via: 1.1 lb" in found["response-added"]


@pytest.mark.parametrize(
    ("balancer", "kind", "compared_with"),
    [
        (Balancer(add=XFF), Kind.L7_PROXY, 6),
        (Balancer(kind="l4-proxy"), Kind.L4_PROXY, 6),
        (Balancer(kind="tls-pass"), Kind.L4_PROXY, 6),
    ],
)
def test_how_many_were_compared(
    shown: list[Observed], balancer: Balancer, kind: Kind, compared_with: int
) -> None:
    likeness(compared(simulation(balancer).run()), kind, ())
    assert (shown[0].kind, shown[0].pairs) == (kind.value, compared_with)


def test_its_own_answers_are_shown_with_all_their_lines(shown: list[Observed]) -> None:
    made = simulation(Balancer(add=XFF, refuse=0.5), count=12, seed=5)
    comparison = compared(made.run())
    own = lines(shown, comparison)["own-answer"]
    assert "HTTP/1.1 503" in own
    assert "Server: awselb/2.0" in own
    assert not any("gunicorn" in line for line in own)
    strange = tuple(
        u._replace(reason=UnpairedReason.UNKNOWN) for u in comparison.correlation.unpaired
    )
    unknown = replace(comparison.correlation, unpaired=strange)
    assert (
        lines(shown, Comparison(comparison.clients, comparison.backends, unknown))["own-answer"]
        == ()
    )


def test_an_answer_after_the_only_attempt_failed_is_its_own(shown: list[Observed]) -> None:
    made = simulation(Balancer(add=XFF, give_up=0.5, server="own/1"), count=12)
    own = lines(shown, compared(made.run()))["own-answer"]
    assert {line for line in own if line.startswith("HTTP")} == {"HTTP/1.1 502"}
    made = simulation(Balancer(add=XFF), count=12)
    assert lines(shown, compared(made.run()))["own-answer"] == ()


def test_an_answer_after_a_backend_that_began_to_answer_is_not_its_own(
    shown: list[Observed],
) -> None:
    """Whose answer the client got is open where the backend's ended early."""
    whole = compared(simulation(Balancer(add=XFF, give_up=1.0, server="own/1")).run())
    assert lines(shown, whole)["own-answer"]
    (front,), (back,) = whole.clients, whole.backends
    begun = [e._replace(response=front.exchanges[0].response) for e in back.exchanges]
    backends = [replace(back, exchanges=begun)]
    assert lines(shown, Comparison([front], backends, whole.correlation))["own-answer"] == ()


def test_examples_of_its_answers_are_bounded(shown: list[Observed]) -> None:
    made = Simulation(seed=7, balancer=Balancer(add=XFF, refuse=1.0))
    client = made.client("192.168.0.5")
    for n in range(EXAMPLES + 5):
        client.asks("GET", f"/{n}", at_ms=5 * n)
    comparison = compared(made.run())
    unpaired = tuple(
        u._replace(reason=UnpairedReason.ANSWERED_BY_BALANCER)
        for u in comparison.correlation.unpaired
    )
    assert len(unpaired) == EXAMPLES + 5
    (front,) = comparison.clients
    numbered = [
        e._replace(response=e.response and e.response._replace(status=200 + e.id))
        for e in front.exchanges
    ]
    found = lines(
        shown,
        Comparison(
            [replace(front, exchanges=numbered)],
            comparison.backends,
            replace(comparison.correlation, unpaired=unpaired),
        ),
    )
    statuses = {line for line in found["own-answer"] if line.startswith("HTTP/1.1 ")}
    assert len(statuses) == EXAMPLES


def test_health_checks_and_proxy_headers(shown: list[Observed]) -> None:
    balancer = Balancer(add=XFF, check_ms=50, proxy=2)
    found = lines(shown, compared(simulation(balancer, count=10).run()))
    assert "User-Agent: ELB-HealthChecker/2.0" in found["health-check"]
    assert "GET /health HTTP/1.1" in found["health-check"]
    assert found["proxy-header"][0] == "PROXY v2"
    tlvs = Balancer(kind="l4-proxy", proxy=2, tlvs=[(0xEA, b"\x01vpce")])
    found = lines(shown, compared(simulation(tlvs).run()), Kind.L4_PROXY)
    assert found["proxy-header"] == ("PROXY v2", "PROXY v2 TLV 0xEA")
