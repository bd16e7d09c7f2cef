"""Health checks that fail, and what they may fail of."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from lbtrace.pipeline import compare
from tests.findings.files import of
from tests.findings.http2_talks import Http2Talk
from tests.findings.simulated import values
from tests.findings.through import exchange, message, told
from tests.simulator.script import Script
from tests.tcp.wire import pcap

NONE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def failing(folder: Path, head: bytes, status: bytes) -> dict[str, int | str]:
    """Checks with this head, all answered with this status; the clients ask for shop.example."""
    play = Script()
    for n in range(5):
        answer = b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status
        play.back().asks(head + b"\r\n").answers(answer).closes()
        play.front().asks(b"GET /%d HTTP/1.1\r\nHost: shop.example\r\n\r\n" % n).answers(
            NONE
        ).leaves()
        play.wait(1000)
    (said,) = of(play.report(folder), "health-checks.failing")
    assert ("Host" in said.remedy) == ("host" in values(said))
    return values(said)


MISDIRECTED, UNAVAILABLE = b"421 Misdirected Request", b"503 Service Unavailable"


@pytest.mark.parametrize(
    ("head", "status", "named"),
    [
        (b"GET / HTTP/1.0\r\n", MISDIRECTED, ("Host", None)),
        (b"GET / HTTP/1.1\r\nHost: 10.0.9.11\r\n", MISDIRECTED, ("Host", "shop.example")),
        (b"GET / HTTP/1.1\r\nHost: shop.example\r\n", MISDIRECTED, (None, None)),
        (b"GET / HTTP/1.0\r\n", UNAVAILABLE, (None, None)),
    ],
)
def test_checks_for_another_host_than_that_of_the_clients(
    head: bytes, status: bytes, named: tuple[str | None, str | None], tmp_path: Path
) -> None:
    """What a server says of itself (5xx) is not about the host."""
    said = failing(tmp_path, head, status)
    assert (said.get("host"), said.get("wanted")) == named


@pytest.mark.parametrize(("host", "named"), [(b"10.0.9.11", ("Host", "a")), (b"a", (None, None))])
def test_clients_of_http2_name_the_host_as_the_authority(
    host: bytes, named: tuple[str | None, str | None], tmp_path: Path
) -> None:
    play, front = Script(), Http2Talk()
    for n in range(5):
        check = b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % host
        play.back().asks(check).answers(
            b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % MISDIRECTED
        ).closes()
        front.answers(front.asks(f"/{n}"), status="503")
        play.wait(1000)
    ours, theirs = play.write(tmp_path)
    ours.write_bytes(pcap(front.wire))
    report = compare([[str(ours)]], [[str(theirs)]])
    (said,) = of(report, "health-checks.failing")
    got = values(said)
    assert (got.get("host"), got.get("wanted")) == named


@pytest.mark.parametrize(
    ("answer_ms", "late", "stamped_late_ms"),
    [(500, True, 0), (0, True, 0), (10, False, 0), (0, True, 298)],
)
def test_checks_that_the_balancer_waits_for_no_longer(
    answer_ms: int, late: bool, stamped_late_ms: int, tmp_path: Path
) -> None:
    """The checked path answers after half a second, or not at all; the check ends after 0.3 s. Of
    what is stamped within milliseconds no order is known.
    """
    play = Script()
    check = b"GET /healthz HTTP/1.0\r\nUser-Agent: check\r\n\r\n"
    for n in range(8):
        back = play.back().asks(check)
        if late:
            play.wait(300 - stamped_late_ms)
            back.gives_up()
            play.wait(stamped_late_ms)
            if answer_ms:
                back.answers_in_vain(message("200 OK", "fine"), answer_ms - 300)
        else:
            back.answers(message("200 OK", "fine"), answer_ms).leaves()
        play.wait(400)
        exchange(play, f"/{n}", added=())
        play.wait(100 if late else 390 - answer_ms)
    found = told(play, tmp_path, "health-checks.given-up")
    assert bool(found) is (late and not stamped_late_ms)
    for said in found:
        assert (values(said)["count"], values(said)["of"]) == (8, 8)
        assert ("the answer came after 500 ms" in said.text) is (answer_ms == 500)
        assert "timeout check" in said.remedy


@pytest.mark.parametrize(("late", "severity"), [(4, Severity.LOW), (5, Severity.MEDIUM)])
def test_checks_given_up_weigh_more_when_they_are_most(
    late: int, severity: Severity, tmp_path: Path
) -> None:
    """Of eight checks."""
    play = Script()
    check = b"GET /healthz HTTP/1.0\r\nUser-Agent: check\r\n\r\n"
    for n in range(8):
        back = play.back().asks(check)
        if n < late:
            play.wait(300)
            back.gives_up()
        else:
            back.answers(message("200 OK", "fine"), 10).leaves()
        play.wait(400)
        exchange(play, f"/{n}", added=())
        play.wait(100 if n < late else 380)
    (said,) = told(play, tmp_path, "health-checks.given-up")
    assert (values(said)["count"], values(said)["of"]) == (late, 8)
    assert said.severity is severity
