"""A trace, cut into parts: each exchange is in one, as it was."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.trace import Trace
from lbtrace.pipeline import inspect
from lbtrace.tables.trace_parts import IN_NONE, exchange_spans, parts
from tests.laws import examples

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CAPTURES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*.pcap*"))


@cache
def trace_of(capture: str) -> Trace:
    return inspect([str(SAMPLES / capture)])


@examples(40)
@given(st.sampled_from(CAPTURES), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_each_exchange_is_in_one_part_as_it_was(capture: str, shares: list[float]) -> None:
    trace = trace_of(capture)
    spans = exchange_spans(trace)
    length = trace.last_ns - trace.first_ns
    borders = np.sort([trace.first_ns + int(length * share) for share in shares])
    of = np.searchsorted(borders, spans.first_ns, "right")
    bare = np.searchsorted(borders, [c.first_ns for c in trace.connections], "right")
    made = parts(trace, spans, of, bare, len(borders) + 1)
    seen = [
        e._replace(id=int(old), connection=int(part.connections[e.connection]))
        for part in made
        for old, e in zip(part.exchanges.tolist(), part.trace.exchanges, strict=True)
    ]
    assert sorted(seen) == sorted(trace.exchanges)
    for name in ("syns", "opened"):
        held = [getattr(c, name) for c in trace.connections]
        assert sum(getattr(c, name) for p in made for c in p.trace.connections) == sum(held)
    assert sum(len(p.trace.calls) for p in made) == len(trace.calls)
    assert sum(len(p.trace.control) for p in made) == len(trace.control)
    assert sum(len(p.trace.web_sockets) for p in made) == len(trace.web_sockets)


def test_a_connection_is_cut_as_a_capture_of_that_time_would_show_it() -> None:
    trace = trace_of("nginx-concurrent/client.pcap")
    spans = exchange_spans(trace)
    busy = int(np.bincount(spans.connection).argmax())
    mine = np.flatnonzero(spans.connection == busy)
    assert len(mine) > 1
    of = np.full(len(spans.connection), IN_NONE)
    of[mine] = 0
    of[mine[-1]] = 1
    nowhere = np.full(len(trace.connections), IN_NONE)
    before, after = parts(trace, spans, of, nowhere, 2)
    whole = trace.connections[busy]
    first, last = before.trace.connections[0], after.trace.connections[0]
    assert before.cut.all()
    assert after.cut.all()
    assert (first.syns, first.syn_frame, first.opened) == (1, whole.syn_frame, whole.opened)
    assert (last.syns, last.syn_frame, last.already_open) == (0, None, True)
    assert (first.from_client.fins, first.closed_by) == (0, None)
    assert (last.from_client.fins, last.closed_by) == (whole.from_client.fins, whole.closed_by)
    assert first.last_ns < last.first_ns
    assert first.from_client.isn == last.from_client.isn == whole.from_client.isn
