"""What to capture next, where the verdict decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.model.http import Application, Protocol
from lbtrace.model.report import Kind, Verdict
from lbtrace.model.stream import Direction
from lbtrace.model.trace import CaptureFile, Trace
from lbtrace.verdict.next_capture import UNDECIDED
from tests.findings.through import message, request
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.script import Script
from tests.verdict.test_nothing import hidden
from tests.verdict.test_verdict import TRUTH, XFF, simulation, verdict

BOTH = CaptureFile("both.pcap", "pcap", "", 1000, 9, 1, None, None, 1, (), None, None)
COMMAND = "tcpdump -i any --immediate-mode -U -s 0 -w "


def strangers(first: int = 1, second: int = 2, later_ms: int = 0) -> Recording:
    """Two captures of different traffic, the second perhaps later."""
    made = []
    for seed in (first, second):
        one = Simulation(seed=seed, balancer=Balancer(host=f"app{seed}.example"))
        laptop = one.client("192.168.0.5")
        for n in range(5):
            at = 60 * n + (later_ms if seed == second else 0)
            laptop.asks("GET", f"/of/{seed}/{n}", at_ms=at, answer=b"%d %d" % (seed, n))
        made.append(one.run())
    return replace(made[0], backends=made[1].backends)


def cut(traces: Sequence[Trace]) -> list[Trace]:
    return [replace(t, packets=replace(t.packets, truncated=3)) for t in traces]


@pytest.mark.parametrize("kind", TRUTH)
def test_a_verdict_that_decides_asks_for_nothing(kind: str) -> None:
    said = verdict(simulation(Balancer(kind=kind, add=XFF)).run())
    assert said.kind not in UNDECIDED
    assert said.next_step == ""


def undecided(recorded: Recording) -> Verdict:
    said = verdict(recorded)
    assert said.kind in UNDECIDED
    assert COMMAND in said.next_step
    return said


def test_what_belongs_together_is_decided_by_one_capture_on_the_balancer() -> None:
    said = undecided(strangers())
    assert said.kind is Kind.UNRELATED
    assert f"{COMMAND}both.pcap 'tcp port 80 or tcp port 8080'" in said.next_step
    assert "lbtrace compare --lb both.pcap" in said.next_step


@pytest.mark.parametrize("side", ["clients", "backends"])
def test_a_side_without_connections_is_captured_anew(side: str) -> None:
    recorded = simulation(Balancer()).run()
    empty = getattr(Simulation().run(), side)
    said = undecided(replace(recorded, **{side: empty}))
    assert f"{COMMAND}{side.removesuffix('s')}.pcap tcp" in said.next_step


def test_cut_packets_are_captured_whole_on_the_side_that_cut_them() -> None:
    recorded = strangers()
    said = undecided(replace(recorded, backends=cut(recorded.backends)))
    assert "whole packets" in said.next_step
    assert "-w backend.pcap 'tcp port 8080'" in said.next_step
    assert "client.pcap" not in said.next_step


def test_captures_of_different_times_are_run_at_once() -> None:
    said = undecided(strangers(later_ms=3_600_000))
    assert "at the same time" in said.next_step
    assert said.next_step.count(COMMAND) == 2


def test_one_capture_given_twice_needs_the_other_side() -> None:
    recorded = simulation(Balancer()).run()
    same = [replace(t, side=recorded.backends[0].side) for t in recorded.clients]
    said = undecided(replace(recorded, backends=same))
    assert said.next_step.startswith("Capture the other side")


def of_one_file(recorded: Recording, lost: int = 0) -> Recording:
    """Both sides as of one capture that was taken on the balancer."""
    (front,), (back,) = recorded.clients, recorded.backends
    first, *others = back.connections
    first = first._replace(from_client=replaced(first.from_client, lost))
    back = replace(back, files=(BOTH,), connections=[first, *others])
    return replace(recorded, clients=[replace(front, files=(BOTH,))], backends=[back])


def replaced(sent: Direction, lost: int) -> Direction:
    return sent._replace(missing=lost, lost=lost)


def test_one_capture_of_both_sides_is_taken_once_more() -> None:
    """For longer; or with a larger buffer, where it lost something. It is no two captures."""
    said = undecided(of_one_file(strangers()))
    assert "once more, for longer" in said.next_step
    assert "-B" not in said.next_step
    said = verdict(of_one_file(strangers(), lost=5))
    assert "once more, with a buffer that loses nothing" in said.next_step
    assert f"{COMMAND.removesuffix('-w ')}-B 65536 -w both.pcap" in said.next_step


def test_one_capture_without_a_side_behind_may_have_had_a_filter() -> None:
    empty = replace(simulation(Balancer()).run(), backends=Simulation().run().backends)
    recorded = replace(
        empty,
        clients=[replace(t, files=(BOTH,)) for t in empty.clients],
        backends=[replace(t, files=(BOTH,)) for t in empty.backends],
    )
    said = undecided(recorded)
    assert said.reason.startswith("The capture holds no connection that the balancer opened")
    assert said.next_step.startswith("If there was a filter")


def test_what_tls_hides_on_both_sides_is_captured_where_it_is_plain() -> None:
    tls = simulation(Balancer(kind="tls-pass"), count=1).run()
    other = simulation(Balancer(kind="tls-pass"), seed=8, count=2).run()
    assert "where they are plain" in undecided(replace(tls, backends=other.backends)).next_step


def test_what_tls_hides_on_one_side_is_told_by_times_of_one_clock() -> None:
    tls = simulation(Balancer(kind="tls-pass"), count=1).run()
    said = undecided(replace(tls, backends=strangers().backends))
    assert said.next_step.startswith("TLS hides one side")
    assert "--lb both.pcap" in said.next_step


def test_tls_hides_no_side_of_which_requests_were_read() -> None:
    """Some connections in TLS beside plain ones are no reason to look elsewhere."""
    recorded = strangers()
    some = [hidden(trace, 1) for trace in recorded.clients]
    assert "TLS" not in undecided(replace(recorded, clients=some)).next_step


@pytest.mark.parametrize("side", ["clients", "backends"])
def test_a_side_that_speaks_something_else_hides_nothing_in_tls(side: str) -> None:
    recorded = strangers()
    traces: list[Trace] = getattr(recorded, side)
    traces[:] = [
        replace(
            trace,
            exchanges=[],
            applications=[Application(Protocol.OTHER, name="ssh")] * len(trace.connections),
        )
        for trace in traces
    ]
    assert "TLS" not in undecided(recorded).next_step


@pytest.mark.parametrize(("status", "own"), [("302 Found", True), ("503 Busy", False)])
def test_a_balancer_that_answers_everything_itself_passes_nothing_on(
    status: str, own: bool, tmp_path: Path
) -> None:
    """The backend gets health checks alone: the page asks for a request that goes through."""
    play = Script()
    for n in range(6):
        check = b"GET /healthz HTTP/1.1\r\nHost: a.example\r\nUser-Agent: check\r\n\r\n"
        play.back().asks(check).answers(message("200 OK", "fine")).leaves()
        if n == 3:
            answer = message(status, "", "Location: https://a.example/home")
            play.front().asks(request("/home")).answers(answer).leaves()
        play.wait(400)
    said = play.report(tmp_path).verdict
    assert said.kind is Kind.INCONCLUSIVE
    assert ("the balancer answered every request itself" in said.reason) is own
    assert ("Capture a request that the balancer passes on" in said.next_step) is own
