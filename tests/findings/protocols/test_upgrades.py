"""Upgrades that were asked for: passed on, dropped on the way, or declined."""

from __future__ import annotations

from pathlib import Path

from lbtrace.findings.protocols.upgrades import PASS_ON
from lbtrace.model.report import Finding, Severity
from tests.findings.protocols.test_protocol_mismatch import frames, told
from tests.findings.simulated import values
from tests.http.h2.wire import PREFACE, End, settings_frame
from tests.simulator.script import Script

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPTION = "Connection: Upgrade\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def request(n: int, *lines: str, to: str = "/chat", method: str = "GET") -> bytes:
    head = f"{method} {to} HTTP/1.1\r\nHost: a.example\r\nSec-WebSocket-Key: {n:02}{KEY}\r\n"
    return (head + "".join(lines) + "\r\n").encode()


def answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def passed(asked: tuple[str, ...], behind: tuple[str, ...], got: bytes = b"") -> Script:
    """Three requests for a WebSocket in front, with these lines, and behind with those."""
    play = Script()
    for n in range(3):
        front = play.front().asks(request(n, *asked))
        said = got or answer("400 Bad Request", f"no upgrade {n}")
        play.back().asks(request(n, "X-Real-IP: 198.51.100.10\r\n", *behind)).answers(said).closes()
        front.answers(said).leaves()
        play.wait(100)
    return play


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play.report(folder), "upgrades")


def test_an_upgrade_that_does_not_reach_the_backend(tmp_path: Path) -> None:
    (finding,) = found(passed(("Upgrade: websocket\r\n", OPTION), ()), tmp_path)
    assert (finding.slug, finding.severity) == ("upgrades.not-passed-on", Severity.MEDIUM)
    said = values(finding)
    assert (said["count"], said["of"], said["names"]) == (3, 3, "websocket")
    assert (said["missing"], said["statuses"]) == ("Upgrade", "400 ×3")
    assert finding.remedy == PASS_ON
    assert frames(finding)[:1] == [("client", 4)]
    assert ("backend", 4) in frames(finding)


def test_an_upgrade_without_the_option_of_connection(tmp_path: Path) -> None:
    lines = ("Upgrade: websocket\r\n", "Connection: close\r\n")
    (finding,) = found(passed(("Upgrade: websocket\r\n", OPTION), lines), tmp_path)
    assert finding.slug == "upgrades.no-option"
    assert values(finding)["missing"] == "Connection: upgrade"


def test_an_upgrade_that_was_granted_is_no_finding(tmp_path: Path) -> None:
    lines = ("Upgrade: websocket\r\n", OPTION)
    assert found(passed(lines, lines, SWITCHED), tmp_path) == []
    # a balancer that speaks WebSocket itself
    play = Script()
    play.front().asks(request(1, *lines)).answers(SWITCHED)
    assert found(play, tmp_path) == []


def test_a_backend_that_declines_is_told_once(tmp_path: Path) -> None:
    lines = ("Upgrade: websocket\r\n", OPTION)
    (finding,) = found(passed(lines, lines), tmp_path)
    assert (finding.slug, values(finding)["statuses"]) == ("upgrades.declined-backend", "400 ×3")
    assert finding.severity is Severity.LOW


def test_what_was_granted_is_not_counted_among_what_was_declined(tmp_path: Path) -> None:
    lines = ("Upgrade: websocket\r\n", OPTION)
    play = passed(lines, lines)
    for n in (7, 8):
        front = play.front().asks(request(n, *lines))
        play.back().asks(request(n, "X-Real-IP: 198.51.100.10\r\n", *lines)).answers(SWITCHED)
        front.answers(SWITCHED)
    (finding,) = found(play, tmp_path)
    assert (values(finding)["count"], values(finding)["statuses"]) == (3, "400 ×3")


def test_from_behind_alone_the_key_tells_of_the_upgrade(tmp_path: Path) -> None:
    play = Script()
    play.back().asks(request(1)).answers(answer("426 Upgrade Required", "x"))
    (finding,) = found(play, tmp_path)
    assert (finding.slug, values(finding)["statuses"]) == (
        "upgrades.without-upgrade-backend",
        "426 ×1",
    )


def test_h2c_concerns_one_hop(tmp_path: Path) -> None:
    lines = ("Upgrade: h2c\r\n", "HTTP2-Settings: AAMAAABk\r\n", "Connection: Upgrade\r\n")
    (finding,) = found(passed(lines, (), answer("200 OK", "page")), tmp_path)
    assert (finding.slug, finding.severity, finding.remedy) == (
        "upgrades.not-passed-on",
        Severity.INFO,
        "",
    )


def test_a_tunnel_that_is_not_opened(tmp_path: Path) -> None:
    play = Script()
    ask = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    play.front().asks(ask).answers(answer("405 Not Allowed", "no")).closes()
    (finding,) = found(play, tmp_path)
    assert (finding.slug, values(finding)["name"]) == ("upgrades.declined-client", "CONNECT")
    play = Script()
    play.front().asks(ask).answers(b"HTTP/1.1 200 Connected\r\n\r\n")
    assert found(play, tmp_path) == []


def test_a_websocket_over_http2_is_asked_for_by_connect(tmp_path: Path) -> None:
    client = End()
    block = client.block(
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a.example"),
        (":path", "/chat"),
    )
    head = len(block).to_bytes(3, "big") + b"\x01\x04" + (1).to_bytes(4, "big") + block
    refused = End().block((":status", "405"))
    said = len(refused).to_bytes(3, "big") + b"\x01\x05" + (1).to_bytes(4, "big") + refused
    play = Script()
    play.front().asks(PREFACE + settings_frame() + head).answers(settings_frame() + said)
    (finding,) = found(play, tmp_path)
    assert (finding.slug, values(finding)["statuses"]) == ("upgrades.declined-client", "405 ×1")


def test_a_head_that_was_cut_lacks_nothing(tmp_path: Path) -> None:
    play = passed(("Upgrade: websocket\r\n", OPTION), ("Upgrade: websocket\r\n", OPTION))
    assert [f.slug for f in told(play.report(tmp_path, snaplen=150), "upgrades")] == []
