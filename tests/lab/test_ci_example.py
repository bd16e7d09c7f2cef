"""The steps of docs/ci.md, with a real balancer: pin a run, hold the next one against it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "ci.md"


def _steps() -> list[list[str]]:
    """The commands of the example, without sudo."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    return [line.removeprefix("sudo ").split() for block in blocks for line in block.splitlines()]


@pytest.mark.lab
def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    steps = _steps()
    assert [step[1] for step in steps] == [
        "lab", "check", "lab", "check", "lab", "lab", "lab", "lab", "diff",
    ]  # fmt: skip
    for name in ("shop.conf", "shop.toml"):
        copy(DOCUMENT.parent / "ci" / name, tmp_path / name)
    for step in steps:
        done = subprocess.run(
            [sys.executable, "-m", "lbtrace", *step[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (step, done.stdout, done.stderr)
    text = (tmp_path / "lb.toml").read_text("utf-8")
    (tmp_path / "lb.toml").write_text(text.replace('"l7-proxy"', '"l4-proxy"'), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "lbtrace", *steps[4][1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "FAILED  balancer.kind" in done.stderr


@pytest.mark.lab
def test_a_change_of_the_configuration_that_breaks_it_fails(tmp_path: Path) -> None:
    text = (DOCUMENT.parent / "ci" / "shop.conf").read_text("utf-8")
    broken = text.replace("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", "")
    assert broken != text
    (tmp_path / "shop.conf").write_text(broken, "utf-8")
    copy(DOCUMENT.parent / "ci" / "shop.toml", tmp_path / "shop.toml")
    done = subprocess.run(
        [sys.executable, "-m", "lbtrace", *_steps()[5][1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "FAILED  request.headers.X-Forwarded-For" in done.stderr
