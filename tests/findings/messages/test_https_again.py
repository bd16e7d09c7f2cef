"""One capture in which the same request is redirected to https of its URL, again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.simulator.script import Script

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def ask(path: str = "/loop", more: str = "") -> bytes:
    return f"GET {path} HTTP/1.0\r\nHost: a.example\r\n{more}\r\n".encode()


def moved(location: str = "https://a.example/loop") -> bytes:
    return (
        f"HTTP/1.1 301 Moved Permanently\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def told(folder: Path, *talk: tuple[bytes, bytes], pause_ms: float = 20) -> list[Finding]:
    """What is said of requests that come to port 80, each on a connection of its own."""
    play = Script()
    for request, response in talk:
        play.back(80).asks(request).answers(response).closes()
        play.wait(pause_ms)
    _, path = play.write(folder)
    found = show([[str(path)]]).findings
    return [f for f in found if f.slug == "redirects.https-again"]


def test_tls_ends_in_front_and_the_server_is_not_told_so(tmp_path: Path) -> None:
    (said,) = told(tmp_path, *[(ask(), moved())] * 4)
    assert said.severity is Severity.MEDIUM
    got = values(said)
    assert (got["count"], got["example"]) == (4, "https://a.example/loop")
    assert "X-Forwarded-Proto" in said.remedy
    assert [frame.number for frame in said.evidence[0].frames][:2] == [4, 6]


@pytest.mark.parametrize(
    "talk",
    [
        [(ask(), moved())] * 2,
        [(ask(f"/{n}"), moved(f"https://a.example/{n}")) for n in range(4)],
        # others, who came by http one after the other
        [(ask(more=f"Cookie: who={n}\r\n"), moved()) for n in range(4)],
        [(ask(), moved("https://a.example/login"))] * 4,
        [(ask(), moved("https://b.example/loop"))] * 4,
        # a client that came by https: that is a loop without a doubt
        [(ask(more="X-Forwarded-Proto: https\r\n"), moved())] * 4,
        [(ask(), OK)] * 4,
    ],
    ids=["twice", "four URLs", "four clients", "elsewhere", "another host", "https", "no redirect"],
)
def test_what_is_no_loop_or_another_one(talk: list[tuple[bytes, bytes]], tmp_path: Path) -> None:
    assert told(tmp_path, *talk) == []


def test_who_asks_again_a_minute_later_followed_no_redirect(tmp_path: Path) -> None:
    assert told(tmp_path, *[(ask(), moved())] * 4, pause_ms=60_000) == []
