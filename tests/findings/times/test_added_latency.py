"""What the balancer added, of exchanges whose times are known to a tenth of a millisecond."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding
from tests.findings.simulated import values
from tests.findings.through import exchange, message, request, told
from tests.simulator.script import Script

US = 1000
MS = 1000 * US


def total(play: Script, folder: Path) -> Finding:
    (finding,) = told(play, folder, "added-latency.total")
    return finding


@pytest.mark.parametrize(("count", "percentile"), [(19, False), (20, True)])
def test_a_percentile_is_told_of_many_exchanges(
    count: int, percentile: bool, tmp_path: Path
) -> None:
    """The way there and back takes 0.7 ms; one answer lies at the balancer for 3 ms."""
    play = Script()
    for n in range(count):
        exchange(play, f"/{n}", late_ms=3 if n == 4 else 0)
    finding = total(play, tmp_path)
    assert ("{p95}" in finding.statement) is percentile
    said = values(finding)
    assert (said["median"], said["max"], said["count"]) == (700 * US, 3700 * US, count)
    assert (said["client"], said["backend"]) == (5900 * US, 5200 * US)
    assert {"{left_out}", "{sending}", "{reading}"}.isdisjoint(finding.statement.split())
    assert not {"left_out", "sending", "reading"} & said.keys()


def test_a_syn_that_was_sent_twice_measures_loss_and_not_the_way(tmp_path: Path) -> None:
    play = Script()
    for n in range(2):
        front = play.attempt()
        play.wait(1000)
        front.sent[0] -= 1
        exchange(play, f"/{n}", front=front.opens())
    exchange(play, "/once")
    finding = total(play, tmp_path)
    assert values(finding)["round_trip"] == 100 * US
    assert "{round_trip}" in finding.statement


def test_without_a_handshake_that_was_captured_there_is_no_round_trip(tmp_path: Path) -> None:
    play = Script()
    front = play.front()
    play.client.clear()
    for n in range(2):
        ask, answer = request(f"/{n}"), message("200 OK", f"page {n}")
        front.asks(ask)
        play.back().asks(ask).answers(answer)
        front.answers(answer)
    finding = total(play, tmp_path)
    assert "round_trip" not in values(finding)
    assert "{round_trip}" not in finding.statement


def test_a_request_that_was_sent_twice_is_left_out(tmp_path: Path) -> None:
    play = Script()
    exchange(play, "/0")
    front = play.front().asks(request("/twice"))
    play.back().asks(request("/twice")).closes(reset=True)
    play.back().asks(request("/twice")).answers(message("200 OK", "twice"))
    front.answers(message("200 OK", "twice")).leaves()
    finding = total(play, tmp_path)
    assert values(finding)["count"] == 1
    assert str(values(finding)["left_out"]).startswith("1 (")
    assert finding.statement.count("{left_out}") == 1


def test_what_a_client_takes_to_send_is_not_the_balancers(tmp_path: Path) -> None:
    """A body comes half a second after its head, and the balancer waits for it."""
    play = Script()
    for n in range(2):
        head = request(f"/{n}", "Content-Length: 4", method="POST")
        front = play.front().asks(head).asks(b"body", 500)
        play.back().asks(head + b"body").answers(message("200 OK", f"page {n}"))
        front.answers(message("200 OK", f"page {n}")).leaves()
    finding = total(play, tmp_path)
    assert int(values(finding)["median"]) < MS
    assert "{sending}" in finding.statement
    assert "{reading}" not in finding.statement
    assert 500 * MS <= int(values(finding)["sending"]) < 501 * MS
