"""The parts of a trace, joined again."""

from __future__ import annotations

import inspect
from dataclasses import fields

import numpy as np
import pytest

from lbtrace.model.trace import Trace
from lbtrace.tables import trace_joining, trace_parts
from lbtrace.tables.trace_joining import joined
from lbtrace.tables.trace_parts import exchange_spans, parts
from tests.tables.test_trace_parts import CAPTURES, trace_of


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


def test_each_field_of_a_trace_is_cut_and_joined() -> None:
    """A field that is added to a Trace must be added to `parts` and `joined`, or to `kept`."""
    source = "".join(map(inspect.getsource, (trace_parts, trace_joining)))
    kept = {"side", "point", "files", "first_ns", "last_ns", "packet_directions"}
    handled = {f.name for f in fields(Trace) if f"{f.name}=" in source or f'"{f.name}"' in source}
    assert handled | kept == {f.name for f in fields(Trace)}
