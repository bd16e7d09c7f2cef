"""A clock offset that the user states, and that the packets contradict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.report import Finding
from lbtrace.options import DEFAULT
from lbtrace.pipeline import compare
from tests.findings.simulated import ALB, four, values
from tests.laws import examples
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import mixed
from tests.simulator.wire import Clockwork

MS = 1_000_000


def questioned(
    simulation: Simulation, stated_ns: int | None, other: Simulation | None = None
) -> list[Finding]:
    """What is said of a stated offset, by the captures as files; `other` is what the backend
    capture is of.
    """
    options = replace(DEFAULT, clock_offset_ns=stated_ns)
    with TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.pcap" for name in ("client", "backend")]
        Path(paths[0]).write_bytes(simulation.run(pcaps=True).client_pcaps[0])
        Path(paths[1]).write_bytes((other or simulation).run(pcaps=True).backend_pcaps[0])
        report = compare([paths[:1]], [paths[1:]], options)
    return [f for f in report.findings if f.slug.startswith("stated-offset")]


@pytest.mark.parametrize("kind", ["l7", "dnat"])
def test_another_offset_that_fits_is_named(kind: str) -> None:
    simulation = mixed(Balancer(kind=kind), n=60)
    simulation.client_clock = Clockwork(3_600_200 * MS)
    (said,) = questioned(simulation, 3_600_000 * MS)
    got = values(said)
    assert (got["stated"], got["fitting"]) == ("+3600.000 s", 0)
    assert got["offset"] in {f"+3600.{n} s" for n in (198, 199, 200, 201, 202)}
    assert int(got["there"]) > 50
    assert {frame.side.value for e in said.evidence for frame in e.frames} == {"client", "backend"}


@given(offset_ms=st.integers(-4_000_000, 4_000_000))
@examples(8)
def test_a_true_offset_is_never_questioned(offset_ms: int) -> None:
    simulation = four(ALB)
    simulation.client_clock = Clockwork(offset_ms * MS)
    assert not questioned(simulation, offset_ms * MS)


def test_without_a_stated_offset_there_is_nothing_to_question() -> None:
    assert not questioned(four(ALB), None)


def test_captures_that_share_nothing_question_nothing() -> None:
    nobody = Simulation(balancer=ALB)
    nobody.client("192.168.0.5").asks("GET", "/other", body=b"x")
    assert not questioned(mixed(Balancer(), n=20), MS, nobody)


def test_a_minus_is_written() -> None:
    simulation = four(ALB)
    simulation.client_clock = Clockwork(-1500 * MS)
    (said,) = questioned(simulation, 9000 * MS)
    assert str(values(said)["offset"]).startswith("-1.")
