"""Answers that name one moment on both sides: the captures are of one time, whatever their clocks
say.
"""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import pytest

from lbtrace.model.report import Kind, Report
from lbtrace.verdict.dates import NO_MOMENT, moment
from tests.simulator.script import Script

HOUR = 3600
SECOND_NS = 1_000_000_000


def played(folder: Path, in_front: int | None, behind: int | None, dated: int = 6) -> Report:
    """A client's requests through a proxy; the clock of the backend capture is an hour behind. Some
    answers have a Date, which is so many seconds later than the client capture saw them.
    """
    play = Script()
    for n in range(6):
        asked = b"GET /shop/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n
        now = play.time_ns // SECOND_NS
        got, gave = (
            answer(None if late is None or n >= dated else now + late)
            for late in (in_front, behind)
        )
        front, back = play.front().asks(asked), play.back().asks(asked)
        back.answers(gave, pause_ms=2).closes()
        front.answers(got).leaves()
        play.wait(1100)
    for packet in play.backend:
        packet.time_ns -= HOUR * SECOND_NS
    return play.report(folder)


def answer(date: int | None) -> bytes:
    field = b"" if date is None else b"Date: %s\r\n" % formatdate(date, usegmt=True).encode()
    return b"HTTP/1.1 200 OK\r\n" + field + b"Content-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("in_front", "behind", "shown"),
    [
        (0, 0, True),  # the balancer passes the Date on
        (1, -1, True),  # it writes its own
        (2, -1, False),
        (-HOUR, -HOUR, True),  # the clock of client and capture there is wrong
        (-HOUR // 2, -HOUR // 2, False),  # a stored answer, perhaps: no clock agrees
        (0, -HOUR, False),  # a script that ran twice
        (0, None, False),
        (None, 0, False),
    ],
)
def test_both_answers_must_name_one_moment_that_a_clock_agrees_with(
    in_front: int | None, behind: int | None, shown: bool, tmp_path: Path
) -> None:
    said = played(tmp_path, in_front, behind).verdict
    assert (said.kind is not Kind.INCONCLUSIVE) == shown


@pytest.mark.parametrize(("dated", "shown"), [(0, False), (1, True)])
def test_answers_without_a_date_say_nothing(dated: int, shown: bool, tmp_path: Path) -> None:
    said = played(tmp_path, 0, 0, dated=dated).verdict
    assert (said.kind is not Kind.INCONCLUSIVE) == shown


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),  # RFC 9110 §5.6.7
        ("Sunday, 06-Nov-94 08:49:37 GMT", NO_MOMENT),
        ("Sun, 06 Nov 1994 08:49:37", NO_MOMENT),
        ("Sun, 06 Nuv 1994 08:49:37 GMT", NO_MOMENT),
        ("Sun, 06 Nov 0000 08:49:37 GMT", NO_MOMENT),
        ("Sun, 31 Nov 2026 24:00:00 GMT", 1796169600),  # no such day: never an error
        ("", NO_MOMENT),
    ],
)
def test_a_date_is_read_as_a_moment(text: str, at: int) -> None:
    assert moment(text) == at
