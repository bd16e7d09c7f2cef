"""`compare --lb`: one capture that holds both sides, and what goes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lbtrace.cli import run
from tests.cli.captures import HTTP_TURN, SAMPLES, conversation, pcap

CLIENT = str(SAMPLES / "alb-like" / "client.pcap")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lb", CLIENT], "nothing in it tells the two sides of a balancer apart"),
        (["--lb", CLIENT, CLIENT], "give no other captures"),
        (["--lb-address", "10.0.0.1", CLIENT, CLIENT], "--lb-address needs --lb"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_files_of_one_capture_on_the_balancer_are_read_as_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = str(SAMPLES / "alb-like" / "backend.pcap")
    assert run(["compare", "--lb", CLIENT, "--lb", backend, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"]["kind"] == "l7-proxy"
    assert [told["counts"][side]["syns"] for side in ("client", "backend")] == [4, 1]


def test_a_port_that_changed_is_no_direct_server_return(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same packets, but for the client's port: something rewrote it, so the way between is not
    untouched.
    """
    for name, port in (("front.pcap", 4000), ("back.pcap", 4001)):
        (tmp_path / name).write_bytes(
            pcap(*conversation(("10.0.0.1", port), ("10.0.0.2", 80), HTTP_TURN, isn=7_654_321))
        )
    assert (
        run(
            [
                "compare",
                str(tmp_path / "front.pcap"),
                str(tmp_path / "back.pcap"),
                "--format",
                "json",
            ]
        )
        == 0
    )
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["kind"] == "l4-passthrough"
    assert verdict["modifiers"] == []
