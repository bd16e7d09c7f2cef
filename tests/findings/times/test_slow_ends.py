"""Who was slow where nothing was lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from tests.findings.files import ANSWER, ASK, SECOND, Talk, of, report
from tests.findings.simulated import judge_simulation, values
from tests.findings.times.test_held_back import XFF, spoken
from tests.simulator import Balancer
from tests.simulator.script import Script

MS = 1_000_000


def told(folder: Path, talk: Talk) -> list[Finding]:
    return of(report(folder, [talk.front], [talk.behind]), "slow-ends")


def reading(closed_ns: int) -> Talk:
    """A client that closes its window in the middle of an answer."""
    talk = Talk(40_001)
    talk.says(True, ASK % b"x", 2 * MS)
    talk.says(False, ANSWER[:-1], 3 * MS)
    for wire in (talk.front, talk.behind):
        wire.c("ACK", talk.sent[True], ack=talk.sent[False], window=0, at=4 * MS)
        wire.c("ACK", talk.sent[True], ack=talk.sent[False], at=4 * MS + closed_ns)
    talk.says(False, ANSWER[-1:], 5 * MS + closed_ns)
    return talk


def test_a_reader_that_closes_its_window(tmp_path: Path) -> None:
    found = told(tmp_path, reading(2 * SECOND))
    assert {f.slug for f in found} == {
        "slow-ends.reader-client-client",
        "slow-ends.reader-client-backend",
    }
    got = values(found[0])
    assert (got["reader"], got["other"], got["count"]) == ("client", "backend", 1)
    assert got["longest"] == 2 * SECOND


def test_a_window_that_opens_at_once_is_no_slow_reader(tmp_path: Path) -> None:
    assert not told(tmp_path, reading(50 * MS))


def test_a_slow_upload_and_a_slow_answer() -> None:
    upload = judge_simulation(spoken(Balancer(add=[XFF]), upload_ms=2900)).one("slow-ends")
    got = values(upload)
    assert (upload.slug, got["sender"]) == ("slow-ends.sender-request-client", "client")
    assert (got["count"], got["longest"]) == (3, 2900 * MS)
    serving = judge_simulation(spoken(Balancer(add=[XFF]), serving_ms=3000)).one("slow-ends")
    assert values(serving)["sender"] == "backend"
    assert serving.slug == "slow-ends.sender-response-backend"


def test_what_takes_less_than_a_second_is_not_slow() -> None:
    quick = judge_simulation(spoken(Balancer(add=[XFF]), upload_ms=900))
    assert not quick.of("slow-ends")


@pytest.mark.parametrize("front", [0, 2000])
def test_a_balancer_that_waits_for_its_client_is_no_cause(front: int, tmp_path: Path) -> None:
    """It stops reading what it cannot pass on; where the client reads, the balancer is slow."""
    play = Script()
    ask, answer = ASK % b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
    client, back = play.front().asks(ask), play.back().asks(ask)
    back.answers(answer + b"x" * 1000)
    client.answers(answer + b"x" * 1000)
    if front:
        client.window(0)
    back.window(0)
    play.wait(2000)
    back.window(9000)
    if front:
        client.window(9000)
    back.answers(b"x" * 1000).closes()
    client.answers(b"x" * 1000).leaves()
    found = of(play.report(tmp_path), "slow-ends")
    (said,) = (f for f in found if f.slug == "slow-ends.reader-client-backend")
    assert values(said).get("waits_for") == ("client" if front else None)
    assert (said.severity is Severity.INFO) == bool(front)
    assert any(f.slug == "slow-ends.reader-client-client" for f in found) == bool(front)


@pytest.mark.parametrize(("behind_ms", "one"), [(2000, True), (900, False)])
def test_a_pair_that_is_a_guess_counts_if_both_windows_were_closed_as_long(
    behind_ms: int, one: bool, tmp_path: Path
) -> None:
    """One request on each side that nothing ties together but what happened on both."""
    play = Script()
    ask, answer = ASK % b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
    client, back = play.front().asks(ask), play.back().asks(ask)
    back.answers(answer + b"x" * 1000)
    client.answers(answer + b"x" * 1000)
    client.window(0)
    back.window(0)
    play.wait(behind_ms)
    back.window(9000)
    play.wait(2000 - behind_ms)
    client.window(9000)
    back.answers(b"x" * 900)  # the capture ends before the rest
    client.answers(b"x" * 900)
    report = play.report(tmp_path)
    (said,) = (f for f in of(report, "slow-ends") if f.slug == "slow-ends.reader-client-backend")
    assert values(said).get("waits_for") == ("client" if one else None)
