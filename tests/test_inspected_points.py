"""Capture points of both sides: read side by side, or one after the other."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from lbtrace import inspected_points, pipeline, side_by_side
from lbtrace.errors import InputError
from lbtrace.inspected_points import of_one_side
from lbtrace.inspection import inspect_with
from lbtrace.model.net import Side
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT, Options, quiet
from lbtrace.render import View, get_format
from lbtrace.tls import read
from tests.bench.generate import write_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    front, back = folder / "client.pcap", folder / "backend.pcap"
    write_pair(front, back, "reuse", 6400)
    return front, back


def report(clients: list[list[str]], backends: list[list[str]], jobs: int) -> str:
    out = StringIO()
    found = pipeline.compare(clients, backends, Options(jobs=jobs))
    get_format("json").write_report(found, out, View(width=100))
    return out.getvalue()


def test_the_report_is_that_of_one_process_and_each_capture_is_read_once(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 1)
    front, back = map(str, pair)
    alone = report([[front]], [[back]], 1)
    read: list[str] = []  # by this process

    def noted(files: list[str], *rest: Any) -> Trace:
        read.extend(files)
        return inspect_with(files, *rest)

    monkeypatch.setattr(inspected_points, "inspect_with", noted)
    assert report([[front]], [[back]], 2) == alone
    assert read == [front]


def test_what_is_no_file_is_read_one_by_one(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 1)
    read: list[str] = []  # by this process

    def noted(files: list[str], *rest: Any) -> Trace:
        read.extend(files)
        return inspect_with(files, *rest)

    monkeypatch.setattr(inspected_points, "inspect_with", noted)
    with pytest.raises(InputError):
        report([[str(pair[0])]], [["/dev/null"]], 2)
    assert read == [str(pair[0]), "/dev/null"]


def test_a_capture_that_is_given_twice_is_one_point(pair: tuple[Path, Path]) -> None:
    """Each of its requests was sent once."""
    files = [str(pair[1])]
    (once,) = of_one_side([files], Side.BACKEND, DEFAULT, quiet, read(()))
    (twice,) = of_one_side([files, files], Side.BACKEND, DEFAULT, quiet, read(()))
    assert len(twice.exchanges) == len(once.exchanges) > 0
