"""What is said of HTTP/2, gRPC and WebSockets is in the frames; each law has its fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from h2.settings import SettingCodes

from tests.findings.http2.test_grpc_calls import call, through
from tests.findings.http2.test_grpc_errors import called
from tests.findings.http2.test_pings import pinging
from tests.findings.http2.test_stated_scheme import compared, talk
from tests.findings.http2_talks import Http2Talk
from tests.findings.protocols.test_web_sockets import chat
from tests.sentences.alone import LAWS, Alone
from tests.sentences.laws import OF_STREAMS
from tests.sentences.test_alone import heard
from tests.sentences.test_laws import told
from tests.tcp.wire import Wire, pcap


def reset() -> Wire:
    talk = Http2Talk()
    talk.asks("/a")
    talk.resets(1)
    return talk.wire


def goaway() -> Wire:
    talk = Http2Talk()
    talk.asks("/a")
    talk.answers(1, b"ok")
    talk.server.close_connection(11, b"too_many_pings", 1)
    talk.unheard(False)
    return talk.wire


def waiting() -> Wire:
    talk = Http2Talk()
    talk.client.increment_flow_control_window(1 << 20)
    talk.asks("/a")
    talk.server.send_headers(1, [(":status", "200")])
    for size in (16384, 16384, 16384, 16383):
        talk.server.send_data(1, bytes(size))
        talk.said()
    talk.wait(1500)
    talk.client.increment_flow_control_window(65535, 1)
    talk.said()
    talk.server.send_data(1, b"end", end_stream=True)
    talk.said()
    return talk.wire


def limited() -> Wire:
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    talk.asks("/a")
    talk.asks("/b")
    talk.answers(1, b"ok")
    talk.answers(3, b"ok")
    return talk.wire


def failed() -> Wire:
    return called(status="14").wire


def closed() -> Wire:
    return chat(0, 1001)


def retried() -> Wire:
    return call(("grpc-previous-rpc-attempts", "2")).wire


def pinged() -> Wire:
    talk = pinging([998] * 5, answered=3)
    talk.wait(3000)
    talk.closes(from_client=True)
    return talk.wire


def pinged_in_vain() -> Wire:
    return pinging([998] * 5).wire


def in_tls_before() -> Wire:
    return talk("https").wire


def told_of(wire: Wire, folder: Path) -> Alone:
    path = folder / "capture.pcap"
    path.write_bytes(pcap(wire))
    return heard(path)


CASES = [
    (reset, "streams-reset", {"sender": "server end"}),
    (reset, "streams-reset", {"code": "REFUSED_STREAM"}),
    (reset, "streams-reset", {"count": 2}),
    (goaway, "goaway", {"sender": "client end"}),
    (goaway, "goaway", {"code": "NO_ERROR"}),
    (waiting, "flow-control", {"sender": "client end"}),
    (waiting, "flow-control", {"longest": 1_000_000}),
    (limited, "stream-limit", {"limit": "3"}),
    (limited, "stream-limit", {"server": "client end"}),
    (failed, "grpc-errors", {"statuses": "INTERNAL (13) ×1"}),
    (failed, "grpc-errors", {"statuses": "UNAVAILABLE (14) ×2"}),
    (closed, "web-sockets", {"sender": "client end"}),
    (retried, "grpc-calls", {"count": 2}),
    (retried, "grpc-calls", {"most": 3}),
    (retried, "grpc-calls", {"of": 2}),
    (pinged, "pings", {"sender": "server end"}),
    (pinged, "pings", {"pings": 6}),
    (pinged, "pings", {"missed": 3}),
    (pinged_in_vain, "pings", {"pings": 6}),
]
PLAYS = [
    reset, goaway, waiting, limited, failed, closed, retried, pinged, pinged_in_vain, in_tls_before
]  # fmt: skip
LIMITS = [
    ("5S", "", {"count": 2}),
    ("5S", "3S", {"before": 4_000_000_000}),
    ("5S", "3S", {"after": 4_000_000_000}),
]


@pytest.mark.parametrize("play", PLAYS)
def test_no_sentence_is_contradicted(play: Callable[[], Wire], tmp_path: Path) -> None:
    about = told_of(play(), tmp_path)
    assert [complaint for law in LAWS for complaint in law(about)] == []


@pytest.mark.parametrize(("play", "slug", "lie"), CASES)
def test_a_false_sentence_is(
    play: Callable[[], Wire], slug: str, lie: dict[str, object], tmp_path: Path
) -> None:
    about = told_of(play(), tmp_path)
    (finding,) = about.findings(slug)
    for each in finding["values"]:
        each["value"] = lie.get(each["name"], each["value"])
    assert [complaint for law in OF_STREAMS for complaint in law(about)]


def test_behind_a_hole_nothing_is_read_and_nothing_contradicted(tmp_path: Path) -> None:
    """A request is lost before the RST_STREAM: what is in no packet speaks against no sentence."""
    talk = Http2Talk()
    talk.asks("/a")
    talk.asks("/b")
    lost = max(
        i for i, s in enumerate(talk.wire.segments) if s.data and s.flow[0] == talk.wire.client
    )
    talk.answers(1, b"ok")
    talk.resets(3)
    del talk.wire.segments[lost]
    about = told_of(talk.wire, tmp_path)
    (finding,) = about.findings("streams-reset")
    assert finding["text"].startswith("The client")
    assert [complaint for law in LAWS for complaint in law(about)] == []


@pytest.mark.parametrize(
    ("play", "slug"), [(reset, "grpc-calls"), (reset, "opened-tls"), (closed, "web-sockets.cut")]
)
def test_packets_of_another_kind_are_no_evidence(
    play: Callable[[], Wire], slug: str, tmp_path: Path
) -> None:
    about = told_of(play(), tmp_path)
    finding = about.document["findings"][0]
    finding["slug"] = slug
    finding["evidence"][0]["frames"] = [dict(finding["evidence"][0]["frames"][0], frame=6)]
    finding["values"] = [
        {"name": "of", "value": 1},
        {"name": "sender", "value": "server end"},
    ]
    assert [complaint for law in OF_STREAMS for complaint in law(about)]


@pytest.mark.parametrize(("before", "after", "lie"), LIMITS)
def test_limits_of_calls_on_both_sides(
    before: str, after: str, lie: dict[str, object], tmp_path: Path
) -> None:
    through(tmp_path, before, after)
    about = told(tmp_path)
    (finding,) = about.findings("grpc-calls")
    assert [complaint for law in OF_STREAMS for complaint in law(about)] == []
    for each in finding["values"]:
        each["value"] = lie.get(each["name"], each["value"])
    assert [complaint for law in OF_STREAMS for complaint in law(about)]


@pytest.mark.parametrize("lie", [{}, {"before": "https"}, {"after": "http"}])
def test_schemes_on_both_sides(lie: dict[str, object], tmp_path: Path) -> None:
    compared(tmp_path, talk("http"), talk("https", behind=True))
    about = told(tmp_path)
    (finding,) = about.findings("stated-scheme")
    for each in finding["values"]:
        each["value"] = lie.get(each["name"], each["value"])
    assert bool([complaint for law in OF_STREAMS for complaint in law(about)]) is bool(lie)
