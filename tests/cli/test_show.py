"""`show`: one capture point."""

from __future__ import annotations

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


def test_show_counts_syns_and_requests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", CLIENT]) == 0
    assert "4 SYNs : 4 requests = 1 : 1" in capsys.readouterr().out
