"""The captures of the benchmark hold what they are said to hold."""

from __future__ import annotations

from pathlib import Path

import pytest

import lbtrace
from tests.bench import programs
from tests.bench.generate import HTTP2, KINDS, write
from tests.bench.measure import run

UNDAMAGED = [name for name in KINDS if name not in ("lossy", "bulk")]


@pytest.mark.parametrize("kind", UNDAMAGED)
def test_every_exchange_is_whole(kind: str, tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcap"
    write(capture, kind, 3_000)
    trace = lbtrace.show(capture).trace
    exchanges = list(trace.exchanges)
    assert len(exchanges) > 250
    assert {e.response.status for e in exchanges if e.response} == {200}
    assert all(e.request and e.response for e in exchanges)
    assert {e.request.version for e in exchanges if e.request} == {
        "HTTP/2" if kind in HTTP2 else "HTTP/1.1"
    }


@pytest.mark.parametrize("kind", ["keepalive", "short", "pipelined"])
def test_the_floor_reads_as_many_exchanges(kind: str, tmp_path: Path) -> None:
    floor = programs.built_floor(tmp_path)
    if floor is None:
        pytest.skip("no C compiler")
    capture, out = tmp_path / "capture.pcap", tmp_path / "out"
    write(capture, kind, 3_000)
    assert run(["sh", "-c", f"{floor} {capture} >{out}"]).status == 0
    assert len(out.read_text().splitlines()) == len(lbtrace.show(capture).trace.exchanges)
