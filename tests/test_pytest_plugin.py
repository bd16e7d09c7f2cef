"""The fixture `lbtrace`: a test of a balancer beside other tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.captures import SAMPLES

ALB = [str(SAMPLES / "alb-like" / f"{side}.pcap") for side in ("client", "backend")]


def _run(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test, "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_balancer_that_does_what_it_must_passes(tmp_path: Path) -> None:
    (tmp_path / "lb.toml").write_text('[balancer]\nkind = "l7-proxy"\n', "utf-8")
    done = _run(
        tmp_path,
        f"""
def test_balancer(lbtrace):
    report = lbtrace.compare(*{ALB!r})
    lbtrace.assert_balancer(report, profile="aws-alb", expect="lb.toml")
    assert lbtrace.check(report, profile="aws-nlb").exit_code == 1
""",
    )
    assert done.returncode == 0, done.stdout


def test_a_failure_shows_the_check_and_the_report(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        f"""
def test_balancer(lbtrace):
    lbtrace.assert_balancer(lbtrace.compare(*{ALB!r}), profile="aws-nlb")
""",
    )
    assert done.returncode == 1
    for text in (
        "lbtrace check",
        "FAILED  profile.aws-nlb-tcp.kind",
        "lbtrace compare",
        "3.35.166",
    ):
        assert text in done.stdout, text


def test_too_few_exchanges_fail_too(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        f"""
def test_balancer(lbtrace):
    lbtrace.assert_balancer(lbtrace.compare(*{ALB!r}), profile="aws-alb", min_exchanges=5)
""",
    )
    assert done.returncode == 1
    assert "Nothing can be judged: 4 exchanges could be judged, and 5 were asked for" in (
        " ".join(done.stdout.split())
    )


def test_the_plugin_costs_nothing_before_it_is_used() -> None:
    code = "import sys, lbtrace.pytest_plugin; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
