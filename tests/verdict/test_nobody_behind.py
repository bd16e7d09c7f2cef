"""Errors in HTTP while no connection behind opens: only who reads HTTP has words to say it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Kind, Verdict
from tests.simulator.script import Script

HOUR_NS = 3_600_000_000_000
ASKED = b"GET /shop HTTP/1.1\r\nHost: a\r\n\r\n"


def played(
    folder: Path,
    statuses: list[int],
    *,
    tried: bool = True,
    opened: bool = False,
    apart_ns: int = 0,
) -> Verdict:
    """Requests that get these statuses. `tried`: behind, a SYN is sent for each, which nobody
    answers; `opened`: and another connection opens, and carries nothing.
    """
    play = Script()
    for status in statuses:
        front = play.front().asks(ASKED)
        if tried:
            play.attempt(behind=True, port=8080)
        front.answers(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status).leaves()
    if opened:
        play.back().leaves()
    for packet in play.backend:
        packet.time_ns -= apart_ns
    return play.report(folder).verdict


@pytest.mark.parametrize("statuses", [[502], [503], [504], [502, 503, 504]])
def test_whoever_says_that_nobody_answered_reads_http(statuses: list[int], tmp_path: Path) -> None:
    said = played(tmp_path, statuses)
    assert (said.kind, said.confidence) == (Kind.L7_PROXY, Confidence.MEDIUM)
    (witness,) = said.witnesses
    assert {f.side for e in witness.evidence for f in e.frames} == set(Side)


@pytest.mark.parametrize("statuses", [[500], [200], [404], [502, 200]])
def test_other_answers_may_be_those_of_a_server(statuses: list[int], tmp_path: Path) -> None:
    assert played(tmp_path, statuses).kind is Kind.INCONCLUSIVE


def test_without_an_attempt_behind_the_server_may_be_the_one_that_was_asked(tmp_path: Path) -> None:
    assert played(tmp_path, [502], tried=False).kind is Kind.INCONCLUSIVE


def test_a_connection_that_opened_may_have_been_asked(tmp_path: Path) -> None:
    assert played(tmp_path, [502], opened=True).kind is Kind.INCONCLUSIVE


def test_captures_of_other_times_show_nothing(tmp_path: Path) -> None:
    assert played(tmp_path, [502], apart_ns=HOUR_NS).kind is Kind.INCONCLUSIVE
