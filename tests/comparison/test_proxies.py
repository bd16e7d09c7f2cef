"""Where one capture was taken, by what its messages came through."""

from __future__ import annotations

import pytest

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import NotCaptured
from tests.findings.simulated import four
from tests.simulator import Balancer

FORWARDED = ("X-Forwarded-For", "{client}")
PROTO = ("X-Forwarded-Proto", "http")
TRACE = ("X-Amzn-Trace-Id", "{fresh}")


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("X-Forwarded-For", True),
        ("X-Forwarded-Colour", True),  # known or not
        ("X-Amzn-Trace-Id", True),
        ("Via", True),
        ("X-Colour", False),
        ("Server", False),
    ],
)
def test_a_request_states_a_client_or_a_proxy_whoever_wrote_that(name: str, states: bool) -> None:
    recorded = four(Balancer(add=[(name, "x")])).run()
    of = Comparison(recorded.backends, (), Correlation())
    assert set(of.stating_requests(Side.CLIENT).tolist()) == {states}
    assert not Comparison(recorded.clients, (), Correlation()).stating_requests(Side.CLIENT).any()


@pytest.mark.parametrize(
    ("balancer", "in_front", "behind"),
    [
        (Balancer(), NotCaptured.OTHER_SIDE, NotCaptured.OTHER_SIDE),
        (Balancer(add=[FORWARDED]), NotCaptured.OTHER_SIDE, NotCaptured.OTHER_SIDE),
        (Balancer(add=[FORWARDED, PROTO]), NotCaptured.OTHER_SIDE, NotCaptured.OTHER_SIDE),
        (Balancer(add=[TRACE]), NotCaptured.OTHER_SIDE, NotCaptured.IN_FRONT),
        (Balancer(kind="l4-proxy", proxy=1), NotCaptured.OTHER_SIDE, NotCaptured.IN_FRONT),
        (Balancer(respond=[("Via", "1.1 b")]), NotCaptured.BEHIND, NotCaptured.OTHER_SIDE),
        (Balancer(respond=[("Set-Cookie", "a=b")]), NotCaptured.OTHER_SIDE, NotCaptured.OTHER_SIDE),
    ],
)
def test_what_most_messages_came_through_tells(
    balancer: Balancer, in_front: NotCaptured, behind: NotCaptured
) -> None:
    recorded = four(balancer).run()
    told = [
        Comparison(traces, (), Correlation()).not_captured
        for traces in (recorded.clients, recorded.backends)
    ]
    assert told == [in_front, behind]
