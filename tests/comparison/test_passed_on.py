"""One capture that holds both sides of a balancer, and captures that only look like it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner

from lbtrace.cli import cli
from lbtrace.model.report import CaptureReport, NotCaptured
from lbtrace.pipeline import show
from tests.simulator.script import CLIENT, FRONT, INSIDE, Packet, Script, Spoken, pcap

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SENT, RECEIVED = 4, 0  # the packet types of Linux cooked captures


def ask(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n


def passes_on(play: Script, n: int) -> tuple[Spoken, Spoken]:
    """A request comes in, goes out to the backend, and is answered from there."""
    front = play.front().asks(ask(n))
    back = play.back().asks(ask(n)).answers(OK).closes()
    front.answers(OK).leaves()
    return front, back


def on_balancer(play: Script, folder: Path, cooked: bool = False) -> CaptureReport:
    """What `show` tells of one capture with all packets of a play. `cooked`: it is of the "any"
    interface of Linux, and says which packets the balancer sent.
    """
    packets = sorted([*play.client, *play.backend], key=lambda p: p.time_ns)
    path = folder / "lb.pcap"
    if cooked:
        packets = [Packet(p.time_ns, _cooked(p.data)) for p in packets]
    made = bytearray(pcap(packets))
    if cooked:
        made[20:24] = struct.pack("<I", 276)  # LINKTYPE_LINUX_SLL2
    path.write_bytes(bytes(made))
    return show([[str(path)]])


def _cooked(ip: bytes) -> bytes:
    source = ".".join(map(str, ip[12:16]))
    way = SENT if source in (FRONT, INSIDE) else RECEIVED
    return b"\x08\0" + bytes(8) + bytes([way]) + bytes(9) + ip


def both_sides(report: CaptureReport) -> list[str]:
    return [f.slug for f in report.findings if f.slug == "capture-point.both-sides"]


@pytest.mark.parametrize(("requests", "cooked"), [(1, True), (3, True), (3, False)])
def test_requests_that_go_out_while_their_client_waits_were_passed_on(
    requests: int, cooked: bool, tmp_path: Path
) -> None:
    play = Script()
    for n in range(requests):
        passes_on(play, n)
    report = on_balancer(play, tmp_path, cooked)
    assert report.not_captured is NotCaptured.NOTHING
    (said,) = (f for f in report.findings if f.slug == "capture-point.both-sides")
    asked, passed_on = said.evidence[0].frames
    assert asked.time_ns < passed_on.time_ns


def test_one_or_two_alike_may_be_so_by_chance_where_nothing_says_who_sent_them(
    tmp_path: Path,
) -> None:
    play = Script()
    for n in range(2):
        passes_on(play, n)
    assert on_balancer(play, tmp_path).not_captured is NotCaptured.OTHER_SIDE


def test_health_checks_and_requests_without_an_answer_hide_nothing(tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        passes_on(play, n)
        for _ in range(4):
            play.back().asks(b"GET /health HTTP/1.0\r\n\r\n").answers(OK).closes()
    front = play.front().asks(ask(7))
    back = play.back().asks(ask(7))
    front.gives_up(10)
    back.answers(OK).closes()
    assert both_sides(on_balancer(play, tmp_path))


def one_after_the_other(play: Script, n: int) -> None:
    """Nobody waits while the second server is asked."""
    play.front().asks(ask(n)).answers(OK).leaves()
    play.back().asks(ask(n)).answers(OK).closes()


def something_else(play: Script, n: int) -> None:
    """A server that asks another service while it answers."""
    front = play.front().asks(ask(n))
    play.back().asks(ask(100 + n)).answers(OK).closes()
    front.answers(OK).leaves()


def the_client_itself(play: Script, n: int) -> None:
    """A client that asks two servers for the same thing at once."""
    front = play.front().asks(ask(n))
    straight = play.straight()
    straight.asks(ask(n)).answers(OK).closes()
    play.client += straight.packets
    front.answers(OK).leaves()


def longer_than_the_first(play: Script, n: int) -> None:
    """The first one was answered before the second."""
    front = play.front().asks(ask(n))
    back = play.back().asks(ask(n))
    front.answers(OK).leaves()
    back.answers(OK).closes()


@pytest.mark.parametrize(
    "says", [one_after_the_other, something_else, the_client_itself, longer_than_the_first]
)
def test_what_was_not_passed_on(says: Callable[[Script, int], None], tmp_path: Path) -> None:
    play = Script()
    for n in range(4):
        says(play, n)
    report = on_balancer(play, tmp_path)
    assert not both_sides(report)
    assert report.not_captured is NotCaptured.OTHER_SIDE


def test_packets_that_are_translated_keep_the_address_of_the_client(tmp_path: Path) -> None:
    """A NAT sends each packet on to another server: the same sequence numbers, inside the same
    time.
    """
    play = Script()
    for n in range(3):
        at = len(play.client)
        play.front().asks(ask(n)).answers(OK).leaves()
        for p in play.client[at:]:
            request = p.data[12:16] == ip_address(CLIENT).packed
            inside = bytearray(p.data)
            place, port = (16, 22) if request else (12, 20)
            inside[place : place + 4] = bytes((10, 0, 9, 11))
            inside[port : port + 2] = struct.pack(">H", 8080)
            play.backend.append(Packet(p.time_ns + (1 if request else -1), bytes(inside)))
    assert both_sides(on_balancer(play, tmp_path))


def test_a_host_that_takes_connections_and_opens_others_may_be_a_balancer(tmp_path: Path) -> None:
    """What it passes on is encrypted in front: nothing in the capture shows that it belongs
    together.
    """
    play = Script()
    front = play.front(443)
    play.back().asks(ask(1)).answers(OK).closes()
    front.leaves()
    assert on_balancer(play, tmp_path, cooked=True).not_captured is NotCaptured.PERHAPS_NOTHING
    assert on_balancer(play, tmp_path).not_captured is NotCaptured.OTHER_SIDE


def test_a_host_that_only_takes_connections_or_only_opens_them_holds_one_side(
    tmp_path: Path,
) -> None:
    for open_one in (Script.front, Script.back):
        play = Script()
        open_one(play).asks(ask(1)).answers(OK).leaves()
        assert on_balancer(play, tmp_path, cooked=True).not_captured is NotCaptured.OTHER_SIDE


def test_a_balancer_is_not_compared_with_its_backends_as_if_it_were_one(tmp_path: Path) -> None:
    """Slow requests were given up in front, so only the quick ones have a time there."""
    play = Script()
    for n in range(4):
        passes_on(play, n)
    for n in range(4, 12):
        front, back = play.front().asks(ask(n)), play.back().asks(ask(n))
        front.gives_up(1)
        back.answers(OK, pause_ms=400).closes()
    told = {f.slug for f in on_balancer(play, tmp_path, cooked=True).findings}
    assert "capture-point.both-sides" in told
    assert not {slug for slug in told if slug.startswith("slow-backend")}


@pytest.mark.parametrize(
    ("cooked", "told"),
    [(True, "Taken on a balancer"), (False, "")],
)
def test_the_page_says_first_how_to_compare_the_two_sides(
    cooked: bool, told: str, tmp_path: Path
) -> None:
    play = Script()
    passes_on(play, 1)
    on_balancer(play, tmp_path, cooked)
    path = str(tmp_path / "lb.pcap")
    page = CliRunner().invoke(cli, ["show", "--width", "200", path]).output
    head = page.split("TCP connection")[0]
    assert (f"lbtrace compare --lb {path}" in head) == bool(told)
    assert told in head
