"""What was sent to backends more than once: tries, and copies of mirrored traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Report
from tests.simulator.script import Script

ASKED = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n"
ANSWER = b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n%s"


def asked_twice(folder: Path, status: int, count: int = 4, once: int = 0) -> Report:
    """Of each of some requests the first attempt is answered with a status, and the client gets the
    answer of the second one. Others are sent once.
    """
    play = Script()
    for n in range(100, 100 + once):
        asked = ASKED % (n, n)
        front = play.front().asks(asked)
        play.back(8080).asks(asked).answers(ANSWER % (200, 8, b"used %03d" % n)).closes()
        front.answers(ANSWER % (200, 8, b"used %03d" % n)).leaves()
    for n in range(count):
        asked = ASKED % (n, n)
        front, first = play.front().asks(asked), play.back(8081).asks(asked)
        first.answers(ANSWER % (status, 5, b"other")).closes()
        second = play.back(8080).asks(asked)
        second.answers(ANSWER % (200, 7, b"used %02d" % n)).closes()
        front.answers(ANSWER % (200, 7, b"used %02d" % n)).leaves()
    return play.report(folder)


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, "mirrored"), (405, "mirrored"), (404, "repeated"), (499, "mirrored"), (500, "repeated")],
)
def test_an_answer_to_try_again_after_shows_no_mirror(
    status: int, said: str, tmp_path: Path
) -> None:
    report = asked_twice(tmp_path, status)
    slugs = {f.slug for f in report.findings if f.slug.startswith("retries")}
    assert slugs == {f"retries.{said}"}


@pytest.mark.parametrize(("count", "shown"), [(3, True), (2, False)])
def test_three_requests_that_were_copied_show_a_mirror(
    count: int, shown: bool, tmp_path: Path
) -> None:
    report = asked_twice(tmp_path, 200, count)
    slugs = [f.slug for f in report.findings if f.slug.startswith("retries")]
    assert slugs == ["retries.mirrored"] * shown


@pytest.mark.parametrize(("copied", "shown"), [(9, True), (5, False)])
def test_a_mirror_copies_nine_of_ten(copied: int, shown: bool, tmp_path: Path) -> None:
    """One request more was sent once."""
    report = asked_twice(tmp_path, 200, copied, once=1)
    slugs = [f.slug for f in report.findings if f.slug.startswith("retries")]
    assert slugs == ["retries.mirrored"] * shown


def test_an_error_that_came_too_late_to_be_the_reason_shows_a_mirror(tmp_path: Path) -> None:
    """The second request was on its way before the first one was answered."""
    play = Script()
    for n in range(4):
        asked = ASKED.replace(b"GET", b"POST") % (n, n)
        front, first = play.front().asks(asked), play.back(8081).asks(asked)
        second = play.back(8080).asks(asked)
        second.answers(ANSWER % (200, 7, b"used %02d" % n)).closes()
        front.answers(ANSWER % (200, 7, b"used %02d" % n)).leaves()
        first.answers(ANSWER % (500, 5, b"other"), 200).closes()
    slugs = [f.slug for f in play.report(tmp_path).findings if f.slug.startswith("retries")]
    assert slugs == ["retries.mirrored"]
