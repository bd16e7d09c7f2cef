"""Exchanges written side by side: the files hold the lines that one process writes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from lbtrace import side_by_side
from lbtrace.model.trace import Trace
from lbtrace.pipeline import inspect
from lbtrace.render.json import row_files, rows
from lbtrace.render.json.row_files import captures_side_by_side, written_side_by_side
from lbtrace.render.json.text import in_bytes
from tests.bench.generate import write


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    path = tmp_path_factory.mktemp("capture") / "lossy.pcap"
    write(path, "lossy", 8000)  # rows and objects
    return inspect([str(path)])


def small_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "WORTH", 1)
    monkeypatch.setattr(side_by_side, "WORTH", 1)


@pytest.mark.parametrize("jobs", [2, 5])
def test_the_files_hold_the_lines_of_one_process(
    trace: Trace, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_is_worth_it(monkeypatch)
    expected = "".join(f"{text}\n" for text in rows.texts(trace))
    files = written_side_by_side(trace, jobs)
    assert files is not None
    with files, open(tmp_path / "out", "w+", encoding="utf-8") as out:
        for _ in range(2):  # as often as they stand in the document
            assert b"".join(map(in_bytes, files.second())) == expected.encode()
            assert files.copy_to(out)
        page = StringIO()
        assert files.copy_to(page)
        assert page.getvalue() == expected
        out.seek(0)
        assert out.read() == 2 * expected


def test_captures_that_are_written_side_by_side_are_those_of_one_process(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_is_worth_it(monkeypatch)

    def lines(trace: Trace) -> Iterator[str]:
        yield f"{trace.point}"
        yield from rows.texts(trace)

    traces = [replace(trace, point=point) for point in range(3)]
    plain = [[f"{k}", *rows.texts(trace)] for k in range(3)]
    expected = "\n,\n".join(map("\n".join, plain)) + "\n"
    files = captures_side_by_side(lines, traces, 2)
    assert files is not None
    page = StringIO()
    with files:
        assert files.copy_to(page)
    assert page.getvalue() == expected
    assert captures_side_by_side(lines, traces, 1) is None
    assert captures_side_by_side(lines, traces[:1], 2) is None


def test_few_exchanges_and_one_job_are_written_straight(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written_side_by_side(trace, 2) is None
    small_is_worth_it(monkeypatch)
    assert written_side_by_side(trace, 1) is None


def test_where_there_is_no_room_they_are_written_straight(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    small_is_worth_it(monkeypatch)
    monkeypatch.setattr(row_files, "TemporaryFile", full)
    assert written_side_by_side(trace, 2) is None
