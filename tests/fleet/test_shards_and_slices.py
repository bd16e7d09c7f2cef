"""The law of the fleet: however captures are cut into files, shards and slices, the answer is that
of `compare`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.fleet.engine import Local, Task
from lbtrace.fleet.plan import Plan, PlannedPoint
from lbtrace.fleet.run import run
from lbtrace.model.net import Side
from lbtrace.options import Progress
from lbtrace.pipeline import compare, compare_on_balancer
from tests.bench.generate import write_pair
from tests.fleet.captures import SAMPLES, of_compare, of_fleet, plan_of, rotated
from tests.laws import examples
from tests.simulator.bench import busy

PLAIN = sorted(
    folder.name
    for folder in SAMPLES.iterdir()
    if (folder / "client.pcap").exists() and (folder / "backend.pcap").exists()
)
PCAP_HEADER = 24  # bytes
SHARES = st.lists(st.floats(0.01, 0.99), max_size=4)


@examples(20)
@given(st.sampled_from(PLAIN), SHARES, SHARES, st.sampled_from([1000, 2000, 10**9]))
def test_files_and_shards_change_nothing(
    sample: str, front: list[float], behind: list[float], shard_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        clients = rotated(SAMPLES / sample / "client.pcap", Path(folder) / "in", front)
        backends = rotated(SAMPLES / sample / "backend.pcap", Path(folder) / "in", behind)
        plan = plan_of([clients], [backends], Path(folder) / "out", shard_bytes=shard_bytes)
        found = run(plan, Local())
        assert len(found.slices) == 1
        assert of_fleet(found) == of_compare(compare([clients], [backends]))


@pytest.fixture(scope="module", params=["reuse", "kept", "nat"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp(request.param)
    paths = [folder / "client.pcap", folder / "backend.pcap"]
    write_pair(paths[0], paths[1], request.param, 1)
    return paths


@pytest.mark.parametrize("slice_exchanges", [700, 3000])
def test_slices_add_up_to_the_whole(pair: list[Path], slice_exchanges: int, tmp_path: Path) -> None:
    front, behind = (rotated(p, tmp_path / "in", [0.2, 0.4, 0.41, 0.9]) for p in pair)
    plan = plan_of([front], [behind], tmp_path / "out", slice_exchanges, shard_bytes=1_000_000)
    found = run(plan, Local())
    whole = compare([front], [behind])
    assert len(found.slices) > 2
    assert sum(s.clients for s in found.slices) == sum(len(t.exchanges) for t in whole.clients)
    told, expected = of_fleet(found), of_compare(whole)
    assert told.counts == expected.counts
    assert told.pairs == expected.pairs
    assert told.unpaired == expected.unpaired
    assert told.changes == expected.changes
    assert told.latency == expected.latency
    assert told.verdict == expected.verdict
    assert told.findings == expected.findings


def recorded(folder: Path, unique: bool) -> list[Path]:
    """A balancer that is never idle, with retries and health checks, on two clocks."""
    shown = busy(1200, unique).run(pcaps=True)
    paths = [folder / "client.pcap", folder / "backend.pcap"]
    for path, packets in zip(paths, (shown.client_pcaps, shown.backend_pcaps), strict=True):
        path.write_bytes(packets[0])
    return paths


class Noting(Local):
    """An engine that notes what it is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def do(self, what: str, tasks: Sequence[Task], progress: Progress) -> None:
        """Note it, and do it."""
        self.asked.append(what)
        super().do(what, tasks, progress)


@examples(3)
@given(SHARES, st.integers(150, 500))
def test_what_is_under_way_at_a_border_stays_with_its_partner(
    shares: list[float], slice_exchanges: int
) -> None:
    with TemporaryDirectory() as folder:
        front, behind = (
            rotated(path, Path(folder) / "in", shares) for path in recorded(Path(folder), True)
        )
        output = Path(folder) / "out"
        plan = plan_of([front], [behind], output, slice_exchanges, shard_bytes=200_000)
        engine = Noting()
        found = run(plan, engine)
        assert "pairing around borders" in engine.asked
        assert len(found.slices) > 1
        assert found.cut > 0
        assert of_fleet(found) == of_compare(compare([front], [behind]))


def test_without_a_clock_nothing_is_cut_and_it_is_said(tmp_path: Path) -> None:
    front, behind = ((str(path),) for path in recorded(tmp_path, False))
    found = run(plan_of([front], [behind], tmp_path / "out", 200), Local())
    assert len(found.slices) == 1
    assert found.whole_because.startswith("Nothing tells how far the clocks")
    assert of_fleet(found) == of_compare(compare([front], [behind]))


def test_a_stated_clock_is_enough_to_cut(tmp_path: Path) -> None:
    front, behind = ((str(path),) for path in recorded(tmp_path, False))
    plan = plan_of([front], [behind], tmp_path / "out", 400, clock_offset_ns=0)
    found = run(plan, Local())
    assert len(found.slices) > 1
    assert not found.whole_because
    assert found.client_counts.requests == 1200


@pytest.mark.parametrize("words", [{"addresses": ("3.35.166.21",)}, {"ports": (80,)}])
def test_a_capture_of_the_balancer_is_both_sides(words: dict[str, Any], tmp_path: Path) -> None:
    one, other = (
        (SAMPLES / f"alb-like/{side}.pcap").read_bytes() for side in ("client", "backend")
    )
    both = tmp_path / "both.pcap"
    both.write_bytes(one + other[PCAP_HEADER:])
    points = [PlannedPoint("lb", side, (str(both),), **words) for side in Side]
    plan = Plan("plan.toml", str(tmp_path / "out"), (points[0],), (points[1],), shard_bytes=1000)
    found = run(plan, Local())
    addresses = words.get("addresses", ())
    whole = compare_on_balancer([str(both)], addresses, ports=words.get("ports", ()))
    assert of_fleet(found).counts == of_compare(whole).counts
    assert of_fleet(found).pairs == of_compare(whole).pairs
    assert of_fleet(found).verdict == of_compare(whole).verdict
    named = [f"--lb-address={a}" for a in addresses] + [
        f"--lb-port={p}" for p in words.get("ports", ())
    ]
    said = " ".join(named).replace("=", " ")
    assert found.slices[0].command == f"lbtrace compare --lb {both} {said}"
