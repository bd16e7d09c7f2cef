"""A trace, cut into parts and joined again."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.trace import Trace
from lbtrace.pipeline import inspect
from lbtrace.tables import trace_parts
from lbtrace.tables.trace_parts import IN_NONE, exchange_spans, joined, parts
from tests.laws import examples

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CAPTURES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*.pcap*"))


@cache
def trace_of(capture: str) -> Trace:
    return inspect([str(SAMPLES / capture)])


def differences(one: Trace, other: Trace) -> list[str]:
    """The fields of two traces that are not the same."""
    return [
        f.name
        for f in fields(Trace)
        if f.name not in ("packets", "diagnostics")
        and not _same(getattr(one, f.name), getattr(other, f.name))
    ]


def _same(one: object, other: object) -> bool:
    if hasattr(one, "__getitem__"):
        return bool(list(one) == list(other))  # type: ignore[call-overload]
    return bool(one == other)


@pytest.mark.parametrize("capture", CAPTURES)
def test_parts_of_whole_connections_join_to_the_trace(capture: str) -> None:
    trace = trace_of(capture)
    spans = exchange_spans(trace)
    of_connection = np.arange(len(trace.connections)) % 3
    made = parts(trace, spans, of_connection[spans.connection], of_connection, 3)
    assert not any(part.cut.any() for part in made)
    back = joined([part.trace for part in made])
    assert differences(back.trace, trace) == []
    for new, (k, old) in enumerate(zip(back.part.tolist(), back.id.tolist(), strict=True)):
        assert made[k].exchanges[old] == new


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


def test_each_field_of_a_trace_is_cut_and_joined() -> None:
    """A field that is added to a Trace must be added to `parts` and `joined`, or to `kept`."""
    source = Path(trace_parts.__file__).read_text("utf-8")
    kept = {"side", "point", "files", "first_ns", "last_ns", "packet_directions"}
    handled = {f.name for f in fields(Trace) if f"{f.name}=" in source or f'"{f.name}"' in source}
    assert handled | kept == {f.name for f in fields(Trace)}
