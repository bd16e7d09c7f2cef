"""HTTP/3, which is not read: what its packets may have asked for is said to be unknown."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

from lbtrace.model.pairing import UnpairedDetail
from lbtrace.model.report import Severity
from tests.findings.files import of
from tests.findings.simulated import values
from tests.simulator.script import CLIENT, FRONT, Packet, Script

ASK = b"GET /%s HTTP/1.1\r\nHost: shop.example\r\nX-Request-Id: 7f3a-%s\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%s"


def datagram(play: Script, port: int = 443) -> Packet:
    """A UDP packet of a client to the balancer."""
    body = struct.pack(">HHHH", 50_001, port, 38, 0) + b"\xc0" + bytes(29)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0x4000, 64, 17, 0)
    ends = ip_address(CLIENT).packed + ip_address(FRONT).packed
    return Packet(play.now(), head + ends + body)


def asked(over_tcp: tuple[bytes, ...], over_udp: tuple[bytes, ...]) -> Script:
    """Requests of a client, and all of them behind the balancer. Those over UDP come last but
    one.
    """
    play = Script()
    for name in (*over_tcp[:-1], *over_udp, over_tcp[-1]):
        if name in over_udp:
            play.client.append(datagram(play))
        front = play.front() if name in over_tcp else None
        if front:
            front.asks(ASK % (name, name))
        play.back().asks(ASK % (name, name)).answers(ANSWER % name).closes()
        if front:
            front.answers(ANSWER % name).leaves()
    return play


def test_requests_that_came_over_http3_are_not_called_another_clients(tmp_path: Path) -> None:
    report = asked((b"a1", b"b2", b"c3", b"d4"), (b"q5", b"r6")).report(tmp_path)
    (said,) = of(report, "http3")
    got = values(said)
    assert (said.severity, got["count"], got["unexplained"]) == (Severity.LOW, 2, 2)
    (trace,) = report.clients
    (shown,) = [f for e in said.evidence for f in e.frames]
    assert shown == trace.first_http3
    last_tcp = max(e.request.first_frame for e in trace.exchanges[:-1] if e.request)
    assert shown.number > last_tcp
    assert trace.first_ns < shown.time_ns < trace.last_ns
    assert {u.detail for u in report.correlation.unpaired} == {UnpairedDetail.MAY_BE_HTTP3}


def test_where_every_request_has_its_partner_it_is_a_remark(tmp_path: Path) -> None:
    play = asked((b"a1", b"b2", b"c3", b"d4"), ())
    play.client.append(datagram(play))
    (said,) = of(play.report(tmp_path), "http3")
    assert (said.severity, values(said).get("alone")) == (Severity.INFO, None)


def test_other_ports_are_no_http3(tmp_path: Path) -> None:
    play = asked((b"a1", b"b2", b"c3", b"d4"), ())
    play.client.append(datagram(play, 53))
    assert of(play.report(tmp_path), "http3") == []
