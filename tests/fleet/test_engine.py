"""Who does the work changes nothing: this process, forks of it, a cluster that loses a worker."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lbtrace.errors import InputError, OptionError
from lbtrace.fleet import store
from lbtrace.fleet.engine import Engine, Local, Task, done, engine_named
from lbtrace.fleet.plan import Plan
from lbtrace.fleet.run import run
from lbtrace.model.fleet import FleetReport
from lbtrace.options import quiet
from tests.bench.generate import write_pair
from tests.fleet.captures import plan_of, rotated

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    folder = tmp_path_factory.mktemp("captures")
    write_pair(folder / "client.pcap", folder / "backend.pcap", "reuse", 1)
    front, behind = (
        rotated(folder / f"{side}.pcap", folder / "in", [0.3, 0.7])
        for side in ("client", "backend")
    )
    return front, behind


def planned(captures: tuple[tuple[str, ...], tuple[str, ...]], output: Path) -> Plan:
    front, behind = captures
    return plan_of([front], [behind], output, slice_exchanges=2000, shard_bytes=2_000_000)


def told(report: FleetReport) -> FleetReport:
    """The report, without what says where it was made."""
    return replace(report, engine="", tables=())


@pytest.fixture(scope="module")
def expected(
    captures: tuple[tuple[str, ...], tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> FleetReport:
    return told(run(planned(captures, tmp_path_factory.mktemp("out") / "found"), Local()))


def test_several_processes(captures: Any, expected: FleetReport, tmp_path: Path) -> None:
    assert told(run(planned(captures, tmp_path / "found"), Local(2))) == expected


def test_a_cluster_that_loses_a_worker(
    captures: Any, expected: FleetReport, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    asked, result = tmp_path / "plan", tmp_path / "result"
    asked.write_bytes(pickle.dumps(planned(captures, tmp_path / "found")))
    command = [sys.executable, "-m", "tests.fleet.losing_a_worker", str(asked), str(result)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    killed, found = pickle.loads(result.read_bytes())
    assert killed == 1
    assert found.engine == "dask"
    assert told(found) == expected


class Counting:
    """An engine that counts what it is asked to do."""

    name = "local"

    def __init__(self) -> None:
        self.tasks = 0

    def do(self, what: str, tasks: Any, progress: Any) -> None:
        self.tasks += len(tasks)
        Local().do(what, tasks, progress)

    def close(self) -> None:
        """Nothing is open."""


def test_a_second_run_does_what_is_missing(
    captures: Any, expected: FleetReport, tmp_path: Path
) -> None:
    plan = planned(captures, tmp_path / "found")
    engine = Counting()
    run(plan, engine)
    first = engine.tasks
    assert first > 10
    run(plan, engine)
    assert engine.tasks == first
    parts = Path(plan.output) / "parts"
    lost = next(path for path in sorted(parts.glob("*.trace")))
    Path(str(lost).removesuffix(".trace")).unlink()
    assert told(run(plan, engine)) == expected
    assert engine.tasks == first + 1


def test_another_capture_under_the_same_name_is_read_again(captures: Any, tmp_path: Path) -> None:
    front, behind = captures
    copied = [tmp_path / Path(path).name for path in front]
    for path, copy in zip(front, copied, strict=True):
        copy.write_bytes(Path(path).read_bytes())
    plan = planned((tuple(map(str, copied)), behind), tmp_path / "found")
    engine = Counting()
    before = run(plan, engine)
    copied[-1].write_bytes(Path(front[1]).read_bytes())
    after = run(plan, engine)
    assert after.clients[0].packets != before.clients[0].packets


def fails(argument: str) -> None:
    raise InputError("no-capture", f"{argument}: no capture.", "Give one.")


def test_an_error_of_an_input_is_that_of_the_run(tmp_path: Path) -> None:
    engine: Engine = Local()
    with pytest.raises(InputError, match="x: no capture") as found:
        done([Task(fails, "x", str(tmp_path / "a"))], engine, "failing", quiet)
    assert found.value.hint == "Give one."
    assert not (tmp_path / "a").exists()


def test_what_is_no_engine_is_one_line() -> None:
    with pytest.raises(OptionError, match="--engine ray: no engine"):
        engine_named("ray", 1)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Timed out")

    monkeypatch.setattr(distributed, "Client", unreachable)
    with pytest.raises(OptionError, match="no scheduler answers there"):
        engine_named("dask://127.0.0.1:1", 1)


def test_a_folder_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(OptionError, match="others can write there"):
        store.prepared(str(folder))
