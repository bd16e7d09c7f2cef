"""Cutting, dropping or shifting captures may make a sentence disappear, never turn it into its
opposite.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from shutil import copy

import pytest

from tests.sentences.claims import OPPOSITES, WHOLE, Json, appeared, claims, contradictions
from tests.sentences.damage import (
    Damage,
    answers_late,
    between,
    cut,
    damaged,
    disordered,
    lose,
    one_way,
    set_forward,
    shift,
)
from tests.sentences.test_laws import REPORTS, SAMPLES, told
from tests.simulator import Balancer, Simulation

DAMAGES: dict[str, Damage] = {
    "cut to 80 bytes": cut(80),
    "cut to 120 bytes": cut(120),
    "cut to 200 bytes": cut(200),
    "an eighth lost": lose(0.125),
    "an eighth lost, others": lose(0.125),
    "a third lost": lose(0.33),
    "begun late": between(0.3, 1),
    "ended early": between(0, 0.7),
    "another clock": shift(3600),
    "without answers in front": one_way("client", server=False),
    "without answers behind": one_way("backend", server=False),
    "only answers in front": one_way("client", server=True),
    "only answers behind": one_way("backend", server=True),
    "stamped in disorder": disordered(1_000_000),
    "answers stamped late": answers_late(1_000_000),
    "clock set in the middle": set_forward(3600),
}
# what once turned round: a source that only a cut head told of, an answer behind a lost head, a
# time limit that became an answer of the balancer's
FOUND = {
    ("haproxy-proxy-v2", "cut to 120 bytes"),
    ("nginx-timeout", "cut to 120 bytes"),
    ("direct", "an eighth lost, others"),
    ("nginx-race", "an eighth lost, others"),
    ("envoy", "an eighth lost"),  # attempts after a 503 that was not used were called a mirror
    ("haproxy", "only answers behind"),  # fields of requests that were not captured showed an order
    ("nginx-retried-post", "an eighth lost"),  # which of two attempts was answered is not captured
}
# each sample with a third of the damages, each damage on a third of the samples
CASES = [
    pytest.param(folder, name, id=f"{folder.name}-{name.replace(' ', '-')}")
    for folder, place in zip(SAMPLES, count(), strict=False)
    for name, number in zip(DAMAGES, count(), strict=False)
    if (place + number) % 3 == 0 or (folder.name, name) in FOUND
]
ON_REPORTS = [
    pytest.param(folder, name, id=f"{folder.name}-{name.replace(' ', '-')}")
    for folder in REPORTS
    for name in ("cut to 120 bytes", "an eighth lost")
]


@cache
def whole(folder: Path) -> Json:
    """The report on captures without damage."""
    return told(folder).report


def judge(folder: Path, name: str, target: Path) -> list[str]:
    """What damage makes lbtrace say that the whole captures contradict."""
    for keys in folder.glob("*.keys"):
        copy(keys, target)
    origin: dict[tuple[str, int], list[int]] = {}
    for side in ("client", "backend"):
        for point, path in enumerate(sorted(folder.glob(f"{side}*.pcap"))):
            seed = list(DAMAGES).index(name) * 2 + (side == "client")
            origin[side, point] = damaged(path, target / path.name, DAMAGES[name], side, seed)
    damaged_report = told(target).report
    made = appeared(whole(folder), damaged_report)
    return contradictions(whole(folder), damaged_report, origin) + made


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_damage_turns_no_sentence_round(folder: Path, name: str, tmp_path: Path) -> None:
    assert judge(folder, name, tmp_path) == []


@pytest.mark.parametrize(("folder", "name"), ON_REPORTS)
def test_damage_turns_no_sentence_about_a_public_report_round(
    folder: Path, name: str, tmp_path: Path
) -> None:
    assert judge(folder, name, tmp_path) == []


def played(balancer: Balancer) -> Simulation:
    """Three clients that post and ask at the same time."""
    simulation = Simulation(seed=3, balancer=balancer)
    for n in range(3):
        client = simulation.client(f"192.168.0.{n + 5}")
        for k in range(5):
            method, body = ("POST", b"item=%d" % k) if k % 2 else ("GET", b"")
            answer = b"answer %d %d" % (n, k)
            client.asks(method, f"/{n}/{k}", at_ms=40 * k + n, body=body, answer=answer)
    return simulation


PLAYS = {
    "retries": Balancer(retry=0.5),
    "gives up": Balancer(give_up=0.4),
    "refuses": Balancer(refuse=0.4),
    "PROXY headers": Balancer(kind="l4-proxy", proxy=1),
    "passes packets": Balancer(kind="snat"),
}


@pytest.mark.parametrize("name", ["cut to 120 bytes", "an eighth lost", "begun late"])
@pytest.mark.parametrize("play", PLAYS)
def test_damage_turns_no_sentence_about_a_play_round(play: str, name: str, tmp_path: Path) -> None:
    recorded = played(PLAYS[play]).run(pcaps=True)
    whole_folder, target = tmp_path / "whole", tmp_path / "damaged"
    whole_folder.mkdir()
    target.mkdir()
    for side, files in (("client", recorded.client_pcaps), ("backend", recorded.backend_pcaps)):
        for point, data in enumerate(files):
            (whole_folder / f"{side}{point or ''}.pcap").write_bytes(data)
    assert judge(whole_folder, name, target) == []


def test_claims_of_the_samples_are_many_and_agree_with_themselves() -> None:
    folder = next(f for f in SAMPLES if f.name == "nginx-timeout")
    report = whole(folder)
    frames = {("client", 0): WHOLE, ("backend", 0): WHOLE}
    made = dict(claims(report, frames))
    assert made["verdict"] == "l7-proxy"
    assert "a backend's" in made.values()
    assert "the balancer's" in made.values()
    assert "timeout" in made.values()
    assert contradictions(report, report, frames) == []


def test_a_claim_that_was_turned_round_is_found() -> None:
    folder = next(f for f in SAMPLES if f.name == "nginx-timeout")
    report = whole(folder)
    frames = {("client", 0): WHOLE, ("backend", 0): WHOLE}
    turned = {**report, "verdict": {"kind": "direct"}}
    turned["findings"] = [
        {**f, "evidence": [{"frames": [{"side": "client", "point": 0, "frame": 4}]}]}
        for f in report["findings"]
        if f["slug"].startswith("answered-by-balancer")
    ]
    found = contradictions(report, turned, frames)
    assert any("direct" in complaint for complaint in found)
    assert any("the balancer's" in complaint for complaint in found)


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda p: p.name)
def test_no_whole_capture_is_told_two_opposites(folder: Path) -> None:
    slugs = {finding["slug"] for finding in whole(folder)["findings"]}
    assert [pair for pair in OPPOSITES if slugs.issuperset(pair)] == []


def test_a_sentence_that_only_damage_made_is_found() -> None:
    report = whole(next(f for f in SAMPLES if f.name == "nginx-timeout"))
    findings = report["findings"]
    assert appeared(report, report) == []
    assert len(appeared({**report, "findings": findings[1:]}, report)) == 1
    spoken = [{"slug": "coverage", "text": ""}, {"slug": "capture-quality.missing", "text": ""}]
    assert appeared(report, {**report, "findings": spoken}) == []
    weaker = [{"slug": "retries.repeated", "text": ""}]
    stronger = {**report, "findings": [{"slug": "retries.not-idempotent"}]}
    assert appeared(stronger, {**report, "findings": weaker}) == []


@pytest.mark.parametrize(("one", "other"), OPPOSITES)
def test_a_sentence_that_became_its_opposite_is_found(one: str, other: str) -> None:
    report = whole(SAMPLES[0])
    frames = {("client", 0): WHOLE, ("backend", 0): WHOLE}
    told_of = {**report, "findings": [{"slug": one, "text": "", "evidence": []}]}
    turned = {**report, "findings": [{"slug": other, "text": "", "evidence": []}]}
    assert contradictions(told_of, told_of, frames) == []
    assert any(other in complaint for complaint in contradictions(told_of, turned, frames))
