"""Captures without a pair are called unrelated only where something had to be on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, Confidence, Correlation, Ref, Unpaired, UnpairedReason
from lbtrace.model.report import Kind
from lbtrace.model.trace import Trace
from lbtrace.pipeline import compare
from lbtrace.verdict.unrelated import MUST_SHOW, _service, apart_in_time, why_not
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script, Spoken

HOUR_MS = 3_600_000
APP, API = "app.example", "api.example"


def captures(
    targets: list[str],
    host: str | None = APP,
    at_ms: int = 0,
    client: str = "192.168.0.5",
    **settings: object,
) -> tuple[Trace, Trace]:
    """What a client's requests look like in front of a balancer, and behind it."""
    made = Simulation(seed=len(targets), balancer=Balancer(host=host, **settings))  # type: ignore[arg-type]
    for n, target in enumerate(targets):
        made.client(client).asks("GET", target, at_ms=at_ms + 40 * n, answer=target.encode())
    recorded = made.run()
    return recorded.clients[0], recorded.backends[0]


SHOP = [f"/shop/{n}" for n in range(4)]
ORDERS = [f"/orders/{n}" for n in range(4)]


def reason(front: Trace, back: Trace, found: Correlation | None = None) -> str:
    return why_not(Comparison([front], [back], found or Correlation()))


def test_different_requests_that_were_granted_had_to_be_on_both_sides() -> None:
    assert reason(captures(SHOP, APP)[0], captures(ORDERS, API)[1]) == ""


@pytest.mark.parametrize("count", range(1, MUST_SHOW + 1))
@pytest.mark.parametrize("of", Side)
def test_so_many_different_requests_are_needed_on_each_side(of: Side, count: int) -> None:
    some = (SHOP[:count], ORDERS) if of is Side.CLIENT else (SHOP, ORDERS[:count])
    said = reason(captures(some[0], APP)[0], captures(some[1], API)[1])
    assert ("That shows little" in said) == (count < MUST_SHOW)


@pytest.mark.parametrize("of", Side)
def test_one_request_again_and_again_counts_once(of: Side) -> None:
    """So do the checks of a balancer, whichever capture was given first."""
    checks = ["/health"] * 9
    some = (checks, ORDERS) if of is Side.CLIENT else (SHOP, checks)
    assert f"1 on the {of} side" in reason(captures(some[0], APP)[0], captures(some[1], API)[1])


def answered(trace: Trace, status: int) -> Trace:
    """The same, with another status in every answer."""
    return replace(
        trace,
        exchanges=[
            e._replace(response=e.response and e.response._replace(status=status))
            for e in trace.exchanges
        ],
    )


@pytest.mark.parametrize(("status", "counts"), [(200, 4), (206, 4), (301, 0), (404, 0), (503, 0)])
@pytest.mark.parametrize("of", Side)
def test_what_a_balancer_may_answer_itself_does_not_count(
    of: Side, status: int, counts: int
) -> None:
    front, back = captures(SHOP, APP)[0], captures(ORDERS, API)[1]
    sides = (
        (answered(front, status), back) if of is Side.CLIENT else (front, answered(back, status))
    )
    assert (f"{counts} on the {of} side" in reason(*sides)) == (counts < MUST_SHOW)


def test_what_the_balancer_answered_itself_does_not_count() -> None:
    own = tuple(
        Unpaired(
            Side.CLIENT, Ref(0, n), UnpairedReason.ANSWERED_BY_BALANCER, Confidence.LOW, None, ""
        )
        for n in range(2)
    )
    said = reason(captures(SHOP)[0], captures(ORDERS, API)[1], Correlation(unpaired=own))
    assert "2 on the client side" in said


def test_requests_count_while_the_other_capture_ran() -> None:
    """A capture runs a little longer than its packets show; half of the requests came later."""
    front = captures(SHOP[:2], APP)[0], captures(SHOP[2:], APP, at_ms=HOUR_MS)[0]
    given = Comparison([*front], [captures(ORDERS, API)[1]], Correlation())
    assert "2 on the client side" in why_not(given)


def test_captures_of_different_times_show_nothing() -> None:
    front, back = captures(SHOP, APP)[0], captures(ORDERS, API, at_ms=HOUR_MS)[1]
    assert reason(front, back).startswith("By their own clocks the two captures do not overlap")
    assert reason(captures(SHOP, APP, at_ms=HOUR_MS)[0], captures(ORDERS, API)[1]).startswith("By")


def test_a_stated_clock_says_whether_they_overlap() -> None:
    front, back = captures(SHOP, APP)[0], captures(ORDERS, API, at_ms=HOUR_MS)[1]
    delta = front.first_ns - back.first_ns
    stated = Clock(0, 0, delta, delta, stated=True)
    given = Comparison([front], [back], Correlation(clocks=(stated,)))
    assert not apart_in_time(given)
    assert why_not(given) == ""
    wrong = replace(stated, low_ns=-delta, high_ns=-delta)
    assert "0 on the client side" in reason(front, back, Correlation(clocks=(wrong,)))


@pytest.mark.parametrize(
    ("behind", "shared"),
    [
        (lambda: captures(ORDERS, None)[1], "requests for lb.example.com"),
        (lambda: captures(ORDERS, "10.0.0.8:8080")[1], ""),
        (
            lambda: captures(ORDERS, API, backs=["3.35.166.21"])[1],
            "the host 3.35.166.21, which is asked in front and asks behind",
        ),
        (
            lambda: captures(ORDERS, API, add=[("X-Forwarded-For", "{client}")])[1],
            "the client 192.168.0.5, which requests behind name",
        ),
        (
            lambda: captures(ORDERS, API, client="10.7.0.9", add=[("X-Forwarded-For", "{client}")])[
                1
            ],
            "",
        ),
    ],
)
def test_what_both_sides_name_speaks_for_one_balancer(
    behind: Callable[[], Trace], shared: str
) -> None:
    said = reason(captures(SHOP, APP)[0], behind())
    assert said == (
        f"Both sides have {shared}, but no exchange that was found on both." * bool(shared)
    )


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.example", "shop.example"),
        ("shop.example:8080", "shop.example"),
        ("10.0.0.8", ""),
        ("10.0.0.8:8080", ""),
        ("localhost", ""),
        ("LocalHost:3000", ""),
        ("[2001:db8::1]", ""),
        ("[2001:db8::1]:8080", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_in_host_names_no_service(host: str | None, name: str) -> None:
    assert _service(host) == name


OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
NO = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"


def asks(spoken: Spoken, target: str, host: str, answer: bytes = b"") -> None:
    """One request on a connection of its own, and its answer."""
    spoken.asks(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    body = target.encode()
    spoken.answers(answer or OK % (len(body), body)).closes()


def only_checks(play: Script) -> None:
    """Behind, only checks of another Host, which fail; clients are refused in front."""
    for n in range(9):
        asks(play.back(), "/health", "be.example", NO)
        asks(play.front(), f"/shop/{n}", APP, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        play.wait(500)


def one_request(play: Script) -> None:
    asks(play.back(), "/orders/7", API)
    for target in SHOP:
        asks(play.front(), target, APP)


def refused_syns(play: Script) -> None:
    for target in SHOP:
        asks(play.front(), target, APP)
        play.attempt(behind=True).closes(reset=True)


def half(play: Script) -> None:
    """The first half of the requests went to a backend that was not captured."""
    for n, target in enumerate(SHOP):
        front = play.front().asks(f"GET {target} HTTP/1.1\r\nHost: {APP}\r\n\r\n".encode())
        if n > 1:
            asks(play.back(), target, APP)
        body = target.encode()
        front.answers(OK % (len(body), body)).leaves()


def by_another_backend(play: Script) -> None:
    """One service; the captured backend served other clients."""
    for target, other in zip(SHOP, ORDERS, strict=True):
        asks(play.front(), target, APP)
        asks(play.back(), other, APP)


def strangers(play: Script) -> None:
    for target, other in zip(SHOP, ORDERS, strict=True):
        asks(play.front(), target, APP)
        asks(play.back(), other, API)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    "told", [only_checks, one_request, refused_syns, half, by_another_backend, strangers]
)
def test_of_whole_captures_in_either_order_only_strangers_are_unrelated(
    told: Callable[[Script], None], swapped: bool, tmp_path: Path
) -> None:
    play = Script()
    told(play)
    front, back = ([str(path)] for path in play.write(tmp_path))
    said = compare([back], [front]).verdict if swapped else compare([front], [back]).verdict
    assert (said.kind is Kind.UNRELATED) == (told is strangers)
