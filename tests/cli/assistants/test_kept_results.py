"""A result is found once for the same files, and again for others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbtrace.cli.assistants.kept_results import KeptResults
from lbtrace.errors import InputError


def test_the_same_files_are_read_once(tmp_path: Path) -> None:
    kept, file = KeptResults(), tmp_path / "a"
    found: list[object] = []
    file.write_text("1")

    def find() -> object:
        found.append(object())
        return found[-1]

    def result(question: str = "") -> object:
        return kept.of(question, [str(file)], find)

    first = result()
    assert result() is first
    assert result("another") is not first
    file.write_text("22")
    assert result() is not first
    second = result()
    os.utime(file, ns=(1, 1))
    assert result() is not second
    other = tmp_path / "b"
    other.write_text("22")
    os.utime(other, ns=(1, 1))
    os.replace(other, file)  # the same size and time, another file
    before = len(found)
    result()
    assert len(found) == before + 1


def test_only_the_last_few_are_kept() -> None:
    kept = KeptResults(2)
    for question in ("a", "b", "a", "c"):
        kept.of(question, [], object)
    assert len(kept) == 2
    again = kept.of("a", [], lambda: "new")
    assert again != "new"
    assert kept.of("b", [], lambda: "new") == "new"


def test_a_file_that_is_gone() -> None:
    with pytest.raises(InputError, match="there is no such file"):
        KeptResults().of("", ["/nowhere/at/all"], object)


def test_what_fails_is_not_kept() -> None:
    kept = KeptResults()

    def fail() -> object:
        raise InputError("x", "y")

    with pytest.raises(InputError):
        kept.of("", [], fail)
    assert len(kept) == 0
