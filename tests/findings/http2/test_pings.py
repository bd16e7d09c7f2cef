"""Regular PINGs: who sends them, how often, whether they are answered, and what they help."""

from __future__ import annotations

import pytest

from lbtrace.model.report import Finding
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import values

SECOND = 1_000_000_000


def pinging(
    waits_ms: list[int], from_client: bool = True, answered: int | None = None, port: int = 40000
) -> Http2Talk:
    """A request; then PINGs after these waits, of which so many are acknowledged."""
    talk = Http2Talk(port)
    talk.answers(talk.asks("/a"), b"ok")
    sender = talk.client if from_client else talk.server
    for n, wait in enumerate(waits_ms):
        talk.wait(wait)
        sender.ping(n.to_bytes(8, "big"))
        if answered is None or n < answered:
            talk.said()
        else:
            talk.unheard(from_client)
    return talk


def found(*talks: Http2Talk) -> list[Finding]:
    return of(told(*talks), "pings")


@pytest.mark.parametrize("from_client", [True, False])
def test_pings_that_come_evenly_are_told(from_client: bool) -> None:
    (said,) = found(pinging([998] * 5, from_client))
    assert (said.slug, said.severity) == ("pings", "info")
    told_ = values(said)
    assert told_["sender"] == ("client end" if from_client else "server end")
    assert (told_["count"], told_["pings"], told_["least"]) == (1, 5, SECOND)
    assert said.text.endswith("Each was acknowledged.")
    assert len(said.evidence[0].frames) == 5


def test_pings_that_follow_the_traffic_are_not_told() -> None:
    assert found(pinging([10, 2000, 40, 700, 1300])) == []


def test_two_pings_have_no_period() -> None:
    assert found(pinging([1000, 1000])) == []


def test_pings_that_nobody_acknowledges() -> None:
    talk = pinging([998] * 5, answered=3)
    talk.wait(3000)
    talk.closes(from_client=True)
    (said,) = found(talk)
    assert said.severity == "low"
    assert values(said)["missed"] == 2
    assert "2 of them were not acknowledged." in said.text
    assert "Each was" not in said.text


@pytest.mark.parametrize("closes", [True, False])
def test_a_ping_at_the_end_may_still_be_answered(closes: bool) -> None:
    """The capture ends, or the connection does, before an answer was due."""
    talk = pinging([998] * 5, answered=4)
    if closes:
        talk.closes(from_client=True)
        other = Http2Talk(40001, at=20_000)
        (said,) = found(talk, other)
    else:
        (said,) = found(talk)
    assert "acknowledged" not in said.text


def test_a_ping_whose_answer_is_not_in_the_capture_is_not_told() -> None:
    talk = pinging([998] * 5)
    talk.answers(talk.asks("/b"), b"ok")
    pong = next(s for s in talk.wire.segments if s.data[3:5] == b"\x06\x01")
    talk.wire.segments.remove(pong)
    assert found(talk) == []


def test_a_server_that_closes_all_the_same() -> None:
    """It counts requests: PINGs do not keep it from closing."""
    talk = pinging([998] * 5)
    talk.closes()
    (said,) = found(talk)
    assert values(said)["closed"] == 1
    assert 5 * SECOND <= int(str(values(said)["limit"])) <= 5 * SECOND + 20_000_000
    assert "closed 1 of these connections all the same" in said.text


def test_who_sends_pings_and_closes_itself_had_no_limit() -> None:
    talk = pinging([998] * 5)
    talk.closes(from_client=True)
    (said,) = found(talk)
    assert "closed" not in values(said)


def test_connections_with_other_periods_are_told_together() -> None:
    (said,) = found(pinging([998] * 3), pinging([1998] * 3, port=40001))
    told_ = values(said)
    assert (told_["count"], told_["least"], told_["most"]) == (2, SECOND, 2 * SECOND)


@pytest.mark.parametrize(("owed", "told_of"), [(False, 1), (True, None)])
def test_an_end_that_owed_an_answer_when_it_closed_had_no_idle_limit(
    owed: bool, told_of: int | None
) -> None:
    talk = pinging([998] * 3)
    if owed:
        talk.asks("/slow")
    talk.wait(10_000)
    talk.closes()
    (said,) = found(talk)
    assert values(said).get("closed") == told_of


def test_a_connection_that_carried_no_request_has_no_last_one() -> None:
    talk = Http2Talk()
    for _ in range(4):
        talk.wait(998)
        talk.client.ping(bytes(8))
        talk.said()
    talk.wait(10_000)
    talk.closes()
    (said,) = found(talk)
    assert "closed" not in values(said)
