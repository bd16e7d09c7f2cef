"""Every recorded pair: what lbtrace reports agrees with the logs of those who took part."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import lbtrace
from lbtrace.lab.agree import agree, align
from lbtrace.lab.ground_truth import GroundTruth
from lbtrace.lab.run import SAMPLES
from lbtrace.model.report import Kind, Report
from lbtrace.options import Options

FOLDER = Path(__file__).resolve().parents[2] / "samples"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/truth.json"))
LARGEST_BYTES = 60_000
ALL_BYTES = 1_500_000

# What the packets alone cannot show: TLS hides the exchanges in front.
WEAKER = {"haproxy-tls": {"verdict-unsure"}}


@cache
def report_of(name: str) -> Report:
    folder = FOLDER / name
    return lbtrace.compare(
        folder / "client.pcap",
        *sorted(folder.glob("backend*.pcap")),
        options=Options(keylogs=tuple(map(str, folder.glob("*.keys")))),
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_report_agrees_with_the_logs(name: str) -> None:
    told = agree(report_of(name), GroundTruth.read(FOLDER / name / "truth.json"))

    assert [d for d in told.disagreements if d.what not in WEAKER.get(name, set())] == []


def test_every_sample_can_be_recorded_again_is_explained_and_is_small() -> None:
    assert set(NAMES) == set(SAMPLES)
    for name in NAMES:
        files = list((FOLDER / name).iterdir())
        assert {"client.pcap", "backend.pcap", "truth.json", "README.md"} <= {f.name for f in files}
        assert sum(f.stat().st_size for f in files if f.suffix == ".pcap") <= LARGEST_BYTES, name
        assert f"]({name}/)" in (FOLDER / "README.md").read_text(encoding="utf-8"), (
            f"samples/README.md does not mention {name}"
        )
    assert sum(f.stat().st_size for f in FOLDER.rglob("*") if f.is_file()) < ALL_BYTES


@pytest.mark.parametrize("name", ["alb-like", "alb-like-tls", "nlb-like", "nlb-like-snat"])
def test_the_founding_experiment(name: str) -> None:
    truth = GroundTruth.read(FOLDER / name / "truth.json")

    assert [(r.target, r.status) for r in truth.requests] == [
        (f"/divide/{n}", 200) for n in (25, 50, 10, 4)
    ]
    assert len({r.client for r in truth.requests}) == 4  # a connection each
    assert {r.client.rpartition(":")[0] for r in truth.requests} == {"192.168.0.5"}
    seen = {a.client.rpartition(":")[0] for r in truth.requests for a in r.attempts}
    assert seen == {"1.240.235.98" if name == "nlb-like" else "172.31.42.119"}
    assert len({a.client for r in truth.requests for a in r.attempts}) == (
        1 if name.startswith("alb-like") else 4
    )
    periods = [b.time_ns - a.time_ns for a, b in zip(truth.checks, truth.checks[1:], strict=False)]
    assert len(truth.checks) >= 2
    assert all(abs(period - 10_000_000_000) < 500_000_000 for period in periods)


class TestTheJudgeCanSayNo:
    """A comparison that never fails would prove nothing: falsify the truth and see it noticed."""

    @pytest.fixture
    def report(self) -> Report:
        return report_of("alb-like")

    @pytest.fixture
    def truth(self) -> GroundTruth:
        return GroundTruth.read(FOLDER / "alb-like" / "truth.json")

    def test_as_it_is_they_agree(self, report: Report, truth: GroundTruth) -> None:
        told = agree(report, truth)
        assert (told.right, told.unsure, told.disagreements) == (4, 0, [])
        assert (
            told.summary() == "agree with this report (4 of 4 requests traced to what they caused)."
        )

    def test_two_requests_swapped(self, report: Report, truth: GroundTruth) -> None:
        first, second, *rest = truth.requests
        swapped = (
            replace(first, attempts=second.attempts),
            replace(second, attempts=first.attempts),
            *rest,
        )
        assert [d.what for d in agree(report, replace(truth, requests=swapped)).disagreements] == [
            "wrong-pair",
            "wrong-pair",
        ]

    def test_an_answer_that_was_the_balancers_own(self, report: Report, truth: GroundTruth) -> None:
        first, *rest = truth.requests
        own = replace(first, attempts=(), answered_by="balancer")
        assert [
            d.what for d in agree(report, replace(truth, requests=(own, *rest))).disagreements
        ] == ["invented-pair"]

    def test_another_kind_of_balancer(self, report: Report, truth: GroundTruth) -> None:
        other = replace(truth, kind=Kind.L4_PASSTHROUGH.value)
        assert [d.what for d in agree(report, other).disagreements] == ["verdict"]

    def test_checks_that_were_none(self, report: Report, truth: GroundTruth) -> None:
        told = agree(report, replace(truth, checks=truth.checks[:1])).disagreements
        assert {d.what for d in told} == {"invented-check"}

    def test_an_exchange_of_somebody_else(self, report: Report, truth: GroundTruth) -> None:
        first, *rest = truth.requests
        told = agree(
            report, replace(truth, requests=tuple(rest), others=first.attempts)
        ).disagreements
        assert [d.what for d in told] == ["invented-pair"]


def test_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    for name in NAMES:
        truth = GroundTruth.read(FOLDER / name / "truth.json")
        truth.write(tmp_path / "truth.json")
        assert GroundTruth.read(tmp_path / "truth.json") == truth
        assert (tmp_path / "truth.json").read_text().startswith('{\n "format": "lbtrace-lab-truth"')


def test_a_connection_cut_short_is_aligned_by_time_and_target() -> None:
    def at(*times: int) -> list[tuple[int, str]]:
        return [(time_ns, "") for time_ns in times]

    assert align(at(30, 40), at(10, 20, 31, 42)) == [(0, 2), (1, 3)]  # the start was not captured
    assert align(at(10, 31), at(10, 20, 30)) == [(0, 0), (1, 2)]  # the middle was lost
    assert align(at(10, 20, 30), at(21)) == [(1, 0)]  # more in the capture than in the log
    assert align([], at(1, 2)) == []
    assert align([(10, "/b")], [(10, "/api/a"), (10, "/api/b")]) == [
        (0, 1)
    ]  # pipelined: sent at once
