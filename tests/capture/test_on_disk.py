"""Columns in temporary files are those in memory, and their room is asked for and given back."""

from __future__ import annotations

import gc
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.capture import on_disk, spool
from lbtrace.capture.on_disk import Growing, columns_on_disk, empty, filled, full, together
from lbtrace.errors import InputError
from lbtrace.tables.columns import Column
from tests.laws import examples


def made(values: list[int], cuts: list[int]) -> list[Column]:
    """The same column, in each of the ways to make one."""
    column = np.array(values, np.int64)
    places = sorted({0, len(values), *(cut % (len(values) + 1) for cut in cuts)})
    parts = [column[low:high] for low, high in pairwise(places)]
    growing = Growing("i8")
    for part in parts:
        growing.append(part)
    assert growing.last == (values[-1] if values else -1)
    written = empty(len(values), "i8")
    written[:] = column
    return [
        growing.column(),
        together(parts, "i8"),
        filled(len(values), "i8", lambda rows: column[rows]),
        written,
    ]


@examples(50)
@given(st.lists(st.integers(-(1 << 62), 1 << 62), max_size=40), st.lists(st.integers(0, 99)))
def test_a_column_is_the_same_wherever_it_is(values: list[int], cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_disk, "CHUNK_ROWS", 3)
        in_memory = made(values, cuts)
        with columns_on_disk():
            in_files = made(values, cuts)
    for column in (*in_memory, *in_files):
        assert column.tolist() == values
        assert column.dtype == np.int64


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_many_columns_share_few_files_which_go_with_them() -> None:
    gc.collect()
    before = descriptors()
    with columns_on_disk():
        held = [full(10, k % 256, "u1") for k in range(1000)]
        assert descriptors() - before <= 2
    assert [int(column[0]) for column in held[:300]] == [k % 256 for k in range(300)]
    del held
    gc.collect()
    assert descriptors() == before


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: int, _at: int, _size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with columns_on_disk(), pytest.raises(InputError, match="no room for temporary files"):
        empty(10, "u1")


def test_a_folder_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spool, "is_in_memory", lambda _place: True)
    with columns_on_disk(), pytest.raises(InputError, match="in memory"):
        empty(10, "u1")


def test_a_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with columns_on_disk():
        column = full(10, 7, "u1")
        assert os.listdir(tmp_path) == []
    assert column.tolist() == [7] * 10
