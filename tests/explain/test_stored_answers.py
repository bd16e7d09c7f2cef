"""A cache that says nothing of itself: what it had stored was fresh, and nobody was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedDetail, UnpairedReason
from tests.simulator.script import Script

FRESH = b"Cache-Control: public, max-age=60\r\n"


def answer(body: bytes, fields: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, fields, len(body), body)


def asked(play: Script, path: bytes, got: bytes, gave: bytes | None) -> None:
    """A request that the balancer passes on, or (`gave` is None) answers itself."""
    request = b"GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n" % path
    front = play.front().asks(request)
    if gave is not None:
        play.back().asks(request).answers(gave, pause_ms=1).leaves()
    front.answers(got).leaves()
    play.wait(20)


def said(
    folder: Path,
    *,
    times: int = 3,
    fields: bytes = FRESH,
    later: bytes = b"page",
    wait_ms: float = 0,
    again: bool = False,
) -> set[tuple[UnpairedReason, UnpairedDetail | None, Confidence]]:
    """What is said of requests for a page that came once from a backend, and then so many times
    from nobody; `again`: and once more from a backend.
    """
    play = Script()
    page = answer(b"page", fields)
    for n in range(4):
        asked(play, b"/%d" % n, answer(b"item %d" % n), answer(b"item %d" % n))
    asked(play, b"/page", page, page)
    play.wait(wait_ms)
    for _ in range(times):
        asked(play, b"/page", answer(later, fields), None)
    if again:
        asked(play, b"/page", page, page)
    asked(play, b"/last", answer(b"last"), answer(b"last"))
    found = play.report(folder).correlation
    return {(u.reason, u.detail, u.confidence) for u in found.unpaired if u.side == Side.CLIENT}


OWN = (
    UnpairedReason.ANSWERED_BY_BALANCER,
    UnpairedDetail.STORED_ANSWER,
    Confidence.MEDIUM,
)


def test_three_that_got_what_was_stored_show_a_cache(tmp_path: Path) -> None:
    assert said(tmp_path) == {OWN}


@pytest.mark.parametrize(
    "but",
    [
        {"times": 2},
        {"fields": b""},
        {"fields": b"Cache-Control: private, max-age=60\r\n"},
        {"later": b"news"},
        {"wait_ms": 60_000},
    ],
)
def test_without_a_habit_of_a_cache_another_backend_may_have_answered(
    but: dict[str, object], tmp_path: Path
) -> None:
    assert OWN not in said(tmp_path, **but)  # type: ignore[arg-type]


def test_a_balancer_that_asked_again_does_not_use_what_was_stored(tmp_path: Path) -> None:
    assert OWN not in said(tmp_path, again=True)
