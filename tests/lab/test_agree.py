"""Which exchange of a capture is the k-th request of a connection's log."""

from __future__ import annotations

from pathlib import Path

from lbtrace import pipeline
from lbtrace.lab.agree import ExchangeIndex
from tests.http.h1.test_pairing import pipelined_by


def test_a_lost_request_keeps_its_place_among_pipelined_ones(tmp_path: Path) -> None:
    path = tmp_path / "backend.pcap"
    path.write_bytes(pipelined_by(4, range(4)).drop("q0").pcap())
    trace = pipeline.inspect([str(path)])
    ends = str(trace.connections[0].client), str(trace.connections[0].server)
    found = ExchangeIndex(trace).locate(ends, [(0, f"/item/{i:03}") for i in range(4)])
    asked = [trace.exchanges[i].request for i in found if i is not None]
    assert [q and q.target for q in asked] == [None, "/item/001", "/item/002", "/item/003"]
