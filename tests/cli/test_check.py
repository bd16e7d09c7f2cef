"""`check`: exit codes, sources of what is judged, and files that cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

ALB, NLB, RACE, TIMEOUT = (
    [str(p) for side in ("client", "backend") for p in sorted((SAMPLES / name).glob(f"{side}*"))]
    for name in ("alb-like", "nlb-like", "nginx-race", "nginx-timeout")
)


@pytest.fixture
def lb_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The expectations that --init writes from the ALB-like sample."""
    path = str(tmp_path / "lb.toml")
    assert run(["check", *ALB, "--init", "-o", path]) == 0
    return path


def _code(*arguments: str) -> int:
    return run(["check", *arguments])


def test_the_exit_code_says_what_became_of_it(lb_toml: str, tmp_path: Path) -> None:
    assert _code(*ALB, "--expect", lb_toml) == 0
    assert _code(*NLB, "--expect", lb_toml) == 1
    unrelated = [ALB[0], RACE[1]]
    assert _code(*unrelated, "--expect", lb_toml) == 3
    assert _code(*ALB, "--expect", str(tmp_path / "nothing.toml")) == 2


def test_a_failure_comes_before_what_is_open(tmp_path: Path) -> None:
    both = tmp_path / "both.toml"
    both.write_text('[balancer]\nkind = "l4-proxy"\n[latency]\nadded_p95 = "<= 5ms"\n')
    assert _code(*ALB, "--expect", str(both)) == 1
    both.write_text('[balancer]\nkind = "l7-proxy"\n[latency]\nadded_p95 = "<= 5ms"\n')
    assert _code(*ALB, "--expect", str(both)) == 3
    both.write_text('[balancer]\nkind = "l7-proxy"\n')
    assert _code(*ALB, "--expect", str(both)) == 0


def test_too_few_exchanges_are_no_pass(lb_toml: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _code(*ALB, "--expect", lb_toml, "--min-exchanges", "4") == 0
    capsys.readouterr()
    assert _code(*ALB, "--expect", lb_toml, "--min-exchanges", "5") == 3
    assert "4 exchanges could be judged, and 5 were asked for" in capsys.readouterr().out
    assert _code(*NLB, "--expect", lb_toml, "--min-exchanges", "5") == 3


def test_a_stored_report_stands_for_the_captures(lb_toml: str, tmp_path: Path) -> None:
    for name, captures, code in (("alb", ALB, 0), ("nlb", NLB, 1)):
        report = str(tmp_path / f"{name}.json")
        assert run(["compare", *captures, "--format", "json", "-o", report]) == 0
        assert _code("--report", report, "--expect", lb_toml) == code


def test_profile_baseline_and_file_must_all_hold(lb_toml: str, tmp_path: Path) -> None:
    report = str(tmp_path / "good.json")
    assert run(["compare", *ALB, "--format", "json", "-o", report]) == 0
    every = ["--expect", lb_toml, "--profile", "aws-alb", "--baseline", report]
    assert _code(*ALB, *every) == 0
    assert _code(*ALB, *every[:2], "--profile", "aws-nlb") == 1
    assert _code(*RACE, "--baseline", report) == 1


def test_an_error_of_the_balancers_own_fails_with_its_packets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lb.toml"
    path.write_text("[errors]\nmade_by_balancer = 0\n")
    assert _code(*TIMEOUT, "--expect", str(path), "--format", "json") == 1
    (outcome,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert outcome["seen"].startswith("1 of ")
    assert outcome["evidence"][0]["frames"]
    assert (outcome["file"], outcome["line"]) == (str(path), 2)


def test_validate_reads_and_judges_nothing(
    lb_toml: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert _code("--validate", lb_toml) == 0
    assert capsys.readouterr().out == f"{lb_toml}: 15 expectations, 0 allowances.\n"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[balance]\nkind = 1\n")
    assert _code("--validate", str(wrong)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*ALB], "check needs --expect FILE, --profile ID or --baseline FILE"),
        (["--validate"], "--validate needs a file"),
        ([ALB[0], "--profile", "aws-alb"], "of which side is it? Of one side alone: --client FILE"),
        (["--profile", "aws-alb"], "needs a capture of each side"),
        ([*ALB, "--profile", "aws-abl"], 'Did you mean "aws-alb"?'),
        ([*ALB, "--report", ALB[0], "--profile", "aws-alb"], "give one or the other"),
        (["--report", ALB[0], "--profile", "aws-alb"], "is no JSON report"),
        *(
            (["--report", "r.json", *option, "--profile", "aws-alb"], f"{option[0]} says how")
            for option in (
                ["--keylog", "keys.log"],
                ["--lb-address", "10.0.0.1"],
                ["--lb-port", "80"],
                ["--clock-offset", "1s"],
                ["--max-memory", "2GB"],
            )
        ),
        ([*ALB, "--profile", "aws-alb", "-o", ALB[0]], "this is one of the captures"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(*arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_one_side_is_enough_for_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(
        '[request.headers]\nX-Forwarded-For = "present"\nX-Internal-Token = "absent"\n'
        '[reuse]\nrequests_per_backend_connection = ">= 3"\n[findings]\nfail_on = "high"\n'
    )
    assert _code("--backend", ALB[1], "--expect", str(path)) == 0
    assert _code("--backend", NLB[1], "--expect", str(path)) == 1
    assert _code("--client", ALB[0], "--expect", str(path)) == 3
    path.write_text('[response.headers]\nServer = "present"\n')
    assert _code("--client", ALB[0], "--expect", str(path)) == 0
    path.write_text('[request.headers]\nHost = "unchanged"\n')
    assert _code("--backend", ALB[1], "--expect", str(path)) == 3


def test_a_run_that_shows_nothing_pins_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code(ALB[0], RACE[1], "--init") == 2
    assert "this run pins nothing" in capsys.readouterr().err


def test_the_whole_story_is_that_of_the_same_captures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = tmp_path / "lb.toml"
    expected.write_text('[balancer]\nkind = "direct"\n')
    both, address = str(tmp_path / "both.pcap"), ["--lb-address", "3.35.166.21"]
    one, other = (Path(path).read_bytes() for path in ALB)
    Path(both).write_bytes(one + other[24:])
    assert _code("--lb", both, *address, "--expect", str(expected), "--width", "400") == 1
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == f"For the whole story: lbtrace compare --lb {both} {' '.join(address)}"
