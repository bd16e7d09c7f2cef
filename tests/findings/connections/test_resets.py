"""Who reset a connection under an open request, in one capture; answers that a RST may destroy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.model.trace import Trace
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import four, judge_alone, judge_simulation, values
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script


def reset() -> Trace:
    """The backend capture of four requests, each reset by the backend and sent again."""
    return four(Balancer(retry=1.0, fail="reset")).run().backends[0]


def test_the_server_end_reset_open_requests() -> None:
    found = judge_alone(reset()).one("resets")
    assert found.slug == "resets.by-the-server-end"
    assert values(found)["count"] == 4
    frames = found.evidence[0].frames
    assert len(frames) == 4
    assert frames[0].time_ns <= frames[1].time_ns


def test_the_end_that_resets_first_is_named() -> None:
    """At the same time, as a clock of coarse resolution says: the file tells. A client that does so
    before any answer gave up.
    """
    trace = reset()
    cut = next(c for c in trace.connections if c.from_server.rst_ns is not None)
    first, second = cut.from_server.rst_frame, (cut.from_server.rst_frame or 0) + 1
    both = cut._replace(
        from_client=cut.from_client._replace(rst_frame=first, rst_ns=cut.from_server.rst_ns),
        from_server=cut.from_server._replace(rst_frame=second),
    )
    connections = [both if c.id == cut.id else c for c in trace.connections]
    judged = judge_alone(replace(trace, connections=connections))
    counted = {f.slug.partition(".")[2]: values(f)["count"] for f in judged.of("resets")}
    assert counted == {"by-the-server-end": 3}
    assert [values(f)["count"] for f in judged.of("gave-up")] == [1]


@pytest.mark.parametrize("fail", ["closed", "500"])
def test_what_was_not_reset_is_not_told(fail: str) -> None:
    assert judge_alone(four(Balancer(retry=1.0, fail=fail)).run().backends[0]).of("resets") == []


def test_two_captures_tell_it_in_other_findings() -> None:
    assert judge_simulation(four(Balancer(retry=1.0, fail="reset"))).of("resets") == []
    assert judge_simulation(Simulation()).of("resets") == []


UPLOAD = b"POST /up HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5000\r\n\r\n" + b"x" * 1400
REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"


def uploading(answer: bytes) -> Script:
    """Both sides see an upload that is answered before it is over, and a RST."""
    play = Script()
    front, back = play.front().asks(UPLOAD), play.back().asks(UPLOAD)
    back.answers(answer).closes(reset=True)
    front.answers(answer).closes(reset=True)
    return play


def test_an_answer_that_came_before_the_whole_request_may_be_lost_by_the_reset(
    tmp_path: Path,
) -> None:
    found = told(uploading(REFUSED).report(tmp_path), "resets")
    assert {f.slug for f in found} == {"resets.early-answer-client", "resets.early-answer-backend"}
    alone = show([[str(tmp_path / "client.pcap")]]).findings
    assert [f.slug for f in alone if f.slug.startswith("resets")] == ["resets.early-answer"]


def test_a_part_of_an_answer_is_none(tmp_path: Path) -> None:
    uploading(REFUSED[:-1]).write(tmp_path)
    (found,) = (
        f for f in show([[str(tmp_path / "client.pcap")]]).findings if f.slug.startswith("resets")
    )
    assert found.slug == "resets.by-the-server-end"
    assert values(found)["answering"] == 1


def test_what_was_not_captured_of_a_request_may_have_been_sent(tmp_path: Path) -> None:
    uploading(REFUSED).write(tmp_path, snaplen=400)
    slugs = [f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings]
    assert "resets.early-answer" not in slugs


@pytest.mark.parametrize(("later_ms", "resets"), [(0, False), (2000, True)])
def test_a_reset_that_answers_the_fin_of_a_client_that_gave_up(
    later_ms: int, resets: bool, tmp_path: Path
) -> None:
    """A server that has forgotten the connection answers by RST; a later one is its own act."""
    play = Script()
    front = play.front().asks(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    play.wait(2500)
    front.gives_up()
    play.wait(later_ms)
    front.closes(reset=True)
    front_path, _ = play.write(tmp_path)
    (captured,) = show([[str(front_path)]]).captures
    slugs = {f.slug for f in captured.findings}
    assert ("resets.by-the-server-end" in slugs) is resets
    assert "gave-up.seen" in slugs
