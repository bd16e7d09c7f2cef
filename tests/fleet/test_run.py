"""The files and the words that a run leaves: its own files alone, and a command only where it
compares what the slice holds.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from lbtrace.errors import InputError, OptionError
from lbtrace.fleet import store
from lbtrace.fleet.engine import Local
from lbtrace.fleet.plan import Plan, PlannedPoint
from lbtrace.fleet.run import run
from lbtrace.model.net import Side
from tests.fleet.captures import SAMPLES, plan_of

FRONT, BEHIND = (str(SAMPLES / f"alb-like/{side}.pcap") for side in ("client", "backend"))


def test_a_file_that_no_run_wrote_stays(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pairs = tmp_path / "pairs"
    pairs.mkdir(parents=True)
    own, folder, before = pairs / "notes.txt", pairs / "old", pairs / "slice-0007.parquet"
    own.write_text("mine")
    folder.mkdir()
    before.write_bytes(b"of a run before")
    run(plan_of([(FRONT,)], [(BEHIND,)], tmp_path), Local())
    assert own.read_text() == "mine"
    assert sorted(p.name for p in pairs.iterdir()) == ["notes.txt", "old", "slice-0001.parquet"]


def test_a_file_system_without_hard_links_has_the_tables_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")

    def refused(*_paths: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    (table,) = run(plan_of([(FRONT,)], [(BEHIND,)], tmp_path), Local()).tables
    assert Path(table).read_bytes()[:4] == b"PAR1"


def test_no_room_in_the_output_is_one_line_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: str, _place: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    output = tmp_path / "found"
    with pytest.raises(OptionError, match=f"{output}: No space left on device"):
        run(plan_of([(FRONT,)], [(BEHIND,)], output), Local())
    assert not list(output.rglob("*.part"))


def test_a_capture_that_cannot_be_read_leaves_no_part(tmp_path: Path) -> None:
    cut = tmp_path / "none.pcap"
    cut.write_bytes(b"this is no capture")
    output = tmp_path / "found"
    with pytest.raises(InputError):
        run(plan_of([(FRONT,)], [(str(cut),)], output), Local())
    assert not list(output.rglob("*.part"))


def test_a_thing_that_cannot_be_kept_leaves_no_part(tmp_path: Path) -> None:
    def nobody_keeps(_: Any) -> None: ...

    nobody_keeps.__qualname__ = "elsewhere"
    with pytest.raises(Exception, match="elsewhere"):
        store.write(str(tmp_path / "thing"), nobody_keeps)
    assert not list(tmp_path.iterdir())


def test_no_command_compares_a_balancer_and_others(tmp_path: Path) -> None:
    balancer = (PlannedPoint("lb", side, (FRONT,), ports=(80,)) for side in Side)
    front, behind = balancer
    others = (behind, PlannedPoint("app", Side.BACKEND, (BEHIND,)))
    found = run(Plan("plan.toml", str(tmp_path / "found"), (front,), others), Local())
    assert [each.command for each in found.slices] == [""]


def test_the_command_names_the_files_the_clock_and_the_keys(tmp_path: Path) -> None:
    found = run(plan_of([(FRONT,)], [(BEHIND,)], tmp_path, clock_offset_ns=-5), Local())
    assert found.slices[0].command == (
        f"lbtrace compare --client {FRONT} --backend {BEHIND} --clock-offset=-5ns"
    )
