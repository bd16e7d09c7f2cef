"""Passed-on connections beside others: equal sequence numbers speak for the connections that have
them, and for the rest only where nothing speaks against it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lbtrace import compare
from lbtrace.errors import InputError
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Kind, Report
from lbtrace.pipeline import compare_on_balancer
from tests.simulator.script import ACK, BACKEND, RST, SYN, Script, Spoken, pcap

BOX, PUBLIC, OTHER = "10.19.7.5", "203.0.113.195", "198.51.100.200"
PASSED_ON = (Kind.L4_PASSTHROUGH, Kind.DIRECT)
Ends = tuple[tuple[str, int], tuple[str, int]]


def record(size: int, seed: int) -> bytes:
    """A record of TLS with application data, which nobody can read (RFC 8446 §5.1)."""
    return b"\x17\x03\x03" + size.to_bytes(2) + random.Random(seed).randbytes(size)


def hello(seed: int) -> bytes:
    """A ClientHello with a random of its own (RFC 8446 §4.1.2)."""
    body = b"\x03\x03" + random.Random(seed).randbytes(32) + b"\0\0\x02\x13\x01\x01\0\0\0"
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16\x03\x01" + len(message).to_bytes(2) + message


class Between(Script):
    """A capture of each side of a host that ends the connections of its clients."""

    def one(self, behind: bool, ends: Ends, isn: int) -> Spoken:
        """A connection; its first number is `isn`."""
        return Spoken(self, self.backend if behind else self.client, ends, [isn, isn ^ 0x5A5A5A])

    def in_tls(self, count: int) -> None:
        """TLS in front and other TLS behind."""
        for i in range(count):
            front = self.one(False, ((f"192.0.2.{20 + i}", 39000 + i), (BOX, 443)), 1000003 * i + 5)
            front.opens().asks(hello(i)).answers(record(60, i)).asks(record(80, 10 + i))
            back = self.one(True, ((BOX, 57000 + i), (BACKEND, 443)), 7000003 * i + 9)
            back.opens().asks(hello(50 + i)).answers(record(60, 30 + i)).asks(record(90, 40 + i))
            back.answers(record(300, 50 + i)).closes()
            front.answers(record(310, 60 + i)).leaves()

    def in_clear(self, count: int) -> None:
        """HTTP, with a field that the balancer adds."""
        for i in range(count):
            front = self.one(False, ((f"192.0.2.{20 + i}", 39000 + i), (BOX, 80)), 1000003 * i + 5)
            front.opens().asks(b"GET /page/%d HTTP/1.1\r\nHost: a\r\n\r\n" % i)
            back = self.one(True, ((BOX, 57000 + i), (BACKEND, 80)), 7000003 * i + 9).opens()
            named = b"X-Forwarded-For: 192.0.2.%d\r\n" % (20 + i)
            back.asks(b"GET /page/%d HTTP/1.1\r\nHost: a\r\n%s\r\n" % (i, named))
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d" % i
            back.answers(answer).closes()
            front.answers(answer).leaves()

    def turned_back(
        self, then: Callable[[Spoken, Spoken], None], isn: int = 3141592653, port: int = 10190
    ) -> None:
        """The balancer asks its own public address, and a NAT turns the packets back to it."""
        then(
            self.one(False, ((BOX, 50821), (PUBLIC, port)), isn),
            self.one(True, ((PUBLIC, 50821), (BOX, port)), isn),
        )

    def passed_on(self, count: int) -> None:
        """A port that it hands on, with other addresses."""
        for i in range(count):
            client, isn = (f"192.0.2.{90 + i}", 41000 + i), 9000011 * i + 77
            front = self.one(False, (client, (BOX, 8443)), isn)
            back = self.one(True, (client, (OTHER, 8443)), isn)
            spoken(front, back)

    def on_balancer(self, folder: Path) -> Report:
        """What one capture of both sides tells."""
        both = sorted((*self.client, *self.backend), key=lambda packet: packet.time_ns)
        path = folder / "both.pcap"
        path.write_bytes(pcap(both))
        return compare_on_balancer([str(path)], [])


def unanswered(front: Spoken, back: Spoken) -> None:
    """A SYN that nobody answers."""
    front.syn()
    back.syn()


def refused(front: Spoken, back: Spoken) -> None:
    """A SYN that is refused."""
    unanswered(front, back)
    back._send(1, RST | ACK)
    front._send(1, RST | ACK)


def opened(front: Spoken, back: Spoken) -> None:
    """A handshake."""
    for who, flags in ((0, SYN), (1, SYN | ACK), (0, ACK)):
        front._send(who, flags)
        back._send(who, flags)


def reset(front: Spoken, back: Spoken) -> None:
    """A handshake and a reset."""
    opened(front, back)
    back._send(1, RST | ACK)
    front._send(1, RST | ACK)


def closed(front: Spoken, back: Spoken) -> None:
    """A handshake and its end, as a check of a port."""
    opened(front, back)
    front.leaves()
    back.leaves()


def spoken(front: Spoken, back: Spoken) -> None:
    """A connection with a few bytes."""
    opened(front, back)
    for side in (front, back):
        side.asks(b"ping\n").answers(b"pong\n").leaves()


def asked(front: Spoken, back: Spoken) -> None:
    """A request and its answer."""
    opened(front, back)
    for side in (front, back):
        side.asks(b"GET /health HTTP/1.1\r\nHost: me\r\n\r\n")
        side.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").leaves()


SILENT = (unanswered, refused, opened, reset, closed)
ANY = (*SILENT, spoken, asked)


@pytest.mark.parametrize("then", ANY)
@pytest.mark.parametrize("port", [80, 443, 10190])
def test_what_a_nat_turns_back_decides_no_kind(
    then: Callable[[Spoken, Spoken], None], port: int, tmp_path: Path
) -> None:
    for traffic in (Between.in_tls, Between.in_clear):
        play = Between()
        traffic(play, 3)
        play.turned_back(then, port=port)
        for report in (play.report(tmp_path), play.on_balancer(tmp_path)):
            assert report.verdict.kind not in PASSED_ON
            if traffic is Between.in_clear:
                assert report.verdict.kind is Kind.L7_PROXY
                assert len(report.correlation.pairs) >= 3


@pytest.mark.parametrize("then", SILENT)
def test_several_that_carried_nothing_decide_no_kind(
    then: Callable[[Spoken, Spoken], None], tmp_path: Path
) -> None:
    play = Between()
    play.in_clear(2)
    for n in range(40):  # a scan of ports
        play.turned_back(then, isn=31 * n + 7, port=1000 + n)
    report = play.report(tmp_path)
    assert report.verdict.kind is Kind.L7_PROXY
    assert len(report.correlation.pairs) == 2


@pytest.mark.parametrize("then", SILENT)
@pytest.mark.parametrize("count", [1, 30])
def test_connections_that_carried_nothing_make_no_kind_sure(
    then: Callable[[Spoken, Spoken], None], count: int, tmp_path: Path
) -> None:
    play = Between()
    for n in range(count):
        play.turned_back(then, isn=31 * n + 7, port=1000 + n)
    said = play.report(tmp_path).verdict
    assert said.confidence in (Confidence.LOW, Confidence.MEDIUM)


def test_only_a_scan_on_the_balancer_tells_no_sides_apart(tmp_path: Path) -> None:
    play = Between()
    play.turned_back(refused)
    with pytest.raises(InputError, match="tells the two sides"):
        play.on_balancer(tmp_path)


@pytest.mark.parametrize(("handed_on", "own"), [(1, 2), (2, 2), (3, 1), (4, 0)])
def test_a_kind_is_that_of_most_connections_and_sure_only_of_all(
    handed_on: int, own: int, tmp_path: Path
) -> None:
    """A host that hands one port on and ends the connections to another."""
    play = Between()
    play.in_tls(own)
    play.passed_on(handed_on)
    said = play.report(tmp_path).verdict
    if own > handed_on:
        assert said.kind not in PASSED_ON
    else:
        assert said.kind is Kind.L4_PASSTHROUGH
        assert (said.confidence is Confidence.CERTAIN) == (not own)
        assert own == 0 or said.confidence is Confidence.MEDIUM


def test_what_others_ask_of_others_is_no_doubt(tmp_path: Path) -> None:
    """A client browses elsewhere, and a backend asks its database: neither is the balancer's."""
    play = Between()
    play.passed_on(1)
    for i in range(6):
        for behind, ends in (
            (False, (("192.0.2.90", 44000 + i), ("203.0.113.1", 443))),
            (True, ((OTHER, 45000 + i), ("10.8.8.8", 5432))),
        ):
            one = play.one(behind, ends, 5000 * i + behind + 1).opens()
            one.asks(record(90 + behind, i)).answers(record(70, i)).leaves()
    said = play.report(tmp_path).verdict
    assert (said.kind, said.confidence) == (Kind.L4_PASSTHROUGH, Confidence.CERTAIN)


def test_resets_alone_make_nothing_sure(tmp_path: Path) -> None:
    play = Between()
    for n in range(3):
        ends = (("192.0.2.30", 42000 + n), (BOX, 80))
        for behind in (False, True):
            one = play.one(behind, ends, 77000 + n)
            one._send(0, RST)
            one._send(1, RST | ACK)
    said = play.report(tmp_path).verdict
    assert said.confidence in (Confidence.LOW, Confidence.MEDIUM)


@pytest.mark.parametrize("point", [False, True])
def test_what_another_balancer_hands_on_decides_nothing_of_this_one(
    point: bool, tmp_path: Path
) -> None:
    """Two balancers in one pair of captures; `point`: behind the second one is a capture of its
    own.
    """
    play = Between()
    play.in_clear(3)
    begin = len(play.backend)
    play.passed_on(2)
    front, back = play.write(tmp_path)
    behind = [back]
    if point:
        second = tmp_path / "second.pcap"
        back.write_bytes(pcap(play.backend[:begin]))
        second.write_bytes(pcap(play.backend[begin:]))
        behind.append(second)
    report = compare(front, *behind)
    assert report.verdict.kind is Kind.L7_PROXY
    assert report.verdict.confidence is not Confidence.CERTAIN
    assert len(report.correlation.pairs) == 3
    assert len(report.correlation.connection_pairs) == 5


def test_what_the_balancer_asks_of_others_is_no_proxying(tmp_path: Path) -> None:
    """It hands a port on and asks its own database: nobody came to it for that."""
    play = Between()
    play.passed_on(1)
    for i in range(4):
        one = play.one(True, ((BOX, 45000 + i), ("10.8.8.8", 5432)), 5000 * i + 3).opens()
        one.asks(record(90, i)).answers(record(70, i)).leaves()
    said = play.report(tmp_path).verdict
    assert (said.kind, said.confidence) == (Kind.L4_PASSTHROUGH, Confidence.CERTAIN)
