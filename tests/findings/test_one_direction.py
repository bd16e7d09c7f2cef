"""A capture of one direction does not tell that nobody answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.pipeline import show
from tests.simulator.script import Script

ASK = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_who_takes_the_answer_and_leaves_did_not_give_up(
    answered: bool, reset: bool, tmp_path: Path
) -> None:
    """So health checks end. Whether an answer came is in the other direction."""
    play = Script()
    for _ in range(3):
        talk = play.back().asks(ASK)
        if answered:
            talk.answers(OK)
        talk.leaves(reset=reset)
        source = talk.packets[0].data[12:16]
        talk.packets[:] = [p for p in talk.packets if p.data[12:16] == source]
    play.write(tmp_path)
    found = [f.slug for f in show([[str(tmp_path / "backend.pcap")]]).findings]
    claims = ("gave-up", "closed-unanswered", "half-closed", "repeated-requests", "resets")
    assert not [slug for slug in found if slug.startswith(claims)]
    assert any(slug.startswith("capture-quality") for slug in found)
