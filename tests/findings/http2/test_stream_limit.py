"""Connections on which as many streams were open as the server allows."""

from __future__ import annotations

from h2.settings import SettingCodes

from lbtrace.model.report import Finding
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values


def asked(at_once: int, more: int = 0, limit: int = 4) -> list[Finding]:
    """So many requests at once; then, `more` times, one that waited for an answer to another."""
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: limit})
    open_ = [talk.asks(f"/{n}") for n in range(at_once)]
    for n in range(more):
        talk.answers(open_.pop(0), b"ok")
        open_.append(talk.asks(f"/more/{n}"))
    for stream in open_:
        talk.answers(stream, b"ok")
    return of(told(talk), "stream-limit")


def test_as_many_as_are_allowed() -> None:
    (found,) = asked(4)
    assert (found.slug, found.severity, found.remedy) == ("stream-limit", "info", "")
    said = values(found)
    assert (said["limit"], said["count"], said["of"]) == ("4", 1, 1)
    assert len(found.evidence[0].frames) == 2


def test_fewer_than_are_allowed() -> None:
    assert asked(3, more=5) == []


def test_requests_that_waited_for_room() -> None:
    (found,) = asked(4, more=5)
    assert (found.severity, values(found)["waited"]) == ("low", 5)
    assert found.remedy


def test_a_stream_that_was_reset_is_closed() -> None:
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    for n in range(4):
        talk.asks(f"/{n}")
        talk.client.reset_stream(2 * n + 1, 8)
        talk.said()
    assert of(told(talk), "stream-limit") == []


def test_an_answer_that_the_capture_lost_leaves_the_count_unknown() -> None:
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 3})
    talk.asks("/0")
    talk.asks("/1")
    talk.answers(1, b"ok")
    del talk.wire.segments[-1]
    talk.asks("/2")
    talk.answers(3, b"ok")
    assert of(told(talk), "stream-limit") == []


def test_several_that_waited_for_room_at_once() -> None:
    """Four streams end together, and four requests that had waited come together."""
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 4})
    for n in range(4):
        talk.asks(f"/{n}")
    talk.wait(50)
    for stream in (1, 3, 5, 7):
        talk.answers(stream, b"ok")
    for n in range(4):
        talk.asks(f"/more/{n}")
    (found,) = of(told(talk), "stream-limit")
    assert values(found)["waited"] == 4


def test_a_server_that_allows_no_more_streams_has_no_limit_to_reach() -> None:
    """It says 0 before it goes away."""
    talk = Http2Talk(settings={SettingCodes.INITIAL_WINDOW_SIZE: 65535})
    streams = [talk.asks(f"/{n}") for n in range(3)]
    talk.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
    talk.said()
    for stream in streams:
        talk.answers(stream, b"ok")
    assert of(told(talk), "stream-limit") == []
