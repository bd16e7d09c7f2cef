"""How much memory a process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace import machine_memory

GB = 1 << 30


def stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, limits: dict[str, str]
) -> int | None:
    """What is found where the process is in these cgroups, and they have these limits."""
    monkeypatch.setattr(machine_memory, "ROOT", tmp_path)
    monkeypatch.setattr(machine_memory, "OWN", tmp_path / "own")
    (tmp_path / "own").write_text(own)
    for name, limit in limits.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{limit}\n")
    return machine_memory.machine_memory()


def test_without_cgroups_it_is_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stated(tmp_path, monkeypatch, "", {})
    assert found is not None
    assert found > GB // 8


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/pods/one\n", {"pods/one/memory.max": str(GB // 16)}),
        ("0::/pods/one\n", {"pods/memory.max": str(GB // 16), "pods/one/memory.max": "max"}),
        ("0::/\n", {"memory.max": str(GB // 16)}),
        ("3:cpu:/x\n4:memory:/one\n", {"memory/one/memory.limit_in_bytes": str(GB // 16)}),
    ],
)
def test_the_least_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, limits: dict[str, str]
) -> None:
    assert stated(tmp_path, monkeypatch, own, limits) == GB // 16


@pytest.mark.parametrize("text", ["max", "", "-1", "0", "much"])
def test_what_is_no_limit_limits_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stated(tmp_path, monkeypatch, "", {})
    assert stated(tmp_path, monkeypatch, "0::/one\n", {"one/memory.max": text}) == whole


def test_a_strange_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stated(tmp_path, monkeypatch, "nonsense\n\n", {}) is not None
