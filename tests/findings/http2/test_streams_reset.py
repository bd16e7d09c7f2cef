"""Streams that were reset: by whom, with which code, and what became of their requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding
from lbtrace.pipeline import compare
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values
from tests.tcp.wire import pcap


def refused(again: bool, after_ms: int = 5) -> Finding:
    talk = Http2Talk()
    talk.asks("/a")
    talk.server.reset_stream(1, 7)
    talk.said()
    talk.wait(after_ms)
    talk.asks("/a" if again else "/b")
    talk.answers(3)
    (found,) = of(told(talk), "streams-reset")
    return found


def test_a_refused_request_that_came_again_is_no_problem() -> None:
    found = refused(again=True)
    assert (found.slug, found.severity) == ("streams-reset.refused", "info")
    said = values(found)
    assert (said["count"], said["of"], said["again"]) == (1, 2, 1)
    assert (said["sender"], said["code"]) == ("server end", "REFUSED_STREAM")
    assert [f.number for f in found.evidence[0].frames] == [7, 8]


def test_a_refused_request_that_nobody_sends_again_is_lost() -> None:
    found = refused(again=False)
    assert found.severity == "medium"
    assert values(found)["again"] == 0
    assert refused(again=True, after_ms=20_000).severity == "medium"


def test_one_that_came_again_stands_for_one() -> None:
    talk = Http2Talk()
    for _ in range(2):
        talk.asks("/a")
    for stream in (1, 3):
        talk.server.reset_stream(stream, 7)
    talk.said()
    talk.asks("/a")
    talk.answers(5)
    (found,) = of(told(talk), "streams-reset")
    assert (values(found)["count"], values(found)["again"]) == (2, 1)
    assert found.severity == "medium"


def test_a_client_that_cancels_has_left() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"part", ends=False)
    talk.client.reset_stream(1, 8)
    talk.said()
    talk.asks("/b")
    talk.answers(3, b"ok")
    talk.resets(3)
    (found,) = of(told(talk), "streams-reset")
    assert (found.slug, found.severity) == ("streams-reset.cancelled", "info")
    assert values(found)["cut"] == 1
    assert values(found)["sender"] == "client end"


def test_a_server_that_breaks_off_an_answer() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"part", ends=False)
    talk.server.reset_stream(1, 2)
    talk.said()
    (found,) = of(told(talk), "streams-reset")
    assert (found.slug, found.severity) == ("streams-reset.error", "medium")
    assert values(found)["code"] == "INTERNAL_ERROR"
    assert values(found)["cut"] == 1


def test_a_server_that_has_answered_may_stop_an_upload() -> None:
    talk = Http2Talk()
    talk.client.send_headers(
        1, [(":method", "POST"), (":path", "/a"), (":scheme", "http"), (":authority", "a")]
    )
    talk.said()
    talk.answers(1, b"enough")
    talk.server.reset_stream(1, 0)
    talk.said()
    (found,) = of(told(talk), "streams-reset")
    assert (found.slug, found.severity) == ("streams-reset.enough", "info")


def test_an_answer_that_the_capture_lost_is_not_said_to_be_cut() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"part", ends=False)
    talk.server.send_data(1, b"the rest", end_stream=True)
    talk.said()
    del talk.wire.segments[-1]
    talk.resets(1)
    (found,) = of(told(talk), "streams-reset")
    assert "cut" not in values(found)


def test_a_code_that_nobody_knows() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.send(False, bytes([0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0x63]))
    (found,) = of(told(talk), "streams-reset")
    assert values(found)["code"] == "0x63"
    assert found.evidence[0].frames[-1].time_ns == talk.now


def test_a_stream_that_was_reset_is_no_connection_that_was() -> None:
    """Neither in how requests ended, nor where a RST ends the connection later."""
    talk = Http2Talk()
    talk.asks("/a")
    talk.server.reset_stream(1, 2)
    talk.said()
    talk.send(False, b"", "RST+ACK")
    findings = told(talk)
    (unanswered,) = of(findings, "errors.unanswered")
    assert values(unanswered)["ends"] == "HTTP/2 stream reset ×1"
    assert of(findings, "resets") == []


def on_both_sides(folder: Path, front: Http2Talk, behind: Http2Talk) -> Finding:
    """What is said of the streams that the balancer reset behind it with an error."""
    paths = folder / "client.pcap", folder / "backend.pcap"
    for path, talk in zip(paths, (front, behind), strict=True):
        path.write_bytes(pcap(talk.wire))
    findings = list(compare([[str(paths[0])]], [[str(paths[1])]]).findings)
    (found,) = of(findings, "streams-reset.error-backend")
    return found


@pytest.mark.parametrize("client_left", [True, False])
def test_a_balancer_that_resets_what_its_client_gave_up_passes_that_on(
    tmp_path: Path, client_left: bool
) -> None:
    """Envoy says INTERNAL_ERROR then; for a client that still waits, it is the balancer's doing."""
    front, behind = Http2Talk(), Http2Talk()
    behind.between("10.0.0.80", Endpoint("172.16.0.11", 8080))
    for talk in (front, behind):
        for n in range(3):
            talk.answers(talk.asks(f"/{n}"), b"answer %d" % n)
        talk.asks("/slow", None, ("x-request-id", "5b1e7a90c4"))
        talk.wait(1000)
    if client_left:
        front.resets(7)
    behind.wait(5)
    behind.resets(7, 2)
    if not client_left:
        front.answers(7, b"", status="503")
    found = on_both_sides(tmp_path, front, behind)
    assert found.severity == ("info" if client_left else "medium")
    assert values(found).get("left") == (1 if client_left else None)


def test_one_that_was_answered_whole_does_not_stand_for_one_that_waits(tmp_path: Path) -> None:
    """Two answers were cut off: the client had given up one of these requests, and another one,
    whose answer came whole.
    """
    front, behind = Http2Talk(), Http2Talk()
    behind.between("10.0.0.80", Endpoint("172.16.0.11", 8080))
    for talk in (front, behind):
        for n in range(3):
            talk.answers(talk.asks(f"/{n}"), b"answer %d" % n)
        for n in range(3):
            talk.asks(f"/slow{n}", None, ("x-request-id", f"5b1e7a90c{n}"))
        talk.wait(1000)
    front.resets(7)
    front.resets(9)
    behind.answers(9, b"too late")
    for stream in (7, 9, 11):
        behind.resets(stream, 2)
    front.answers(11, b"", status="503")
    found = on_both_sides(tmp_path, front, behind)
    assert (values(found)["cut"], values(found)["left"], found.severity) == (2, 1, "medium")
