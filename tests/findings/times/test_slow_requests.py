"""Which part of a slow request took the time."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from lbtrace.model.grpc import GrpcCall
from lbtrace.model.trace import SET_BACK, Diagnostic, Trace
from lbtrace.pipeline import show
from tests.findings.simulated import (
    judge_alone,
    judge_recording,
    judge_simulation,
    values,
    with_exchanges,
)
from tests.findings.through import exchange, message, request, told
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script

SECOND = 1_000_000_000
PARTS = ("sending", "waiting", "receiving")
ASK = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def quick() -> Simulation:
    simulation = Simulation(seed=5, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    client.asks("GET", "/quick", at_ms=0)
    client.asks("GET", "/slow", at_ms=100)
    return simulation


def stretched(part: str) -> Trace:
    """One exchange of which a part takes three seconds."""
    trace = quick().run().clients[0]
    request, response = trace.exchanges[1].request, trace.exchanges[1].response
    assert request is not None
    assert response is not None
    later = 3 * SECOND
    if part == "sending":
        request = request._replace(last_ns=request.last_ns + later)
    if part in ("sending", "waiting"):
        response = response._replace(first_ns=response.first_ns + later)
    response = response._replace(last_ns=response.last_ns + later)
    exchange = trace.exchanges[1]._replace(request=request, response=response)
    return with_exchanges(trace, e1=exchange)


def test_the_slowest_is_named_with_what_the_others_took() -> None:
    said = values(judge_alone(stretched("waiting")).one("slow-requests"))
    assert (said["count"], said["of"], said["target"]) == (1, 2, "/slow")
    assert int(said["median"]) < SECOND <= int(said["waiting"])


def test_the_part_that_took_the_time_has_its_remedy() -> None:
    for part in ("sending", "waiting", "receiving"):
        found = judge_alone(stretched(part)).one("slow-requests")
        assert found.remedy.startswith(part.capitalize())
        assert int(values(found)[part]) >= 3 * SECOND
        assert sum(int(values(found)[p]) for p in ("sending", "waiting", "receiving")) == int(
            values(found)["longest"]
        )


def test_a_part_that_took_nearly_all_is_told_alone() -> None:
    told = [judge_alone(stretched(part)).one("slow-requests").statement for part in PARTS]
    assert [s.rpartition("nearly all of it ")[2] for s in told] == [
        "to send the request.",
        "until the first byte of the response.",
        "to receive the response.",
    ]
    trace = stretched("waiting")
    response = trace.exchanges[1].response
    assert response is not None
    both = response._replace(last_ns=response.last_ns + SECOND)
    judged = judge_alone(with_exchanges(trace, e1=trace.exchanges[1]._replace(response=both)))
    assert "{sending} to send it, {waiting} until" in judged.one("slow-requests").statement


@pytest.mark.parametrize(
    ("waits_ms", "alike", "both"),
    [
        ([3000, 3000], True, False),
        ([3000, 3100, 3149], True, True),
        ([3000, 3100, 3160], False, False),
        ([3000], False, False),
        ([1000, 2000], False, False),
    ],
)
def test_waits_of_one_length_tell_of_a_time_limit(
    waits_ms: list[int], alike: bool, both: bool, tmp_path: Path
) -> None:
    play = Script()
    play.front().asks(ASK).answers(OK).leaves()
    for wait in waits_ms:
        play.front().asks(ASK).answers(OK, pause_ms=wait).leaves()
    path, _ = play.write(tmp_path)
    (said,) = (f for f in show([[str(path)]]).findings if f.slug == "slow-requests")
    assert ("They waited {least}" in said.statement) == alike
    assert ("least" in values(said), "most" in values(said)) == (alike, both)
    assert ("time limit" in said.remedy) == alike


def test_what_is_quick_is_not_told_and_two_captures_tell_more() -> None:
    assert judge_alone(quick().run().clients[0]).of("slow-requests") == []
    two = judge_simulation(quick())
    assert two.of("slow-requests") == []
    two.recorded.clients[0] = stretched("waiting")
    judged = judge_recording(two.recorded, two.correlation)
    assert judged.one("slow-requests").slug == "slow-requests.held"


def test_a_clock_that_was_set_back_tells_no_durations() -> None:
    trace = stretched("waiting")
    assert judge_alone(trace).of("slow-requests")
    set_back = replace(trace, diagnostics=(Diagnostic(SET_BACK, "…"),))
    assert judge_alone(set_back).of("slow-requests") == []


def test_streams_are_meant_to_take_long() -> None:
    simulation = Simulation(seed=5, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    events = [("Content-Type", "text/event-stream")]
    client.asks("GET", "/quick", at_ms=0)
    client.asks("GET", "/events", at_ms=100, answer_headers=events)
    trace = simulation.run().clients[0]
    response = trace.exchanges[1].response
    assert response is not None
    long = response._replace(last_ns=response.last_ns + 3 * SECOND)
    slow = with_exchanges(trace, e1=trace.exchanges[1]._replace(response=long))
    assert judge_alone(slow).of("slow-requests") == []


def test_a_grpc_call_of_several_messages_is_a_stream() -> None:
    one = GrpcCall(1, 0, False, "", None, 0, asked=1, answered=1)
    streams = (one._replace(asked=2), one._replace(answered=2))
    for trace, stream in product(map(stretched, ("sending", "receiving")), streams):
        assert judge_alone(replace(trace, calls=(one,))).of("slow-requests")
        assert judge_alone(replace(trace, calls=(stream,))).of("slow-requests") == []


STATED = "X-Forwarded-For: 198.51.100.10"
LATE_MS = 1500.0
PAGE = message("200 OK", "page " * 100)
HALF = len(PAGE) // 2


def late(play: Script, target: str, part: str) -> None:
    """A request of which one part takes a second and a half, the balancer passes all on at once."""
    head = request(target, "Content-Length: 4", method="POST")
    passed = request(target, "Content-Length: 4", STATED, method="POST")
    waits = {
        name: LATE_MS if name == part else 0.0
        for name in ("sending", "held", "answering", "responding", "delivering")
    }
    front = play.front().asks(head)
    if part == "sending":  # the balancer does not wait for the body
        back = play.back().asks(passed)
        front.asks(b"body", waits["sending"])
        back.asks(b"body")
    else:
        front.asks(b"body")
        play.wait(waits["held"])
        back = play.back().asks(passed + b"body")
    back.answers(PAGE[:HALF], waits["answering"])
    if part == "responding":
        front.answers(PAGE[:HALF])
        back.answers(PAGE[HALF:], LATE_MS)
        front.answers(PAGE[HALF:]).leaves()
    else:
        back.answers(PAGE[HALF:])
        front.answers(PAGE[:HALF]).answers(PAGE[HALF:], waits["delivering"]).leaves()
    play.wait(100)


SAID = {
    "sending": "the client sent them",
    "held": "at the balancer",
    "answering": "began to answer",
    "responding": "sent its answer",
    "delivering": "slower than the backend had sent it",
}


@pytest.mark.parametrize("part", SAID)
def test_two_captures_say_where_the_time_went(part: str, tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        exchange(play, f"/quick/{n}")
    late(play, "/late", part)
    (said,) = told(play, tmp_path, "slow-requests")
    assert said.slug == f"slow-requests.{part}"
    assert SAID[part] in said.text
    assert (values(said)["count"], values(said)["of"]) == (1, 4)
    assert values(said)["target"] == "/late"
    assert int(values(said)["median"]) < SECOND // 10
    assert ("10.0.9.11:8080" in said.text) is (part in ("answering", "responding"))
    assert ("It came to the backend 1.5 s" in said.text) is (part == "held")


def test_a_second_begins_at_a_second(tmp_path: Path) -> None:
    for number, wait, slow in ((0, 990, 0), (1, 1000, 1)):
        play, folder = Script(), tmp_path / str(number)
        folder.mkdir()
        exchange(play, "/other")
        front = play.front().asks(request("/late"))
        play.back().asks(request("/late", STATED)).answers(PAGE, wait)
        front.answers(PAGE).leaves()
        assert len(told(play, folder, "slow-requests")) == slow


def test_an_answer_that_is_an_error_of_the_server_is_told_as_such(tmp_path: Path) -> None:
    play = Script()
    oops = message("500 Oops")
    front = play.front().asks(request("/late"))
    play.back().asks(request("/late", STATED)).answers(oops, LATE_MS)
    front.answers(oops).leaves()
    assert not told(play, tmp_path, "slow-requests")


def crowd(play: Script, at_once: int, took_ms: float, count: int = 5) -> None:
    """So many requests come together, the balancer lets a few through at a time, and each takes a
    while at the backend.
    """
    fronts = [play.front().asks(request(f"/{n}")) for n in range(count)]
    for first in range(0, count, at_once):
        those = range(first, min(first + at_once, count))
        backs = [play.back().asks(request(f"/{n}", STATED)) for n in those]
        play.wait(took_ms)
        for n, back in zip(those, backs, strict=True):
            page = message("200 OK", f"page {n}")
            back.answers(page)
            fronts[n].answers(page).leaves()


def test_a_queue_at_the_balancer_shows_by_what_is_open_behind_it(tmp_path: Path) -> None:
    play = Script()
    crowd(play, at_once=2, took_ms=900)
    (said,) = told(play, tmp_path, "slow-requests")
    assert said.slug == "slow-requests.held"
    # the first two took 0.9 s, the next two 1.8 s, half of it at the backend
    assert values(said)["limit"] == 2
    assert "maxconn" in said.remedy


def test_a_wait_that_no_end_explains_is_no_queue(tmp_path: Path) -> None:
    play = Script()
    exchange(play, "/quick")
    late(play, "/late", "held")
    (said,) = told(play, tmp_path, "slow-requests")
    assert "limit" not in values(said)


@pytest.mark.parametrize(("apart_ms", "together"), [(600, True), (600, False)])
def test_a_backend_that_works_at_one_request_at_a_time(
    apart_ms: int, together: bool, tmp_path: Path
) -> None:
    """Five requests come at once, their answers one after another; or each comes when the one
    before it is answered.
    """
    play = Script()
    pages = [message("200 OK", f"page {n}") for n in range(5)]
    if together:
        fronts = [play.front().asks(request(f"/{n}")) for n in range(5)]
        backs = [play.back().asks(request(f"/{n}", STATED)) for n in range(5)]
        for front, back, page in zip(fronts, backs, pages, strict=True):
            back.answers(page, apart_ms)
            front.answers(page).leaves()
    else:
        for n, page in enumerate(pages):
            front = play.front().asks(request(f"/{n}"))
            play.back().asks(request(f"/{n}", STATED)).answers(page, 2 * apart_ms)
            front.answers(page).leaves()
    (said,) = told(play, tmp_path, "slow-requests")
    assert ("one after another" in said.text) is together
    assert ("workers (threads" in said.remedy) is together
    if together:
        assert abs(int(values(said)["apart"]) - apart_ms * 1_000_000) < SECOND // 100


def test_what_a_slow_reader_costs_is_told_of_the_reader(tmp_path: Path) -> None:
    play = Script()
    exchange(play, "/quick")
    front = play.front().asks(request("/late"))
    play.back().asks(request("/late", STATED)).answers(PAGE)
    front.answers(PAGE[:HALF])
    front.window(0)
    play.wait(LATE_MS)
    front.window(60000)
    front.answers(PAGE[HALF:]).leaves()
    found = {f.slug for f in play.report(tmp_path).findings}
    assert "slow-ends.reader-client-client" in found
    assert not {slug for slug in found if slug.startswith("slow-requests")}
