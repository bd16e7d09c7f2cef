"""One capture point, counted: what a walk over its connections and exchanges counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.model.http import Application, ClientHello, Protocol
from lbtrace.pipeline import inspect
from lbtrace.tables.captures import capture_counts, encrypted

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*/backend.pcap"))
HELLO = ClientHello("00" * 32, "", "a.example", ("h2",), (0x0304,), 5)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_counts_are_those_of_a_walk(path: Path) -> None:
    trace = inspect([str(path)])
    for held in (trace, replace(trace, exchanges=list(trace.exchanges))):
        counts = capture_counts(held)
        assert counts.syns == sum(c.syns for c in trace.connections)
        assert counts.already_open == sum(c.already_open for c in trace.connections)
        assert counts.requests == sum(e.request is not None for e in trace.exchanges)
        carried = [e.connection for e in trace.exchanges]
        assert counts.exchanges == [carried.count(c.id) for c in trace.connections]


def test_a_response_alone_is_no_request() -> None:
    trace = inspect([str(SAMPLES[0])])
    halves = [e._replace(request=None) for e in trace.exchanges]
    assert capture_counts(replace(trace, exchanges=halves)).requests == 0


def test_the_first_client_hello_stands_for_the_encrypted_connections() -> None:
    plain, silent = Application(Protocol.HTTP1), Application(Protocol.TLS)
    first, second = (
        Application(Protocol.TLS, tls=HELLO._replace(server_name=name)) for name in ("a", "b")
    )
    assert encrypted([plain]) == (0, None)
    assert encrypted([plain, silent]) == (1, None)
    assert encrypted([silent, first, plain, second]) == (3, first.tls)
