"""Who reset a connection under an open request, in one capture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.model.trace import Trace
from tests.findings.simulated import four, judge_alone, judge_simulation, values
from tests.simulator import Balancer, Simulation


def reset() -> Trace:
    """The backend capture of four requests, each reset by the backend and sent again."""
    return four(Balancer(retry=1.0, fail="reset")).run().backends[0]


def test_the_server_end_reset_open_requests() -> None:
    found = judge_alone(reset()).one("resets")
    assert found.slug == "resets.by-the-server-end"
    assert values(found)["count"] == 4
    frames = found.evidence[0].frames
    assert len(frames) == 4
    assert frames[0].time_ns <= frames[1].time_ns


def test_the_end_that_resets_first_is_named() -> None:
    trace = reset()
    cut = next(c for c in trace.connections if c.from_server.rst_ns is not None)
    first, second = cut.from_server.rst_frame, (cut.from_server.rst_frame or 0) + 1
    both = cut._replace(
        from_client=cut.from_client._replace(rst_frame=first, rst_ns=cut.from_server.rst_ns),
        from_server=cut.from_server._replace(rst_frame=second),
    )
    connections = [both if c.id == cut.id else c for c in trace.connections]
    found = judge_alone(replace(trace, connections=connections)).of("resets")
    counted = {f.slug.partition(".")[2]: values(f)["count"] for f in found}
    assert counted == {"by-the-client-end": 1, "by-the-server-end": 3}


@pytest.mark.parametrize("fail", ["closed", "500"])
def test_what_was_not_reset_is_not_told(fail: str) -> None:
    assert judge_alone(four(Balancer(retry=1.0, fail=fail)).run().backends[0]).of("resets") == []


def test_two_captures_tell_it_in_other_findings() -> None:
    assert judge_simulation(four(Balancer(retry=1.0, fail="reset"))).of("resets") == []
    assert judge_simulation(Simulation()).of("resets") == []
