"""Backends of which one answers late."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.simulator.script import Script

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OOPS = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno"


def played(took_ms: dict[int, list[float]], answer: bytes = OK) -> Script:
    """Requests to backends, by port: how long each takes. The last port gives `answer`."""
    play = Script()
    number = 0
    for port, times in took_ms.items():
        for ms in times:
            ask = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % (
                number,
                number,
            )
            given = answer if port == max(took_ms) else OK
            front, back = play.front().asks(ask), play.back(port).asks(ask)
            back.answers(given, pause_ms=ms).closes()
            front.answers(given).leaves()
            number += 1
    return play


def told(play: Script, folder: Path) -> list[Finding]:
    return [f for f in play.report(folder).findings if f.slug.startswith("slow-backend")]


@pytest.mark.parametrize("quick", [1, 2])
def test_one_that_takes_much_longer_than_all_others(quick: int, tmp_path: Path) -> None:
    times: dict[int, list[float]] = {8081 + n: [2, 3, 4] for n in range(quick)}
    (said,) = told(played({**times, 9000: [300, 400, 500]}), tmp_path)
    got = values(said)
    assert (got["server"], got["count"], got["places"]) == ("10.0.9.11:9000", 3, 1 + quick)
    assert 400_000_000 <= int(got["median"]) < 401_000_000
    assert ("each of the others" in said.statement) == (quick > 1)
    play = played({**times, 9000: [300, 400, 500]})
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "backend.pcap")]]).captures
    assert "slow-backend.seen" in {f.slug for f in alone.findings}


@pytest.mark.parametrize(
    "took_ms",
    [
        {8081: [2, 3, 4], 9000: [300, 400]},  # two requests may have been slow ones
        {8081: [2, 3], 9000: [300, 400, 500]},
        {8081: [2, 3, 4], 9000: [50, 60, 70]},  # nobody notices
        {8081: [90, 90, 90], 9000: [300, 400, 420]},  # four times
        {8081: [2, 3, 4], 8082: [100, 100, 100], 9000: [300, 400, 450]},
        {8081: [2, 3, 800], 9000: [300, 400, 500]},  # the other is slow at times, too
        {8081: [2, 3, 400], 9000: [300, 400, 500]},  # … as slow
        {9000: [300, 400, 500]},
    ],
)
def test_what_is_no_slow_backend(took_ms: dict[int, list[float]], tmp_path: Path) -> None:
    assert told(played(took_ms), tmp_path) == []


def test_an_answer_before_the_end_of_its_request_took_no_time(tmp_path: Path) -> None:
    """Of the three that the second server got, two were answered late."""
    play = played({8081: [2, 3, 4], 9000: [300, 400]})
    upload = b"POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"
    play.back(9000).asks(upload).answers(OOPS).asks(b"56789")
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "backend.pcap")]]).captures
    assert not {f.slug for f in alone.findings if f.slug.startswith("slow-backend")}


def test_errors_are_told_by_backend(tmp_path: Path) -> None:
    play = played({8081: [2, 3], 9000: [2, 3, 4]}, OOPS)
    (said,) = (f for f in play.report(tmp_path).findings if f.slug == "errors.backend")
    assert values(said)["shares"] == "10.0.9.11:9000 3 of 3, 10.0.9.11:8081 0 of 2"


def test_one_backend_needs_no_shares(tmp_path: Path) -> None:
    play = played({9000: [2, 3, 4]}, OOPS)
    (said,) = (f for f in play.report(tmp_path).findings if f.slug == "errors.backend")
    assert "By backend" not in said.statement


def test_health_checks_do_not_count(tmp_path: Path) -> None:
    """One backend takes its time for the page of checks, and is as quick as the other for all that
    clients ask.
    """
    times: dict[int, list[float]] = {8081: [2, 3, 4], 9000: [2, 3, 4]}
    play = played(times)
    checks = b"GET /health HTTP/1.0\r\nUser-Agent: checker-probe\r\n\r\n"
    for _ in range(8):
        for port in times:
            play.back(port).asks(checks).answers(OK, 500 if port == 9000 else 2).closes()
        play.wait(1000)
    report = play.report(tmp_path)
    assert sum(len(check.exchanges) for check in report.correlation.health_checks) == 16
    assert [f for f in report.findings if f.slug.startswith("slow-backend")] == []


def test_who_is_slow_for_clients_is_told_though_its_checks_are_quick(tmp_path: Path) -> None:
    times: dict[int, list[float]] = {8081: [2, 3, 4], 9000: [300, 400, 500]}
    play = played(times)
    checks = b"GET /health HTTP/1.0\r\nUser-Agent: checker-probe\r\n\r\n"
    for _ in range(8):
        for port in times:
            play.back(port).asks(checks).answers(OK, 2).closes()
        play.wait(1000)
    (said,) = told(play, tmp_path)
    assert (values(said)["count"], values(said)["rest"]) == (3, 3)
