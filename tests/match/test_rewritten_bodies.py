"""A balancer that writes pages anew: their bodies tell nothing, and the rest must agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.pairing import AttemptOutcome, Confidence
from lbtrace.model.report import Kind, Report
from tests.simulator.script import Script


def answer(page: bytes, chunked: bool = False, kind: bytes = b"text/html") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n" % kind
    if chunked:
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + sent
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(page), page)


def played(
    folder: Path,
    pages: int = 4,
    *,
    alike: bool = False,
    chunked: bool = True,
    passed: bool = False,
    late: int | None = None,
    apart_ms: int = 0,
) -> Report:
    """Requests for pages in which the balancer replaces a name. `alike`: for one page; `chunked`:
    the client is not told how long a page is; `passed`: one page has nothing to replace; `late`:
    the backend's packets of this request are seen a second too late; `apart_ms`: what the clock of
    the backend's capture is ahead.
    """
    play = Script()
    for n in range(pages):
        path = 0 if alike else n
        asked = b"GET /page/%d HTTP/1.1\r\nHost: a\r\n\r\n" % path
        sent = b"page %d of backend.internal" % path
        got = sent if passed and n == 0 else sent.replace(b"backend.internal", b"shop.example")
        front = play.front().asks(asked)
        begun = len(play.backend)
        play.back().asks(asked).answers(answer(sent), pause_ms=2).leaves()
        for packet in play.backend[begun:] if n == late else ():
            packet.time_ns += 10**9
        front.answers(answer(got, chunked)).leaves()
        play.wait(2000 if late is not None else 30 + 7 * n)
    for packet in play.backend:
        packet.time_ns += apart_ms * 1_000_000
    return play.report(folder)


def test_whose_a_rewritten_page_is_is_told_by_the_request(tmp_path: Path) -> None:
    report = played(tmp_path)
    pairs = report.correlation.pairs
    assert report.verdict.kind is Kind.L7_PROXY
    assert [p.client.id for p in pairs] == [p.attempts[0].backend.id for p in pairs] == [0, 1, 2, 3]
    assert all(p.confidence is Confidence.HIGH for p in pairs)
    assert {a.outcome for p in pairs for a in p.attempts} == {AttemptOutcome.ANSWERED}


def test_alike_requests_are_told_by_time(tmp_path: Path) -> None:
    pairs = played(tmp_path, alike=True).correlation.pairs
    assert [p.client.id for p in pairs] == [p.attempts[0].backend.id for p in pairs] == [0, 1, 2, 3]


@pytest.mark.parametrize("alike", [True, False])
def test_a_page_whose_length_the_client_is_told_may_be_that_of_another_backend(
    alike: bool, tmp_path: Path
) -> None:
    """Where the clocks agree, time tells whose it is, and not that the client got it."""
    assert not played(tmp_path, alike=alike, chunked=False, apart_ms=900).correlation.pairs
    pairs = played(tmp_path, alike=alike, chunked=False).correlation.pairs
    assert {a.outcome for p in pairs for a in p.attempts} == {AttemptOutcome.SUPERSEDED}


@pytest.mark.parametrize(("pages", "paired"), [(2, 0), (3, 3)])
def test_three_pages_show_a_habit(pages: int, paired: int, tmp_path: Path) -> None:
    assert len(played(tmp_path, pages).correlation.pairs) == paired


def test_a_page_that_is_passed_on_shows_that_pages_are_not_rewritten(tmp_path: Path) -> None:
    assert len(played(tmp_path, passed=True, apart_ms=900).correlation.pairs) == 1


def test_pairs_that_contradict_each_others_times_show_nothing(tmp_path: Path) -> None:
    """Two runs of a script look like that: the same requests, and other answers."""
    assert not played(tmp_path, late=1).correlation.pairs
