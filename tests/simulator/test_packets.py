"""The simulator's two ways of writing a side agree: the reading stages make of the packets the
Trace that it builds.
"""

from pathlib import Path

import pytest

from lbtrace import pipeline
from lbtrace.correlate import correlate
from lbtrace.model.net import Side
from lbtrace.options import DEFAULT
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.score import score

CHECKED = [
    "founding-alb",
    "founding-nlb",
    "gzip-added",
    "gzip-removed",
    "retry-reset",
    "proxy-protocol",
    "proxy-protocol-2",
    "proxy-protocol-2-before-http",
    "proxy-protocol-ipv6",
    "ipv6-front",
    "continued",
    "target-normalised",
    "redirects",
    "keep-alive-race",
    "mirrored",
    "two-front-nodes",
    "several-client-captures",
    "tls-passed-on-with-proxy-header",
    "tls-ends",
]


@pytest.mark.parametrize("name", CHECKED)
def test_packets_and_traces_agree(name: str, tmp_path: Path) -> None:
    recorded = SCENARIOS[name]().run(pcaps=True)
    read = []
    for side, traces, captures in (
        (Side.CLIENT, recorded.clients, recorded.client_pcaps),
        (Side.BACKEND, recorded.backends, recorded.backend_pcaps),
    ):
        for point, (trace, capture) in enumerate(zip(traces, captures, strict=True)):
            path = tmp_path / f"{side}-{point}.pcap"
            path.write_bytes(capture)
            got = pipeline.inspect([str(path)], side, point)
            assert [(c.client, c.server) for c in got.connections] == [
                (c.client, c.server) for c in trace.connections
            ]
            assert len(got.exchanges) == len(trace.exchanges)
            for mine, theirs in zip(got.applications, trace.applications, strict=True):
                assert mine.protocol == theirs.protocol
                assert [p[:6] for p in mine.proxy] == [p[:6] for p in theirs.proxy]
                assert (mine.tls and mine.tls.random) == (theirs.tls and theirs.tls.random)
            for real, made in zip(got.exchanges, trace.exchanges, strict=True):
                assert (real.connection, real.ordinal) == (made.connection, made.ordinal)
                assert real.request is not None
                assert made.request is not None
                assert real.request[:5] == made.request[:5]
                assert real.request.first_ns == made.request.first_ns
                assert [i.status for i in real.interim] == [i.status for i in made.interim]
                assert (real.response is None) == (made.response is None)
                if real.response is not None and made.response is not None:
                    assert real.response[:5] == made.response[:5]
            read.append((side, got))
    found = correlate(
        [t for side, t in read if side is Side.CLIENT],
        [t for side, t in read if side is Side.BACKEND],
        DEFAULT,
    )
    counted, said = score(recorded, found)
    assert not said
    assert counted.covered == 1.0
