"""`profiles`: the load balancers that lbtrace knows."""

from __future__ import annotations

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


def test_profiles_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profiles"]) == 0
    assert "aws-alb" in capsys.readouterr().out
    assert run(["profiles", "aws-alb"]) == 0
    assert "X-Amzn-Trace-Id" in capsys.readouterr().out
