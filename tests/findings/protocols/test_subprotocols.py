"""WebSockets that were opened without the subprotocol that their client named."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.findings.through import STATED, request, told
from tests.simulator.script import Script

OPENS = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")
CHOSEN = "Sec-WebSocket-Protocol: mqtt"


def answer(*lines: str, status: str = "101 Switching Protocols") -> bytes:
    head = (f"HTTP/1.1 {status}", "Upgrade: websocket", "Connection: Upgrade", *lines)
    return "".join(f"{line}\r\n" for line in (*head, "")).encode()


def opened(given: bytes, got: bytes, named: str = CHOSEN) -> Script:
    play = Script()
    for n in range(2):
        lines = (*OPENS, *([named] if named else []))
        front = play.front().asks(request(f"/ws/{n}", *lines))
        back = play.back().asks(request(f"/ws/{n}", STATED, *lines)).answers(given)
        front.answers(got).leaves()
        back.leaves()
        play.wait(100)
    return play


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play, folder, "subprotocols")


def test_a_server_that_chooses_none(tmp_path: Path) -> None:
    (said,) = found(opened(answer(), answer()), tmp_path)
    assert said.slug == "subprotocols.not-chosen"
    assert (values(said)["count"], values(said)["of"], values(said)["names"]) == (2, 2, "mqtt")
    assert "Let the server choose" in said.remedy
    (alone,) = show([[str(tmp_path / "client.pcap")]]).captures
    assert [f.slug for f in alone.findings if f.slug.startswith("subpro")] == [said.slug]


def test_a_balancer_that_drops_the_choice(tmp_path: Path) -> None:
    (said,) = found(opened(answer(CHOSEN), answer()), tmp_path)
    assert said.slug == "subprotocols.not-passed-on"
    assert "balancer" in said.remedy


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (answer(CHOSEN), CHOSEN),
        (answer(), ""),  # nothing was named
        (answer(status="400 Bad Request"), CHOSEN),  # nothing was opened
    ],
)
def test_what_is_as_it_should_be(given: bytes, named: str, tmp_path: Path) -> None:
    assert found(opened(given, given, named), tmp_path) == []
