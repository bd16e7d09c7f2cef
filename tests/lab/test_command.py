"""`lbtrace lab`: what it lists, and how it says no."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.cli import run
from lbtrace.lab.registry import balancers, traffics


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["lab", *arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_list_names_every_balancer_and_traffic_without_being_root(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = said(capsys, "list")
    assert code == 0
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert listed == set(balancers()) | set(traffics())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "f5"], "There is no balancer 'f5' in the lab."),
        (["run", "nginx", "--traffic", "ftp"], "There is no traffic 'ftp' in the lab."),
        (["run", "nat", "--traffic", "gzip"], "nat cannot run 'gzip', which needs 'gzip'."),
        (["record", "nosuch"], "There is no sample 'nosuch'."),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"lbtrace: {message}")
    assert err.count("\n") == 1


def test_keep_where_nothing_can_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    code, out, err = said(capsys, "run", "nginx", "--keep", str(tmp_path / "file" / "kept"))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_what_cannot_run_leaves_no_directory_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "run", "nat", "--traffic", "gzip", "--keep", str(tmp_path / "kept"))[0] == 2
    assert not (tmp_path / "kept").exists()


def test_keep_does_not_write_over_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("mine")
    code, _, err = said(capsys, "run", "nginx", "--keep", str(tmp_path))
    assert code == 2
    assert "it exists and is not an empty directory" in err
    assert [p.name for p in tmp_path.iterdir()] == ["precious"]
