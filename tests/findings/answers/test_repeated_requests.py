"""The same request once more, after its connection ended without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from lbtrace.model.trace import Trace
from lbtrace.pipeline import show
from tests.findings.files import of
from tests.findings.simulated import four, judge_alone, values
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script


def again(method: str, fail: str = "reset", retry: float = 1.0) -> Trace:
    """The backend capture of two orders, whose first attempts fail."""
    simulation = Simulation(seed=5, balancer=Balancer(retry=retry, fail=fail))
    client = simulation.client("192.168.0.5")
    for n in range(2):
        client.asks(method, f"/order/{n}", at_ms=500 * n, body=b"one of them")
    return simulation.run().backends[0]


@pytest.mark.parametrize("fail", ["reset", "closed"])
def test_an_order_that_was_sent_twice_may_have_been_carried_out_twice(fail: str) -> None:
    found = judge_alone(again("POST", fail)).one("repeated-requests")
    assert found.slug == "repeated-requests.not-idempotent"
    assert (values(found)["count"], values(found)["methods"]) == (2, "POST ×2")
    assert len(found.evidence[0].frames) == 4


def test_what_is_idempotent_is_told_as_a_lesser_thing() -> None:
    found = judge_alone(again("PUT")).one("repeated-requests")
    assert (found.slug, found.severity) == ("repeated-requests.idempotent", "low")


@pytest.mark.parametrize(("fail", "retry"), [("500", 1.0), ("reset", 0.0)])
def test_what_was_answered_is_not_sent_again(fail: str, retry: float) -> None:
    assert judge_alone(again("POST", fail, retry)).of("repeated-requests") == []


def test_another_request_is_not_the_same_again() -> None:
    trace = four(Balancer(give_up=1.0)).run().backends[0]
    assert judge_alone(trace).of("repeated-requests") == []


ORDER = b"POST /order HTTP/1.1\r\nHost: shop\r\nContent-Length: 21\r\n\r\norder %d, token 7f3a%d9"
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"


def given_up_and_sent_again(orders: int, answered: bool) -> Script:
    """A client that waits for a second, and then sends its order anew. The backend works for two
    seconds on each; `answered`: it answers the first one too, when nobody waits any more.
    """
    play = Script()
    for n in range(orders):
        order = ORDER % (n, n)
        front, back = play.front().asks(order), play.back().asks(order)
        play.wait(1000)
        front.leaves()
        if not answered:
            back.leaves()
        else:
            back.gives_up()
        front, other = play.front().asks(order), play.back().asks(order)
        if answered:
            back.answers_in_vain(DONE, 1000)
        other.answers(DONE, 1000 if answered else 2000)
        front.answers(DONE).leaves()
    return play


@pytest.mark.parametrize("answered", [True, False])
def test_a_client_that_did_not_wait_is_told_of_with_both_sides(
    tmp_path: Path, answered: bool
) -> None:
    """The balancer did not try twice: the first try began before the second request came."""
    report = given_up_and_sent_again(3, answered).report(tmp_path)
    (found,) = of(report, "repeated-requests")
    assert found.slug == "repeated-requests.not-idempotent-client"
    assert (values(found)["count"], values(found)["reached"]) == (3, 3)
    assert of(report, "retries") == []


def test_the_capture_behind_shows_it_alone(tmp_path: Path) -> None:
    """The server end answered the first one, to nobody."""
    _, behind = given_up_and_sent_again(3, answered=True).write(tmp_path)
    (captured,) = show([[str(behind)]]).captures
    (found,) = (f for f in captured.findings if f.slug.startswith("repeated-requests"))
    assert (found.slug, values(found)["count"]) == ("repeated-requests.not-idempotent", 3)


def alone(play: Script, folder: Path) -> list[Finding]:
    _, behind = play.write(folder)
    (captured,) = show([[str(behind)]]).captures
    return [f for f in captured.findings if f.slug.startswith("repeated-requests")]


def test_an_order_with_another_body_is_another_order(tmp_path: Path) -> None:
    play = Script()
    play.back().asks(ORDER % (0, 1)).closes(reset=True)
    play.back().asks(ORDER % (0, 2)).answers(DONE)
    assert alone(play, tmp_path) == []


def test_an_order_that_began_before_the_first_was_whole_does_not_repeat_it(tmp_path: Path) -> None:
    play, order = Script(), ORDER % (0, 0)
    first = play.back().asks(order[:-5])
    second = play.back().asks(order)
    first.asks(order[-5:]).closes(reset=True)
    second.answers(DONE)
    assert alone(play, tmp_path) == []


def test_an_order_that_the_balancer_kept_the_first_time_came_to_a_backend_once(
    tmp_path: Path,
) -> None:
    play = Script()
    for n in range(3):
        order = ORDER % (n, n)
        front = play.front().asks(order)
        play.wait(1000)
        front.leaves()
        front, back = play.front().asks(order), play.back().asks(order)
        back.answers(DONE)
        front.answers(DONE).leaves()
    (found,) = of(play.report(tmp_path), "repeated-requests")
    assert values(found)["count"] == 3
    assert "reached" not in values(found)
