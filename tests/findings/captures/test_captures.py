"""What is said about the captures themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.http import Mark
from lbtrace.model.pairing import AttemptOutcome
from lbtrace.model.report import Kind, Severity
from lbtrace.options import Options
from lbtrace.pipeline import compare
from lbtrace.verdict import judge
from tests.findings.simulated import (
    ALB,
    four,
    judge_alone,
    judge_recording,
    judge_simulation,
    values,
    with_exchanges,
)
from tests.simulator import Balancer
from tests.simulator.script import Script

ASKED = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b81\r\n\r\n"

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_dropped_packets_are_said() -> None:
    spoken = judge_simulation(four(ALB))
    back = spoken.recorded.backends[0]
    spoken.recorded.backends[0] = replace(back, files=(replace(back.files[0], dropped=17),))
    said = judge_recording(spoken.recorded, spoken.correlation).one("capture-quality.dropped")
    assert said.severity is Severity.MEDIUM
    assert values(said)["count"] == 17


def test_cut_packets_are_said() -> None:
    spoken = judge_simulation(four(ALB))
    front = spoken.recorded.clients[0]
    spoken.recorded.clients[0] = replace(front, packets=replace(front.packets, truncated=9))
    assert (
        values(
            judge_recording(spoken.recorded, spoken.correlation).one("capture-quality.truncated")
        )["count"]
        == 9
    )


def test_one_direction_only_is_said() -> None:
    spoken = judge_simulation(four(ALB))
    back = spoken.recorded.backends[0]
    deaf = [c._replace(from_server=c.from_server._replace(packets=0)) for c in back.connections]
    spoken.recorded.backends[0] = replace(back, connections=deaf)
    assert judge_recording(spoken.recorded, spoken.correlation).of("capture-quality.one-direction")


def test_the_same_file_twice_is_said() -> None:
    recorded = four(Balancer(kind="direct")).run()
    recorded.backends[0] = replace(recorded.clients[0], side=recorded.backends[0].side)
    spoken = judge_recording(recorded, correlate(recorded.clients, recorded.backends, Options()))
    assert spoken.one("same-capture").severity is Severity.HIGH
    said = judge(Comparison(recorded.clients, recorded.backends, spoken.correlation))
    assert said.kind is Kind.INCONCLUSIVE
    assert "given twice" in said.reason


def test_two_captures_of_one_network_are_not_the_same_file() -> None:
    assert judge_simulation(four(Balancer(kind="direct"))).of("same-capture") == []


def test_swapped_captures_are_said() -> None:
    spoken = judge_simulation(four(ALB))
    assert spoken.of("swapped-captures") == []
    assert (
        judge_recording(spoken.recorded, replace(spoken.correlation, swapped=True))
        .one("swapped-captures")
        .severity
        is Severity.LOW
    )


def test_encrypted_connections_are_named() -> None:
    said = judge_simulation(four(Balancer(kind="tls"))).one("encrypted-traffic.client")
    assert values(said)["count"] == 4


def test_health_checks_are_described() -> None:
    said = judge_simulation(four(ALB, targets=[f"/{n}" for n in range(12)])).one("health-checks")
    assert values(said)["user_agent"] == "ELB-HealthChecker/2.0"
    assert values(said)["path"] == "/health"


@pytest.mark.parametrize(("side", "other"), [("client", "backend"), ("backend", "client")])
def test_what_a_capture_that_ends_before_the_other_does_not_hold(side: str, other: str) -> None:
    whole = four(Balancer(add=[("X-Forwarded-For", "{client}")]))
    setattr(whole, f"{side}_window", (0, 150))
    told = judge_simulation(whole)
    tail = told.one(f"capture-quality.tail-{side}")
    assert values(tail)["after"] == 2
    assert {frame.side for frame in tail.evidence[0].frames} == {other}
    assert [f.slug for f in told.of("capture-quality")] == [tail.slug]


def test_a_response_that_only_the_other_capture_holds_may_never_have_come() -> None:
    spoken = judge_simulation(four(Balancer(add=[("X-Forwarded-For", "{client}")])))
    (front,) = spoken.recorded.clients
    last = front.exchanges[-1]
    cut = last._replace(response=None, marks=(Mark.CAPTURE_ENDED,))
    spoken.recorded.clients[0] = with_exchanges(front, **{f"e{last.id}": cut})
    tail = judge_recording(spoken.recorded, spoken.correlation).one("capture-quality.tail-client")
    assert (tail.severity, values(tail)["cut"]) == ("low", 1)
    assert "or the capture was stopped too early" in tail.statement


def test_a_response_that_did_not_arrive_while_the_capture_ran_on_is_no_missing_end() -> None:
    """Of packets that are passed on, and later ones are in both captures."""
    spoken = judge_simulation(four(Balancer(kind="dnat")))
    (front,) = spoken.recorded.clients
    first = front.exchanges[0]
    lost = first._replace(response=None, marks=(Mark.CAPTURE_ENDED,))
    ran_on = replace(front, last_ns=front.last_ns + 5_000_000_000)
    spoken.recorded.clients[0] = with_exchanges(ran_on, **{f"e{first.id}": lost})
    correlation = correlate(spoken.recorded.clients, spoken.recorded.backends, Options())
    assert correlation.pairs[0].attempts[0].outcome is AttemptOutcome.NOT_ARRIVED
    assert judge_recording(spoken.recorded, correlation).of("capture-quality") == []


def test_a_request_without_an_answer_need_not_have_been_passed_on() -> None:
    """One that was refused by a RST, say: that the backend capture lacks it is no missing end."""
    whole = four(Balancer(add=[("X-Forwarded-For", "{client}")]))
    whole.backend_window = (0, 150)
    spoken = judge_simulation(whole)
    (front,) = spoken.recorded.clients
    silent = {
        f"e{e.id}": e._replace(response=None, marks=(Mark.RESET,)) for e in front.exchanges[2:]
    }
    spoken.recorded.clients[0] = with_exchanges(front, **silent)
    assert spoken.of("capture-quality.tail-backend")
    assert not judge_recording(spoken.recorded, spoken.correlation).of("capture-quality.tail")


@pytest.mark.parametrize("before", [0, 2])
def test_an_error_like_those_that_were_never_passed_on_is_no_missing_end(
    before: int, tmp_path: Path
) -> None:
    """The client's last request got 421. So did others, while the backend capture ran."""
    play = Script()
    for n in range(6):
        ask, front = ASKED.replace(b"/a", b"/%d" % n), play.front()
        if (n % 2 and n // 2 < before) or n == 5:
            front.asks(ask).answers(b"HTTP/1.1 421 No\r\nContent-Length: 3\r\n\r\nno\n").leaves()
        else:
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npage %02d" % n
            front.asks(ask)
            play.back().asks(ask).answers(answer).closes()
            front.answers(answer).leaves()
        play.wait(100)
    told = [f.slug for f in play.report(tmp_path).findings if "tail" in f.slug]
    assert told == ([] if before else ["capture-quality.tail-backend"])


def test_what_a_server_says_on_an_idle_connection_is_no_missing_end(tmp_path: Path) -> None:
    """408 answers no request, and nobody passes it on."""
    play = Script()
    front, back = play.front(), play.back()
    for n in range(3):
        ask = ASKED.replace(b"/a", b"/%d" % n)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        front.asks(ask)
        back.asks(ask).answers(answer)
        front.answers(answer)
    play.wait(1000)
    back.answers(b"HTTP/1.0 408 Request Time-out\r\nContent-Length: 0\r\n\r\n").closes()
    found = [f.slug for f in play.report(tmp_path).findings]
    assert "idle-limits.408-backend" in found
    assert not [slug for slug in found if "tail" in slug]


def test_a_capture_that_begins_late_has_its_end() -> None:
    late = four(Balancer(add=[("X-Forwarded-For", "{client}")]))
    late.backend_window = (150, 10_000)
    assert judge_simulation(late).of("capture-quality") == []


@pytest.mark.parametrize("cut", [{"client"}, {"server"}, {"client", "server"}])
def test_a_connection_with_one_cut_packet_is_shown(cut: set[str]) -> None:
    recorded = four(ALB).run()
    trace = recorded.clients[0]
    first, second, *others = trace.connections
    second = second._replace(
        from_client=second.from_client._replace(truncated=int("client" in cut)),
        from_server=second.from_server._replace(truncated=int("server" in cut)),
    )
    packets = replace(trace.packets, truncated=len(cut))
    told = judge_alone(replace(trace, connections=[first, second, *others], packets=packets))
    (said,) = told.of("capture-quality.truncated")
    assert [f.number for e in said.evidence for f in e.frames] == [second.first_frame]


def test_a_response_that_nobody_waited_for_is_missing_from_no_capture(tmp_path: Path) -> None:
    """The balancer gave the backend up and answered itself; the backend capture ends soon after."""
    play = Script()
    front = play.front().asks(ASKED)
    back = play.back().asks(ASKED)
    play.wait(1000)
    back.gives_up()
    front.answers(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n").leaves()
    slugs = [f.slug for f in play.report(tmp_path).findings]
    assert "answered-by-balancer.error" in slugs
    assert not any(slug.startswith("capture-quality.tail") for slug in slugs)


@pytest.mark.parametrize(
    ("clients", "backends", "told"),
    [
        (1, [["talk", "empty"]], True),
        (1, [["talk"], ["empty"]], False),  # a point of its own
        (1, [["talk", "later", "empty"]], False),  # one of a rotation may be empty
        (2, [["talk"]], False),
    ],
)
def test_an_empty_file_beside_the_only_one_of_a_backend_may_be_of_another(
    clients: int, backends: list[list[str]], told: bool, tmp_path: Path
) -> None:
    play = Script()
    for n in range(3):
        ask = b"GET /a-target-%d HTTP/1.1\r\nHost: a\r\n\r\n" % n
        front = play.front().asks(ask)
        play.back().asks(ask).answers(WELL).closes()
        front.answers(WELL).leaves()
    play.write(tmp_path)
    whole = (tmp_path / "backend.pcap").read_bytes()
    for name, data in (("talk", whole), ("later", whole), ("empty", whole[:24])):
        (tmp_path / name).write_bytes(data)
    front_files = [str(tmp_path / "client.pcap"), str(tmp_path / "empty")][:clients]
    found = compare([front_files], [[str(tmp_path / f) for f in point] for point in backends])
    said = [f.text for f in found.findings if f.slug == "capture-quality.empty"]
    assert [text.partition(". ")[0] for text in said] == ["Without any packet: empty"] * told


@pytest.mark.parametrize("goes_on", [False, True])
def test_exchanges_without_a_partner_may_be_those_that_seem_to_be_missing(
    goes_on: bool, tmp_path: Path
) -> None:
    """The client capture lost the last requests and has only their answers, which are all alike.
    If the backend capture goes on, it has two requests that nobody explains.
    """
    play = Script()
    for n in range(5):
        body = b"%016d" % (n * 7_654_321_987)
        head = b"POST /r HTTP/1.1\r\nHost: a\r\n%sContent-Length: 16\r\n\r\n"
        front, before = play.front(), len(play.client)
        front.asks(head % b"" + body)
        if n > 2:
            del play.client[before - 3 :]
        if n <= 2 or goes_on:
            passed = head % b"X-Forwarded-For: 198.51.100.10\r\n" + body
            play.back().asks(passed).answers(
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            ).closes()
        front.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").leaves()
        play.wait(100)
    report = play.report(tmp_path)
    told = [f.slug for f in report.findings if "tail" in f.slug]
    unpaired = {u.side for u in report.correlation.unpaired}
    assert ("backend" in unpaired) is goes_on
    assert told == ([] if goes_on else ["capture-quality.tail-backend"])
