"""gRPC calls that a balancer sends on in HTTP/1."""

from __future__ import annotations

import pytest

from tests.findings.simulated import Judged, judge_simulation, values
from tests.simulator import Balancer, Simulation


def calls(kind: str, http2: bool = True, status: str = "200 OK") -> Judged:
    """Three requests of a content type, and one without any."""
    simulation = Simulation(seed=7, balancer=Balancer(http2=http2))
    laptop = simulation.client("192.168.0.5")
    for n in range(3):
        headers = [("content-type", kind)]
        laptop.asks("POST", f"/call/{n}", at_ms=100 * n, headers=headers, status=status)
    laptop.asks("GET", "/page", at_ms=400)
    return judge_simulation(simulation)


@pytest.mark.parametrize("kind", ["application/grpc", "Application/gRPC+proto"])
def test_calls_that_go_on_in_http1(kind: str) -> None:
    said = calls(kind, status="505 No").one("grpc-over-http1")
    assert (values(said)["count"], values(said)["of"]) == (3, 3)
    assert values(said)["statuses"] == "505 ×3"


@pytest.mark.parametrize(
    ("kind", "http2"),
    [
        ("application/grpc-web", True),  # made for HTTP/1
        ("application/json", True),
        ("application/grpc", False),  # the client does not speak HTTP/2 either
    ],
)
def test_nothing_is_said_of_other_requests(kind: str, http2: bool) -> None:
    assert not calls(kind, http2).of("grpc-over-http1")
