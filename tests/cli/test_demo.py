"""`demo`: the captures that come with lbtrace."""

from __future__ import annotations

import json

import pytest

from lbtrace.cli import run
from lbtrace.cli.demo import sample_names, samples_folder
from tests.cli.captures import SAMPLES
from tests.render.documents import check

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


def test_demo_is_compare_on_the_first_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--format", "json"]) == 0
    demo = json.loads(capsys.readouterr().out)
    assert run(["compare", CLIENT, BACKEND, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == demo["verdict"]


def test_every_sample_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    names = sample_names(samples_folder())
    assert names[0] == "alb-like"
    for name in names:
        assert run(["demo", name, "--format", "json"]) == 0
        check(json.loads(capsys.readouterr().out))


def test_the_list_of_samples_says_what_each_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--list"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in listed] == sample_names(samples_folder())
    assert dict(listed)["varnish"] == "cache hits in Varnish"


def test_a_demo_names_its_sample_apart_from_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "direct"]) == 0
    out, err = capsys.readouterr()
    assert err == "Sample direct: no balancer at all\n"
    assert out.startswith(" No problems found in 4 requests")
    assert "\n No balancer in between" in out
