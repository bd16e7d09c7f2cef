"""Health checks of every backend capture, as a walk over them finds them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.match.legs import part_of
from lbtrace.model.net import Side
from lbtrace.model.pairing import HealthCheck
from tests.comparison.test_pairs import case_of


@pytest.mark.parametrize("scenario", ["two-nodes", "two-front-nodes", "founding-alb"])
@pytest.mark.parametrize("point", [0, -1])
def test_a_check_marks_its_exchanges_and_connections_at_its_point(
    scenario: str, point: int
) -> None:
    """A connection that carries another request, too, is no connection of checks."""
    given = case_of(scenario)
    first, *others = given.backends
    fewer = part_of(first, {c.id for c in first.connections[:-1]}, Side.BACKEND)
    given = replace(given, backends=[fewer, *others], tables=None)
    trace = given.backends[point]
    point = trace.point
    mixed, pure = (c.id for c in list(trace.connections)[:2])
    probes = [e.id for e in trace.exchanges if e.connection in (mixed, pure)]
    asked = [e.id for e in trace.exchanges if e.connection == mixed]
    (spoiled, *_), silent = asked, [c.id for c in trace.connections][-1:]
    check = HealthCheck(
        "10.0.0.1", trace.connections[0].server, point, "GET", "/", "", None,
        tuple(e for e in probes if e != spoiled), (mixed, pure, *silent),
    )  # fmt: skip
    table = given.table(Side.BACKEND)
    of = replace(given, correlation=replace(given.correlation, health_checks=(check,)))
    marked = [table.ref(n) for n in range(len(table)) if of.check_exchanges[n]]
    assert [(ref.point, ref.id) for ref in marked] == [(point, e) for e in check.exchanges]
    held = [table.connection_ref(c) for c in range(len(of.check_connections))]
    carried = {e.connection for e in trace.exchanges if e.request and e.id not in check.exchanges}
    assert {ref.id for ref, on in zip(held, of.check_connections, strict=True) if on} == (
        set(check.connections) - carried
    )
    assert {ref.point for ref, on in zip(held, of.check_connections, strict=True) if on} <= {point}
    assert mixed in carried
