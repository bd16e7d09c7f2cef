"""The play's two ways of writing a side agree: what the reading stages make of the packets is the
Trace it builds.
"""

from pathlib import Path

import pytest

from lbtrace import pipeline
from lbtrace.correlate import correlate
from lbtrace.model.net import Side
from lbtrace.options import DEFAULT
from tests.play.scenarios import SCENARIOS
from tests.play.score import score

PLAYED = [
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


@pytest.mark.parametrize("name", PLAYED)
def test_packets_and_traces_agree(name: str, tmp_path: Path) -> None:
    shown = SCENARIOS[name]().perform(pcaps=True)
    read = []
    for side, traces, shots in (
        (Side.CLIENT, shown.clients, shown.client_pcaps),
        (Side.BACKEND, shown.backends, shown.backend_pcaps),
    ):
        for point, (trace, shot) in enumerate(zip(traces, shots, strict=True)):
            path = tmp_path / f"{side}-{point}.pcap"
            path.write_bytes(shot)
            got = pipeline.inspect([str(path)], side, point)
            assert [(c.client, c.server) for c in got.connections] == [
                (c.client, c.server) for c in trace.connections
            ]
            assert len(got.exchanges) == len(trace.exchanges)
            for mine, theirs in zip(got.applications, trace.applications, strict=True):
                assert mine.protocol == theirs.protocol
                assert [p[:6] for p in mine.proxy] == [p[:6] for p in theirs.proxy]
                assert (mine.tls and mine.tls.random) == (theirs.tls and theirs.tls.random)
            for real, played in zip(got.exchanges, trace.exchanges, strict=True):
                assert (real.connection, real.ordinal) == (played.connection, played.ordinal)
                assert real.request is not None
                assert played.request is not None
                assert real.request[:5] == played.request[:5]
                assert real.request.first_ns == played.request.first_ns
                assert [i.status for i in real.interim] == [i.status for i in played.interim]
                assert (real.response is None) == (played.response is None)
                if real.response is not None and played.response is not None:
                    assert real.response[:5] == played.response[:5]
            read.append((side, got))
    found = correlate(
        [t for side, t in read if side is Side.CLIENT],
        [t for side, t in read if side is Side.BACKEND],
        DEFAULT,
    )
    counted, said = score(shown, found)
    assert not said
    assert counted.covered == 1.0
