"""Server names for which a server ends TLS connections at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.http.test_detect import hello
from tests.simulator.script import Script

SHOP, OTHER = "shop.example.com", "other.example.com"
SERVED = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"


def found(play: Script, folder: Path) -> list[Finding]:
    play.write(folder)
    findings = show([[str(folder / "client.pcap")]]).findings
    return [f for f in findings if f.slug.startswith("server-names")]


def asked(*names: tuple[str, bool]) -> Script:
    """Connections that ask for these names, each answered or closed at once."""
    play = Script()
    for name, served in names:
        front = play.front(443).asks(hello(name or None, []))
        front = front.answers(SERVED).leaves() if served else front.closes()
    return play


def test_a_name_that_is_not_served(tmp_path: Path) -> None:
    (said,) = found(asked((SHOP, True), (OTHER, False), (OTHER, False)), tmp_path)
    assert said.slug == "server-names"
    assert (values(said)["count"], values(said)["of"]) == (2, 3)
    assert (values(said)["names"], values(said)["others"]) == (f"{OTHER} ×2", f"{SHOP} ×1")


def test_a_client_without_a_name(tmp_path: Path) -> None:
    (said,) = found(asked((SHOP, True), ("", False)), tmp_path)
    assert values(said)["names"] == "(no server name) ×1"


@pytest.mark.parametrize(
    "names",
    [
        [(SHOP, False), (OTHER, False)],  # the name is not what they differ in
        [(SHOP, True), (OTHER, True)],
        [(SHOP, True), (OTHER, False), (OTHER, True)],  # served, at another time
    ],
)
def test_what_does_not_go_by_the_name(names: list[tuple[str, bool]], tmp_path: Path) -> None:
    assert not found(asked(*names), tmp_path)
