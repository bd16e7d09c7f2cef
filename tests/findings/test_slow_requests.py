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
    two.recorded.clients[0] = stretched("waiting")
    assert judge_recording(two.recorded, two.correlation).of("slow-requests") == []


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
