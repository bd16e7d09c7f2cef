"""Requests that lose their credentials at the balancer, and are refused for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import STATED, message, request, told
from tests.simulator.script import Script

LOGIN = "Authorization: Bearer abc"
COOKIE = "Cookie: sid=abc"


def asks(play: Script, target: str, sent: str, passed: tuple[str, ...], status: str) -> None:
    """A request with a line of the client's, what the balancer passes on, and the answer."""
    answer = message(status, f"page {target}")
    front = play.front().asks(request(target, *filter(None, [sent])))
    play.back().asks(request(target, *passed, STATED)).answers(answer)
    front.answers(answer).leaves()
    play.wait(100)


@pytest.mark.parametrize(
    ("field", "line", "status"),
    [
        ("Authorization", LOGIN, "401 Unauthorized"),
        ("Authorization", LOGIN, "403 Forbidden"),
        ("Cookie", COOKIE, "403 Forbidden"),
    ],
)
def test_a_credential_that_the_balancer_takes_off(
    field: str, line: str, status: str, tmp_path: Path
) -> None:
    play = Script()
    asks(play, "/open", "", (), "200 OK")
    for n in range(2):
        asks(play, f"/{n}", line, (), status)
    (said,) = told(play, tmp_path, "lost-credentials")
    assert said.severity is Severity.MEDIUM
    assert (values(said)["field"], values(said)["count"], values(said)["of"]) == (field, 2, 2)
    assert values(said)["statuses"] == f"{status[:3]} ×2"
    assert "abc" not in said.text


@pytest.mark.parametrize(
    "turns",
    [
        [(LOGIN, (LOGIN,), "401 No")],  # it arrives
        [("", (), "401 No")],  # there was none
        [(LOGIN, (), "200 OK")],  # nobody misses it
        [(LOGIN, (), "401 No"), (LOGIN, (), "200 OK")],  # … or not always
        [(LOGIN, (), "404 Not Found")],  # refused for something else
    ],
)
def test_what_is_no_lost_credential(
    turns: list[tuple[str, tuple[str, ...], str]], tmp_path: Path
) -> None:
    play = Script()
    asks(play, "/open", "", (), "200 OK")
    for n, (sent, passed, status) in enumerate(turns):
        asks(play, f"/{n}", sent, passed, status)
    assert not told(play, tmp_path, "lost-credentials")


SET = "Set-Cookie: sid=a1b2c3; Path=/"


@pytest.mark.parametrize(
    ("got", "brought", "lost"),
    [((), "", True), ((SET,), "", False), ((), "sid=a1b2c3", False), ((), "other=1", True)],
)
def test_a_cookie_that_never_reaches_the_client(
    got: tuple[str, ...], brought: str, lost: bool, tmp_path: Path
) -> None:
    play = Script()
    for n in range(3):
        lines = (f"Cookie: {brought}",) if brought and n else ()
        front = play.front().asks(request(f"/{n}", *lines))
        back = play.back().asks(request(f"/{n}", *lines, STATED))
        back.answers(message("200 OK", f"{n}", SET))
        front.answers(message("200 OK", f"{n}", *got)).leaves()
        play.wait(100)
    found = told(play, tmp_path, "lost-credentials.never-given")
    assert bool(found) is lost
    for said in found:
        assert (values(said)["count"], values(said)["of"], values(said)["names"]) == (3, 3, "sid")
        assert "a1b2c3" not in said.text
