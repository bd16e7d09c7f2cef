"""Backends that answer the same request differently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lbtrace.findings.backends.backends_differ import MOST
from lbtrace.model.report import Finding, Severity
from tests.findings.simulated import values
from tests.findings.through import message, request, told
from tests.simulator.script import Script

PORTS = (8080, 8081, 8082)  # of the servers
TURNS = (0, 1, 0, 1)  # which of them is asked


def asked(
    folder: Path,
    pages: Sequence[str],
    lines: Sequence[Sequence[str]] = ((), (), (), ()),
    turns: Sequence[int] = TURNS,
    statuses: Sequence[str] = ("200 OK",) * 3,
) -> list[Finding]:
    """The same target, again and again: what was answered each time, by which server."""
    play = Script()
    for server, page, own in zip(turns, pages, lines, strict=True):
        ask, answer = request("/page", *own), message(statuses[server], page)
        front = play.front().asks(ask)
        play.back(PORTS[server]).asks(ask).answers(answer).closes()
        front.answers(answer).leaves()
        play.wait(100)
    return told(play, folder, "backends-differ")


def test_each_server_has_its_own_page(tmp_path: Path) -> None:
    (said,) = asked(tmp_path, ["shop", "maintenance " * 6] * 2)
    got = values(said)
    assert (said.severity, got["count"], got["of"]) == (Severity.LOW, 1, 1)
    assert (got["bytes"], got["other_bytes"]) == (4, 72)
    assert (got["first"], got["second"]) == ("10.0.9.11:8080", "10.0.9.11:8081")
    assert len(said.evidence[0].frames) == 4


@pytest.mark.parametrize(("more", "severity"), [(64, Severity.INFO), (65, Severity.LOW)])
def test_a_page_may_name_its_server(tmp_path: Path, more: int, severity: Severity) -> None:
    (said,) = asked(tmp_path, ["I am ", "I am " + "b" * more] * 2)
    assert said.severity is severity


def test_of_three_servers_the_two_that_differ_are_named(tmp_path: Path) -> None:
    (said,) = asked(
        tmp_path,
        ["shop", "shop", "none"] * 2,
        [()] * 6,
        (0, 1, 2) * 2,
        ("200 OK",) * 2 + ("404 No",),
    )
    got = values(said)
    assert (got["first"], got["status"]) == ("10.0.9.11:8080", "200")
    assert (got["second"], got["other_status"]) == ("10.0.9.11:8082", "404")


@pytest.mark.parametrize(("targets", "more"), [(MOST, False), (MOST + 1, True)])
def test_not_every_target_is_looked_at(tmp_path: Path, targets: int, more: bool) -> None:
    play = Script()
    for n in range(4):
        front, back = play.front(), play.back(PORTS[n % 2])
        for target in range(targets):
            ask = b"GET /%d HTTP/1.1\r\nHost: shop.example\r\n\r\n" % target
            answer = message("200 OK", f"{target} " + "b" * (n % 2))
            front.asks(ask)
            back.asks(ask).answers(answer)
            front.answers(answer)
        back.closes()
        front.leaves()
    (said,) = told(play, tmp_path, "backends-differ")
    assert (values(said)["count"], values(said)["of"]) == (MOST, targets)
    assert said.statement.startswith("At least") == more


def test_a_file_that_one_server_lacks_is_worse(tmp_path: Path) -> None:
    (said,) = asked(tmp_path, ["file", "none"] * 2, statuses=("200 OK", "404 Not Found"))
    assert (said.severity, values(said)["other_status"]) == (Severity.MEDIUM, "404")


@pytest.mark.parametrize(
    ("pages", "turns"),
    [
        (["old", "old", "new", "new"], (0, 0, 1, 1)),  # it was changed in between
        (["a", "b", "c", "d"], TURNS),  # another one each time
        (["a", "b", "a", "c"], TURNS),
        (["a", "a", "a", "a"], TURNS),
        (["a", "b", "a", "b"], (0, 0, 0, 0)),
        (["a", "b", "a"], (0, 1, 0)),  # once may be chance
    ],
)
def test_what_need_not_lie_in_the_servers_is_not_told(
    tmp_path: Path, pages: Sequence[str], turns: Sequence[int]
) -> None:
    lines = [()] * len(pages)
    assert asked(tmp_path, pages, lines, turns) == []


@pytest.mark.parametrize(
    ("lines", "told_of"),
    [
        ([f"X-Request-Id: {n}" for n in range(4)], True),
        (["Accept: text/html"] * 4, True),
        (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"] * 2, False),
        (["Cookie: user=1", "Cookie: user=2"] * 2, False),
        ([f"Cookie: user={n}" for n in range(4)], False),
    ],
)
def test_requests_that_say_something_else_may_be_answered_differently(
    tmp_path: Path, lines: Sequence[str], told_of: bool
) -> None:
    found = asked(tmp_path, ["a", "b"] * 2, [(line,) for line in lines])
    assert bool(found) == told_of
