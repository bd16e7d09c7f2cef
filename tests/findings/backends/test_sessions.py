"""Sessions that reach, or do not reach, the backend that knows them; cookie values stay secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lbtrace.findings.backends import sessions
from lbtrace.model.net import Side
from lbtrace.model.report import Finding, Report, Severity
from lbtrace.tables.messages import Messages
from lbtrace.tables.side_table import SideTable
from tests.findings.simulated import judge_simulation, values
from tests.findings.through import exchange, message, request
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO
from tests.simulator.script import Packet, Script

XFF = ("X-Forwarded-For", "{client}")
SECRET = "8f14e45fceea167a5a36dedd4bea2543"


def spoken(
    requests: int = 4,
    name: str = "JSESSIONID",
    value: str = SECRET,
    balancer: Balancer | None = None,
    again: bool = False,
) -> list[Finding]:
    """A login, then requests with the cookie it set; backends are chosen in turn."""
    balancer = balancer or Balancer(add=[XFF], wander=False)
    simulation = Simulation(seed=2, balancer=balancer, backends=TWO, separate_points=True)
    client = simulation.client("192.168.0.5")
    given = [("Set-Cookie", f"{name}={value}; Path=/; HttpOnly")]
    client.asks("POST", "/login", body=b"me", answer_headers=given)
    for n in range(requests):
        client.asks(
            "GET",
            f"/account/{n}",
            at_ms=100 * (n + 1),
            headers=[("Cookie", f"lang=en; {name}={value}")],
            answer_headers=[("Set-Cookie", f"{name}=other-{n}-{SECRET}")] if again else [],
        )
    return judge_simulation(simulation).of("sessions")


def test_a_session_that_was_sent_to_another_backend() -> None:
    (said,) = spoken()
    got = values(said)
    assert (said.slug, said.severity) == ("sessions.another-backend", Severity.MEDIUM)
    assert (got["count"], got["of"], got["names"]) == (2, 4, "JSESSIONID")
    assert got["moves"] == "set by 172.31.11.96:8080, sent to 172.31.11.95:8080"
    assert len(said.evidence[0].frames) + sum(len(e.frames) for e in said.evidence[1:]) == 2


def test_no_value_of_a_cookie_is_shown() -> None:
    assert all(SECRET not in repr(finding) for finding in spoken())


def test_a_backend_that_sets_the_cookie_anew_does_not_know_the_session() -> None:
    (said,) = spoken(again=True)
    assert values(said)["anew"] == 2


def test_a_session_that_stays_is_not_told() -> None:
    assert not spoken(balancer=Balancer(kind="dnat", wander=False), requests=0)
    one = Simulation(seed=2, balancer=Balancer(add=[XFF]), backends=TWO[:1])
    client = one.client("192.168.0.5")
    client.asks("GET", "/", answer_headers=[("Set-Cookie", f"sid={SECRET}")])
    client.asks("GET", "/a", at_ms=50, headers=[("Cookie", f"sid={SECRET}")])
    assert not judge_simulation(one).of("sessions")


def test_the_cookies_of_clients_are_not_read_where_no_session_was_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large capture has one in every request."""
    read: list[SideTable] = []
    lines = sessions._lines

    def noted(table: SideTable, messages: Messages, name: str) -> Iterator[tuple[int, str]]:
        read.append(table)
        return lines(table, messages, name)

    monkeypatch.setattr(sessions, "_lines", noted)
    assert spoken()
    assert {id(table) for table in read} == {id(read[0])}  # the backend side: it makes sessions


def test_a_setting_that_clients_share_is_no_session() -> None:
    assert not spoken(name="theme", value="dark")


def test_a_value_that_both_backends_set_belongs_to_neither() -> None:
    simulation = Simulation(
        seed=2, balancer=Balancer(add=[XFF], wander=False), backends=TWO, separate_points=True
    )
    client = simulation.client("192.168.0.5")
    for n in range(6):
        client.asks(
            "GET",
            f"/{n}",
            at_ms=50 * n,
            headers=[("Cookie", f"sid={SECRET}")],
            answer_headers=[("Set-Cookie", f"sid={SECRET}")],
        )
    assert not judge_simulation(simulation).of("sessions.another-backend")


def test_a_cookie_of_the_balancers_own_binds_clients() -> None:
    sticky = Balancer(add=[XFF], respond=[("Set-Cookie", "SERVERID=s1; path=/")])
    (said,) = [f for f in spoken(0, balancer=sticky, name="lang", value="en") if "sticky" in f.slug]
    assert (values(said)["names"], values(said)["makers"]) == ("SERVERID", "HAProxy")


def cached(cookie: str, cache: float = 1.0) -> list[Finding]:
    """The same page again and again; all but the first answer come from the cache."""
    simulation = Simulation(seed=8, balancer=Balancer(cache=cache, add=[XFF]))
    client = simulation.client("192.168.0.5")
    for n in range(4):
        given = [("Set-Cookie", cookie)]
        client.asks("GET", "/account", at_ms=200 * n, answer_headers=given, answer=b"my account")
    found = judge_simulation(simulation).of("sessions")
    return [f for f in found if f.slug == "sessions.from-cache"]


@pytest.mark.parametrize("more", ["", "; Path=/", "; Path=/; HttpOnly"])
def test_a_session_out_of_a_cache_is_anybodys(more: str) -> None:
    (said,) = cached(f"SID={SECRET}{more}")
    assert said.severity is Severity.HIGH
    assert (values(said)["count"], values(said)["of"], values(said)["names"]) == (3, 3, "SID")
    assert SECRET not in repr(said)


def test_a_setting_out_of_a_cache_is_no_session() -> None:
    assert not cached("lang=en; Path=/")


def test_without_a_cache_every_answer_is_its_own() -> None:
    assert not cached(f"SID={SECRET}; Path=/", cache=0.0)


def given_again_by_a_cache(brought: str = "user=%d", cookie: str = f"SID={SECRET}") -> Script:
    """A cache that leaves no mark gives the first answer to others, too."""
    play = Script()
    for n in range(4):
        page = message("200 OK", "me", f"Set-Cookie: {cookie}; HttpOnly")
        mine = "user=0" if not n else brought.replace("%d", str(n))
        ask = request("/me", f"Cookie: {mine}")
        front = play.front().asks(ask)
        if not n:
            play.back().asks(ask).answers(page).closes()
        front.answers(page).leaves()
        exchange(play, f"/{n}")
    return play


def given_again(folder: Path, brought: str = "user=%d", cookie: str = f"SID={SECRET}") -> Report:
    """What is told of it."""
    return given_again_by_a_cache(brought, cookie).report(folder)


def told_again(report: Report) -> list[Finding]:
    return [f for f in report.findings if f.slug == "sessions.given-again"]


def test_a_session_that_is_given_again_may_be_of_a_cache(tmp_path: Path) -> None:
    (said,) = told_again(given_again(tmp_path))
    assert (said.severity, values(said)["count"]) == (Severity.MEDIUM, 3)
    assert {f.side for e in said.evidence for f in e.frames} == {Side.CLIENT, Side.BACKEND}
    assert SECRET not in repr(said)


@pytest.mark.parametrize(
    ("brought", "cookie"), [(f"SID={SECRET}", f"SID={SECRET}"), ("user=%d", "lang=en")]
)
def test_who_brought_a_session_may_get_it_again(brought: str, cookie: str, tmp_path: Path) -> None:
    assert told_again(given_again(tmp_path, brought, cookie)) == []


@pytest.mark.parametrize("lost", [False, True])
def test_where_the_backend_capture_lacks_packets_a_backend_may_have_been_asked(
    tmp_path: Path, lost: bool
) -> None:
    play = given_again_by_a_cache()
    if lost:
        fins = [p for p in play.backend if p.data[33] & 1]
        play.backend.remove(fins[0])  # which the other end acknowledges
    assert bool(told_again(play.report(tmp_path))) is not lost


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_behind_the_last_pair_may_be_a_backends(tmp_path: Path, whole: bool) -> None:
    """All ask for the same, so that nothing tells the clocks, and the capture behind the balancer
    was stopped too early.
    """
    play = Script()
    page = message("302 Found", "", f"Set-Cookie: SID={SECRET}; HttpOnly")
    front, back = play.front(), play.back()
    for n in range(6):
        for each in (front, back) if whole or n < 4 else (front,):
            each.asks(request("/home"))
        if whole or n < 4:
            back.answers(page)
        front.answers(page)
    assert told_again(play.report(tmp_path)) == []


@pytest.mark.parametrize("set_back_ns", [0, 3600 * 1_000_000_000])
def test_where_a_clock_was_set_a_backend_may_have_been_asked(
    tmp_path: Path, set_back_ns: int
) -> None:
    play = given_again_by_a_cache()
    last = play.client[-1]
    play.client[-1] = Packet(last.time_ns - set_back_ns, last.data)
    assert bool(told_again(play.report(tmp_path))) is not bool(set_back_ns)
