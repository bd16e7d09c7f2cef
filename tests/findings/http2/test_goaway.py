"""Connections that were ended by GOAWAY, and the requests that it left behind."""

from __future__ import annotations

from lbtrace.model.report import Finding
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values


def goaway(talk: Http2Talk, code: int = 0, last: int | None = None, text: bytes = b"") -> None:
    talk.server.close_connection(code, text or None, last)
    talk.unheard(False)


def left_behind(again: bool) -> Finding:
    """A server restarts, and a request crosses its GOAWAY on the way."""
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1)
    talk.asks("/b")
    goaway(talk, last=1)
    talk.closes()
    other = Http2Talk(port=40001, at=30)
    other.asks("/b" if again else "/c")
    other.answers(1)
    (found,) = of(told(talk, other), "goaway")
    return found


def test_a_connection_that_ends_in_order() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1)
    goaway(talk)
    talk.closes()
    (found,) = of(told(talk), "goaway")
    assert (found.slug, found.severity, found.remedy) == ("goaway.in-order", "info", "")
    said = values(found)
    assert (said["count"], said["code"], said["sender"]) == (1, "NO_ERROR", "server end")
    assert "above" not in said


def test_a_request_behind_the_last_stream_that_came_again() -> None:
    found = left_behind(again=True)
    assert found.severity == "info"
    assert (values(found)["above"], values(found)["again"]) == (1, 1)


def test_a_request_behind_the_last_stream_that_is_lost() -> None:
    found = left_behind(again=False)
    assert (found.severity, values(found)["again"]) == ("medium", 0)
    assert found.remedy


def test_an_announcement_leaves_nothing_behind() -> None:
    """The last GOAWAY counts; a first one names the highest stream there is."""
    talk = Http2Talk()
    talk.asks("/a")
    goaway(talk, last=2**31 - 1)
    talk.send(False, bytes([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]))
    talk.send(False, bytes([0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]))  # :status 200
    talk.closes()
    (found,) = of(told(talk), "goaway")
    assert (found.severity, values(found)["count"]) == ("info", 1)
    assert {"above", "below"}.isdisjoint(values(found))


def test_a_server_that_closes_before_it_has_answered_what_it_took() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"part", ends=False)
    goaway(talk, last=1)
    talk.closes()
    (found,) = of(told(talk), "goaway")
    assert (found.severity, values(found)["below"]) == ("medium", 1)


def test_a_stream_that_the_client_gave_up_was_not_cut_by_the_connection() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"part", ends=False)
    talk.client.reset_stream(1, 8)
    talk.said()
    goaway(talk, last=1)
    talk.closes()
    (found,) = of(told(talk), "goaway")
    assert (found.severity, "below" in values(found)) == ("info", False)


def test_an_error_says_what_it_says() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1)
    goaway(talk, 11, text=b"too_many_pings")
    (found,) = of(told(talk), "goaway")
    assert (found.slug, found.severity) == ("goaway.error", "medium")
    assert values(found)["said"] == "too_many_pings"
    assert "pings less often" in found.remedy


def test_an_error_counts_though_the_connection_then_ends_in_order() -> None:
    """Node says GOAWAY again when it destroys a session."""
    talk = Http2Talk()
    talk.asks("/a")
    goaway(talk, code=11, last=2**31 - 1, text=b"too_many_pings")
    talk.send(False, bytes([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]))
    talk.closes()
    (found,) = of(told(talk), "goaway")
    said = values(found)
    assert found.slug == "goaway.error"
    assert (said["code"], said["said"]) == ("ENHANCE_YOUR_CALM", "too_many_pings")
    assert said["below"] == 1
    assert "pings less often" in found.remedy


def test_a_client_that_says_goodbye() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1)
    talk.client.close_connection()
    talk.unheard(True)
    talk.closes(from_client=True)
    (found,) = of(told(talk), "goaway")
    assert (found.severity, values(found)["sender"]) == ("info", "client end")


def test_an_answer_that_the_capture_lost_is_not_said_to_be_missing() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"an answer")
    del talk.wire.segments[-1]
    goaway(talk, last=0)
    talk.closes()
    (found,) = of(told(talk), "goaway")
    assert {"above", "below"}.isdisjoint(values(found))
