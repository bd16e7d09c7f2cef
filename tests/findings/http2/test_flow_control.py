"""Senders that waited for flow-control window."""

from __future__ import annotations

from lbtrace.model.report import Finding
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values


def download(wait_ms: int, times: int = 1) -> list[Finding]:
    """A client that reads nothing for a while, after each 65,535 bytes."""
    talk = Http2Talk()
    talk.client.increment_flow_control_window(1 << 20)
    talk.asks("/a")
    talk.server.send_headers(1, [(":status", "200")])
    for _ in range(times):
        for size in (16384, 16384, 16384, 16383):
            talk.server.send_data(1, bytes(size))
            talk.said()
        talk.wait(wait_ms)
        talk.client.increment_flow_control_window(65535, 1)
        talk.said()
    talk.server.send_data(1, b"end", end_stream=True)
    talk.said()
    return of(told(talk), "flow-control")


def test_a_client_that_reads_slowly() -> None:
    (found,) = download(1500)
    assert (found.slug, found.severity) == ("flow-control", "low")
    said = values(found)
    assert (said["times"], said["count"], said["of"]) == (1, 1, 1)
    assert (said["sender"], said["receiver"]) == ("server end", "client end")
    assert said["spent"] == said["longest"] == 1_501_000_000
    first, last = found.evidence[0].frames
    assert last.time_ns - first.time_ns == said["longest"]


def test_short_waits_add_up() -> None:
    (found,) = download(50, times=3)
    assert (found.severity, values(found)["times"]) == ("info", 3)
    assert values(found)["spent"] == 153_000_000


def test_what_nobody_would_notice_is_not_told() -> None:
    assert download(50) == []


def test_the_window_of_the_connection() -> None:
    talk = Http2Talk()
    talk.client.update_settings({4: 1 << 20})
    talk.said()
    talk.asks("/a")
    talk.server.send_headers(1, [(":status", "200")])
    for size in (16384, 16384, 16384, 16383):
        talk.server.send_data(1, bytes(size))
        talk.said()
    talk.wait(300)
    talk.client.increment_flow_control_window(65535)
    talk.said()
    talk.server.send_data(1, b"end", end_stream=True)
    talk.said()
    (found,) = of(told(talk), "flow-control")
    assert found.statement.endswith("allowed on the whole connection.")
