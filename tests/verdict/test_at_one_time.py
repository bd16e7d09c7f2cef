"""Exchanges that only look alike do not show that captures of different times belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Kind, Report
from lbtrace.options import DEFAULT, Options
from tests.simulator.script import Script

HOUR_NS = 3_600_000_000_000
TWO_MS = 2_000_000


def played(folder: Path, apart_ns: int, ids: bool = False, options: Options = DEFAULT) -> Report:
    """A client's requests through a proxy, and a backend's clock that is so much behind."""
    play = Script()
    for n in range(6):
        asked = b"GET /shop/%d HTTP/1.1\r\nHost: a\r\n" % n
        asked += b"X-Request-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % n if ids else b"\r\n"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        front, back = play.front().asks(asked), play.back().asks(asked)
        back.answers(answer, pause_ms=2).closes()
        front.answers(answer).leaves()
        play.wait(100)
    for packet in play.backend:
        packet.time_ns -= apart_ns
    return play.report(folder, options)


@pytest.mark.parametrize("apart_ns", [0, TWO_MS, HOUR_NS, -HOUR_NS])
def test_what_only_looks_alike_must_overlap_by_the_captures_own_clocks(
    apart_ns: int, tmp_path: Path
) -> None:
    said = played(tmp_path, apart_ns).verdict
    overlap = abs(apart_ns) < HOUR_NS
    assert (said.kind is not Kind.INCONCLUSIVE) == overlap
    if not overlap:
        assert "do not overlap in time" in said.reason
        assert said.next_step.startswith("Run both captures at the same time")


def test_ids_are_those_of_one_time(tmp_path: Path) -> None:
    assert played(tmp_path, HOUR_NS, ids=True).verdict.kind is not Kind.INCONCLUSIVE


def test_a_stated_difference_makes_them_one_time(tmp_path: Path) -> None:
    options = Options(clock_offset_ns=HOUR_NS)
    said = played(tmp_path, HOUR_NS, options=options).verdict
    assert said.kind is not Kind.INCONCLUSIVE
