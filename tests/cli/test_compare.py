"""`compare --lb`: one capture that holds both sides, and what goes with it."""

from __future__ import annotations

import json

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

CLIENT = str(SAMPLES / "alb-like" / "client.pcap")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lb", CLIENT], "nothing in it tells the two sides of a balancer apart"),
        (["--lb", CLIENT, CLIENT], "give no other captures"),
        (["--lb-address", "10.0.0.1", CLIENT, CLIENT], "--lb-address goes with --lb"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_files_of_one_capture_on_the_balancer_are_read_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    backend = str(SAMPLES / "alb-like" / "backend.pcap")
    assert run(["compare", "--lb", CLIENT, "--lb", backend, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"]["kind"] == "l7-proxy"
    assert [told["counts"][side]["syns"] for side in ("client", "backend")] == [4, 1]
