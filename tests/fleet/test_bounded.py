"""The law of `--max-memory`: compared in slices of time, the answer is that of `compare`."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from lbtrace import in_parts
from lbtrace.cli import run as lbtrace
from lbtrace.errors import InputError
from lbtrace.fleet import run
from lbtrace.fleet.bounded import compare_in_slices
from lbtrace.fleet.slices import SliceResult, SliceTask, judge
from lbtrace.model.http import Exchange
from lbtrace.options import Options
from lbtrace.pipeline import compare
from lbtrace.tables.columns import Column
from lbtrace.tables.exchanges import ExchangeTable
from lbtrace.tables.side_table import SideTable
from tests.bench.generate import write_pair
from tests.fleet.captures import of_compare, of_fleet
from tests.fleet.test_shards_and_slices import recorded

LIMIT = Options(max_memory=10**9)


@pytest.fixture(params=["reuse", "kept", "nat"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    paths = [tmp_path / "client.pcap", tmp_path / "backend.pcap"]
    write_pair(paths[0], paths[1], request.param, 1)
    return list(map(str, paths))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Small captures are large. Returns the folder of temporary files."""
    monkeypatch.setattr(in_parts, "FEW_BYTES", 0)
    monkeypatch.setattr(in_parts, "room_for_packets", lambda _limit: 12_000)
    monkeypatch.setattr(in_parts, "slice_exchanges", lambda _limit: 1500)
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def test_slices_add_up_to_the_whole(pair: list[str], small: Path) -> None:
    found = compare_in_slices([pair[:1]], [pair[1:]], LIMIT)
    assert len(found.slices) > 2
    assert max(p.shards for p in (*found.clients, *found.backends)) > 1
    assert of_fleet(found) == of_compare(compare([pair[:1]], [pair[1:]]))
    assert os.listdir(small) == []


def test_exchanges_under_way_at_a_border_stay_with_their_partner(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_parts, "slice_exchanges", lambda _limit: 300)
    front, behind = map(str, recorded(tmp_path, True))
    found = compare_in_slices([[front]], [[behind]], LIMIT)
    assert len(found.slices) > 1
    assert of_fleet(found) == of_compare(compare([[front]], [[behind]]))


def test_without_a_clock_the_limit_cannot_be_kept(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_parts, "slice_exchanges", lambda _limit: 300)
    front, behind = map(str, recorded(tmp_path, False))
    with pytest.raises(InputError, match="clocks") as raised:
        compare_in_slices([[front]], [[behind]], LIMIT)
    assert raised.value.slug == in_parts.MEMORY_LIMIT
    assert os.listdir(small) == []


def test_a_slice_that_does_not_fit_is_one_line(
    pair: list[str], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_parts, "COMPARED_BYTES", 10**6)
    with pytest.raises(InputError, match="close together in time needs about") as raised:
        compare_in_slices([pair[:1]], [pair[1:]], LIMIT)
    assert raised.value.slug == in_parts.MEMORY_LIMIT
    assert os.listdir(small) == []


def alive() -> int:
    """How many rows all tables have that anybody holds, without looking for cycles."""
    tables = (each for each in gc.get_objects() if type(each) is SideTable)
    return sum(len(table) for table in tables)


def test_a_slice_is_let_go_before_the_next(
    pair: list[str], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    before = alive()

    def judged(task: SliceTask) -> SliceResult:
        held.append(alive() - before)
        return judge(task)

    monkeypatch.setattr(run, "judge", judged)
    found = compare_in_slices([pair[:1]], [pair[1:]], LIMIT)
    assert len(held) == len(found.slices) > 2
    assert held == [0] * len(held)
    assert alive() == before


def test_no_exchange_becomes_an_object_because_a_slice_begins_within_a_connection(
    pair: list[str], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = ExchangeTable.make

    def counted(table: ExchangeTable, rows: Column) -> list[Exchange]:
        made.append(len(rows))
        return make(table, rows)

    monkeypatch.setattr(ExchangeTable, "make", counted)
    found = compare_in_slices([pair[:1]], [pair[1:]], LIMIT)
    assert len(found.slices) > 2
    assert max(made) < min(s.clients for s in found.slices) // 4


def test_the_command_compares_in_slices_what_does_not_fit(
    pair: list[str],
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(in_parts, "COMPARED_BYTES", 10**5)
    assert lbtrace(["compare", *pair, "--max-memory=1GB", "--format=json"]) == 0
    assert '"lbtrace-fleet"' in capsys.readouterr().out
    assert lbtrace(["compare", *pair, "--max-memory=1GB", "--format=html"]) == 2
    assert "--max-memory" in capsys.readouterr().err


def test_what_the_machine_cannot_hold_is_compared_in_slices_without_being_asked(
    pair: list[str],
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(in_parts, "machine_memory", lambda: 10**6)
    monkeypatch.setattr(in_parts, "COMPARED_BYTES", 20_000)
    assert lbtrace(["compare", *pair, "--format=json"]) == 0
    assert '"lbtrace-fleet"' in capsys.readouterr().out
    monkeypatch.setattr("lbtrace.fleet.bounded.place_borders", lambda *_: ([], [], "no clock"))
    assert lbtrace(["compare", *pair, "--format=json"]) == 0  # nobody promised anything
    assert '"lbtrace-fleet"' not in capsys.readouterr().out
