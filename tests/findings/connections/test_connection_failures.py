"""Attempts to connect that came to nothing, and those of which too little was captured to say
so.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from lbtrace.findings._backend_events import NO_EVENT, SLUGS, handshake_failures
from lbtrace.model.net import Endpoint
from lbtrace.model.report import Finding
from lbtrace.model.stream import Connection
from lbtrace.pipeline import show
from lbtrace.tables.connections import TRIES, ConnectionTable
from tests.findings import files
from tests.findings.files import Talk
from tests.findings.simulated import FOUR, four, judge_recording, judge_simulation, values
from tests.findings.through import exchange, message, request, told
from tests.simulator import Balancer
from tests.simulator.script import BACKEND, CLIENT, FRONT, Packet, Script, icmp
from tests.tcp.wire import Wire

MS, SECOND = 1_000_000, 1_000_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def attempt(sent: int = 1, again: int = 0, given_back: int = 0, resets: int = 0) -> Connection:
    """A connection without SYN-ACK: how many segments each end sent, how many of the client's are
    its SYN again, and RSTs of the server.
    """
    whole = judge_simulation(four(Balancer())).recorded.backends[0].connections[0]
    front = whole.from_client._replace(packets=sent, bytes=0, rsts=0, fins=0)
    back = whole.from_server._replace(packets=given_back, bytes=0, rsts=resets, fins=0)
    return whole._replace(
        syn_retransmissions=again, synacks=0, opened=False, from_client=front, from_server=back
    )


def failure(connection: Connection, later_ns: int) -> str:
    """What became of an attempt, by a capture that ends so much later; "" when nothing can be
    said.
    """
    (event,) = handshake_failures(
        ConnectionTable.of([connection]), connection.first_ns + later_ns
    ).tolist()
    return "" if event == NO_EVENT else SLUGS[event]


@pytest.mark.parametrize(
    ("connection", "what"),
    [
        (attempt(), "no-answer"),
        (attempt(sent=1, given_back=1, resets=1), "refused"),
        (attempt(sent=3, again=2), "no-answer"),
        (attempt(sent=5), ""),  # the client went on: it had its SYN-ACK, the capture had not
        (attempt(sent=5, given_back=1, resets=1), ""),
        (attempt(sent=1, given_back=4, resets=1), ""),  # the server sent more than a refusal
    ],
)
def test_what_became_of_an_attempt(connection: Connection, what: str) -> None:
    assert failure(connection, 2 * SECOND) == what


@pytest.mark.parametrize(("later_ns", "what"), [(SECOND - 1, ""), (SECOND, "no-answer")])
def test_a_syn_without_an_answer_is_one_after_a_second(later_ns: int, what: str) -> None:
    """Or after it was sent again, however soon the capture ends."""
    assert failure(attempt(), later_ns) == what
    assert failure(attempt(sent=2, again=1), later_ns) == "no-answer"


def test_a_capture_that_ends_with_the_syn_does_not_tell() -> None:
    assert failure(attempt(), 1) == ""
    assert failure(attempt(sent=2, again=1), 1) == "no-answer"


def test_refused_connections_are_counted() -> None:
    spoken = judge_simulation(four(Balancer(keep_alive=False)))
    back = spoken.recorded.backends[0]
    refused = attempt(given_back=1, resets=1)._replace(id=0)
    spoken.recorded.backends[0] = replace(back, connections=[refused, *back.connections[1:]])
    said = judge_recording(spoken.recorded, spoken.correlation).one("connection-failures")
    assert said.slug == "connection-failures.refused-backend"
    assert (values(said)["count"], values(said)["checks"]) == (1, 0)
    assert len(back.connections) == len(FOUR)


def test_a_syn_that_a_switch_sent_to_all_was_answered_where_it_belongs() -> None:
    spoken = judge_simulation(four(Balancer(keep_alive=False)))
    (back,) = spoken.recorded.backends
    first = back.connections[0]
    stray = first._replace(
        id=0,
        synacks=0,
        opened=False,
        from_client=first.from_client._replace(packets=1, bytes=0, rsts=0, fins=0),
        from_server=first.from_server._replace(packets=0, bytes=0, rsts=0, fins=0),
    )
    other = replace(
        back,
        point=1,
        connections=[stray],
        applications=back.applications[:1],
        exchanges=[],
    )
    spoken.recorded.backends.append(other)
    assert judge_recording(spoken.recorded, spoken.correlation).of("connection-failures") == []


@pytest.mark.parametrize(
    ("source", "behind", "hairpin"),
    [
        (BACKEND, True, True),
        (CLIENT, True, False),  # another host, seen there
        (CLIENT, False, False),
    ],
)
def test_a_backend_that_asks_its_own_balancer(
    source: str, behind: bool, hairpin: bool, tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front = play.front().asks(ask)
        play.back().asks(ask).answers(OK).closes()
        front.answers(OK).leaves()
    play.attempts(4, behind, source)
    report = play.report(tmp_path)
    (said,) = (f for f in report.findings if f.slug.startswith("connection-failures.no-answer"))
    assert ("hairpin" in said.statement) == hairpin
    assert ("It goes from a backend to the balancer's own address" in said.text) == hairpin
    assert values(said).get("hairpins") == (1 if hairpin else None)
    assert ("SNAT" in said.remedy) == hairpin


PORT, TOO_BIG = (3, 3), (3, 4)  # RFC 792: type and code


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ((3, 0), "network unreachable"),
        ((3, 1), "host unreachable"),
        ((3, 2), "protocol unreachable"),
        (PORT, "port unreachable"),
        *(((3, code), "administratively prohibited") for code in (9, 10, 13)),  # RFC 1812 §5.2.7.1
        ((3, 11), "unreachable, code 11"),
    ],
)
def test_a_syn_that_icmp_answers_was_turned_away(
    what: tuple[int, int], said: str, tmp_path: Path
) -> None:
    play = Script()
    front = play.front().asks(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(2):
        play.attempt(behind=True, port=8080).turned_away(*what)
    front.answers(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", pause_ms=1500).leaves()
    report = play.report(tmp_path)
    (finding,) = (f for f in report.findings if f.slug.startswith("connection-failures"))
    assert finding.slug == "connection-failures.unreachable-backend"
    assert said in str(values(finding)["said"])
    assert "10.0.9.11 ×2" in str(values(finding)["said"])
    shown = [f.number for e in finding.evidence for f in e.frames]
    assert shown == [1, 2, 3, 4]  # the SYNs and the messages
    # the answer of the balancer is what came of it
    assert "answered-by-balancer.error" in report.problems[0].slugs


def test_an_icmp_message_about_another_packet_turns_no_syn_away(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").turned_away(*PORT)
    tried = play.attempt(behind=True, port=8080).turned_away(*TOO_BIG, mtu=1400)
    tried.sent[0] -= 1
    play.wait(1000)
    tried.syn()
    play.back().asks(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n").answers(OK).closes()
    slugs = {f.slug for f in play.report(tmp_path).findings}
    assert "connection-failures.no-answer-backend" in slugs
    assert not any("unreachable" in slug for slug in slugs)


@pytest.mark.parametrize(
    ("ports", "slug"),
    [((50000, 443), "connection-failures.udp"), ((53, 50000), "")],  # a late answer of a DNS server
)
def test_udp_that_was_turned_away(ports: tuple[int, int], slug: str, tmp_path: Path) -> None:
    play = Script()
    play.front().asks(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").answers(OK).leaves()
    datagram = datagram_of(*ports)
    ends = ip_address(FRONT), ip_address(CLIENT)
    play.client.append(Packet(play.now(), datagram))
    play.client.append(Packet(play.now(), icmp(3, 3, 0, str(ends[0]), ends[1], datagram)))
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "client.pcap")]]).captures
    found = [f for f in alone.findings if f.slug.startswith("connection-failures")]
    assert [f.slug for f in found] == ([slug] if slug else [])
    assert all("HTTP/3" in f.statement for f in found)


def datagram_of(source: int, target: int) -> bytes:
    """A UDP datagram from the client to the balancer."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 32, 1, 0, 64, 17, 0)
    ends = ip_address(CLIENT).packed + ip_address(FRONT).packed
    return head + ends + struct.pack(">HHHH", source, target, 12, 0) + b"quic"


@pytest.mark.parametrize(("elsewhere", "what"), [(False, ""), (True, "no-answer")])
def test_a_capture_without_the_packets_of_a_server_does_not_show_its_silence(
    elsewhere: bool, what: str
) -> None:
    """Another connection to it went on though nothing of the server was captured."""
    tried, other = attempt(), attempt(sent=4)
    server = other.server._replace(port=9) if elsewhere else other.server
    other = other._replace(id=1, server=server, from_client=other.from_client._replace(bytes=100))
    table = ConnectionTable.of([tried, other])
    event = handshake_failures(table, tried.first_ns + 2 * SECOND).tolist()[0]
    assert ("" if event == NO_EVENT else SLUGS[event]) == what


def attempts(folder: Path, arrives: bool, at: int, until: int) -> list[Finding]:
    """Connections through a balancer that passes packets on, and two SYNs that nobody answers."""
    talks = [Talk(40_001), Talk(40_002)]
    for n, talk in enumerate(talks):
        talk.asks((10 + n) * MS, b"%d" % n)
    talks[0].asks(until)
    lost = Endpoint("10.0.0.9", 40_003)
    fronts, behinds = [t.front for t in talks], [t.behind for t in talks]
    times = (at - SECOND // 2, at)
    for side, server in ((fronts, files.FRONT), (behinds, files.BACKEND))[: 1 + arrives]:
        wire = Wire([], lost, server)
        for time in times:
            wire.c("SYN", 500, at=time)
        side.append(wire)
    return files.of(files.report(folder, fronts, behinds), "connection-failures")


@pytest.mark.parametrize(
    ("arrives", "at", "until", "told"),
    [
        (False, SECOND, 3 * SECOND, True),
        (True, SECOND, 3 * SECOND, False),
        (False, 4 * SECOND, 3 * SECOND, False),  # the capture behind had ended
    ],
)
def test_a_syn_that_is_not_behind_a_balancer_that_passes_it_on(
    arrives: bool, at: int, until: int, told: bool, tmp_path: Path
) -> None:
    said = {f.slug: f for f in attempts(tmp_path, arrives, at, until)}
    if at < until:
        (front,) = (f for slug, f in said.items() if slug.endswith("-client"))
        assert front.text.endswith("None of them is in the backend capture.") is told
        assert ("connection tracking" in front.remedy) is told
    else:
        assert not any("None of them" in f.text for f in said.values())


@pytest.mark.parametrize(("port", "opened"), [(80, 2), (81, None)])
def test_where_others_opened_the_address_is_right(
    port: int, opened: int | None, tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        play.front(port).asks(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n).answers(OK).leaves()
    play.attempts(4)
    play.write(tmp_path)
    (said,) = (
        f
        for f in show([[str(tmp_path / "client.pcap")]]).findings
        if f.slug == "connection-failures.no-answer"
    )
    assert values(said).get("opened") == opened
    assert ("wrong address" in said.remedy) == (opened is None)
    assert ("SYNs dropped" in said.remedy) == (opened is not None)


@pytest.mark.parametrize(
    ("tried", "missing", "truncated", "fin", "dropped", "what"),
    [
        (attempt(), 0, 0, False, False, "no-answer"),
        (attempt(), 90, 90, False, False, "no-answer"),  # the snapshot length cut them
        (attempt(), 90, 80, False, False, ""),
        (attempt(), 0, 0, True, False, ""),
        (attempt(), 0, 0, False, True, ""),
        (attempt(sent=2, again=1), 90, 0, True, True, "no-answer"),  # it waited, and tried again
        (attempt(given_back=1, resets=1), 90, 0, True, True, "refused"),
    ],
)
def test_one_syn_in_a_capture_that_lacks_packets_may_have_been_answered(
    tried: Connection, missing: int, truncated: int, fin: bool, dropped: bool, what: str
) -> None:
    other = attempt()
    server = other.from_server._replace(missing=missing, truncated=truncated, fin_unseen=fin)
    other = other._replace(id=1, synacks=1, opened=True, from_server=server)
    table = ConnectionTable.of([tried, other])
    event = handshake_failures(table, tried.first_ns + 2 * SECOND, dropped).tolist()[0]
    assert ("" if event == NO_EVENT else SLUGS[event]) == what


def waits(play: Script, n: int, refused: bool) -> None:
    """A request for which the balancer tries one server for 1.5 s, then asks another one."""
    front = play.front().asks(request(f"/{n}"))
    attempt = play.attempt(behind=True, port=9090)
    if refused:
        attempt.closes(reset=True)
    play.wait(1500)
    page = message("200 OK", f"page {n}")
    play.back().asks(request(f"/{n}", f"X-Forwarded-For: {CLIENT}")).answers(page)
    front.answers(page).leaves()


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ((BACKEND, BACKEND), "All of them go from a backend"),
        ((BACKEND, CLIENT), "1 of them goes from a backend"),
    ],
)
def test_how_many_attempts_are_hairpins(
    sources: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        exchange(play, f"/{n}")
    for source in sources:
        play.attempts(2, True, source)
    (said,) = (
        f
        for f in play.report(tmp_path).findings
        if f.slug.startswith("connection-failures.no-answer")
    )
    assert told in said.text


@pytest.mark.parametrize("refused", [False, True])
def test_requests_that_waited_for_a_server_that_did_not_answer(
    refused: bool, tmp_path: Path
) -> None:
    """The attempts lie between the request in front and the one behind."""
    play = Script()
    exchange(play, "/before")
    for n in range(2):
        waits(play, n, refused)
    for n in range(12):
        exchange(play, f"/after/{n}")
    (said,) = told(play, tmp_path, "connection-failures")
    assert (values(said)["count"], values(said)["waiting"]) == (2, 2)
    assert "Meanwhile 2 requests waited up to 1.5 s at the balancer, until it asked" in said.text
    assert "until it asked 10.0.9.11:8080." in said.text
    assert ("redispatch" in said.remedy) is refused
    assert ("proxy_connect_timeout" in said.remedy) is not refused
    found = {f.slug for f in play.report(tmp_path).findings}
    assert not {slug for slug in found if slug.startswith(("slow-requests", "lost-syn"))}


def test_the_wait_of_one_request_is_no_upper_limit(tmp_path: Path) -> None:
    play = Script()
    exchange(play, "/before")
    waits(play, 1, refused=True)
    (said,) = told(play, tmp_path, "connection-failures")
    assert "Meanwhile 1 request waited 1.5 s at the balancer, until it asked" in said.text


def test_an_attempt_outside_the_wait_is_not_what_a_request_waited_for(tmp_path: Path) -> None:
    play = Script()
    exchange(play, "/before")
    play.attempt(behind=True, port=9090).closes(reset=True)
    play.wait(200)
    front = play.front().asks(request("/late"))
    play.wait(1500)
    page = message("200 OK", "late")
    play.back().asks(request("/late", f"X-Forwarded-For: {CLIENT}")).answers(page)
    front.answers(page).leaves()
    (said,) = told(play, tmp_path, "connection-failures")
    assert "waiting" not in values(said)
    (slow,) = told(play, tmp_path, "slow-requests")
    assert slow.slug == "slow-requests.held"


def test_a_backend_that_is_slow_is_not_told_as_a_wait_for_a_connection(tmp_path: Path) -> None:
    play = Script()
    exchange(play, "/before")
    front = play.front().asks(request("/late"))
    play.attempt(behind=True, port=9090).closes(reset=True)
    page = message("200 OK", "late")
    play.back().asks(request("/late", f"X-Forwarded-For: {CLIENT}")).answers(page, 1500)
    front.answers(page).leaves()
    (said,) = told(play, tmp_path, "connection-failures")
    assert "waiting" not in values(said)
    (slow,) = told(play, tmp_path, "slow-requests")
    assert slow.slug == "slow-requests.answering"


@pytest.mark.parametrize(
    ("times", "said_something", "again", "told"),
    [
        (1, True, False, False),
        (1, True, True, True),  # who sends it again had no answer
        (1, False, False, True),  # the server is not heard anywhere
        (TRIES, True, False, True),
        (TRIES - 1, True, False, False),
    ],
)
def test_a_burst_that_the_capture_lost_may_have_begun_behind_a_syn(
    times: int, said_something: bool, again: bool, told: bool, tmp_path: Path
) -> None:
    play = Script()
    for _ in range(times):
        tried = play.attempt(port=81)
        if again:
            tried.sent[0] -= 1
            play.wait(1000)
            tried.syn()
    play.wait(2000)
    play.front(81 if said_something else 82).asks(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").answers(
        OK
    ).leaves()
    play.write(tmp_path)
    found = show([[str(tmp_path / "client.pcap")]]).findings
    assert any(f.slug == "connection-failures.no-answer" for f in found) is told
