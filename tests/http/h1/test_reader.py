"""What readers of requests and responses share: heads of any shape, marks, places found again."""

from __future__ import annotations

import pytest

from lbtrace.http.budget import LEAST_MESSAGE
from lbtrace.http.h1.body import chunked_end
from lbtrace.http.h1.head import MAX_HEAD
from lbtrace.http.h1.reader import MAX_START_LINE
from lbtrace.model.http import Mark, Request
from tests.http.streams import Talk, get, hear, ok, story


def first(talk: Talk) -> Request:
    request = hear(talk).exchanges[0].request
    assert request is not None
    return request


@pytest.mark.parametrize(
    ("raw", "slugs"),
    [
        (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", set()),
        (b"GET /a HTTP/1.1\nHost: a\n\n", {"bare-lf"}),
        (b"GET /a HTTP/1.1\r\nHost: a\n\r\n", {"bare-lf", "mixed-line-ends"}),
        (b"GET /a HTTP/1.1\nHost: a\r\n\r\n", {"bare-lf", "mixed-line-ends"}),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n\n", {"bare-lf", "mixed-line-ends"}),
        (b"\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", {"leading-empty-lines"}),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 999])
def test_line_ends(raw: bytes, slugs: set[str], size: int) -> None:
    talk = Talk()
    for at in range(0, len(raw), size):
        talk.client(raw[at : at + size])
    heard = hear(talk.client(get("/next")))
    assert [e.request.target for e in heard.exchanges if e.request] == ["/a", "/next"]
    assert heard.slugs == slugs
    head = heard.exchanges[0].request
    assert head is not None
    assert [line.raw for line in head.lines] == ["Host: a"]
    assert head.offset == raw.index(b"GET")


def test_a_start_line_alone_is_no_whole_head() -> None:
    request = first(Talk().client(b"GET /a HTTP/1.1\r\n"))
    assert request.marks == (Mark.HEAD_TRUNCATED, Mark.CAPTURE_ENDED)


@pytest.mark.parametrize("line", [b"GET /x RTSP/1.0", b"GET /x", b"G\x00T / HTTP/1.1", b"GET"])
def test_a_line_that_begins_no_message_behind_one_that_does(line: bytes) -> None:
    heard = hear(Talk().client(get("/a")).client(line + b"\r\nHost: a\r\n\r\n").client(get("/b")))
    assert story(heard) == [("/a", None), ("/b", None)]
    assert "not-a-start-line" in heard.slugs


def test_a_head_without_fields() -> None:
    assert first(Talk().client(b"GET /a HTTP/1.1\r\n\r\n")).lines == ()
    assert first(Talk().client(b"GET /a HTTP/1.1\n\n")).lines == ()


@pytest.mark.parametrize("kept", [10, 14, 15, 16, 17, 30, 35, 39])
def test_a_cut_head_keeps_its_whole_lines(kept: int) -> None:
    raw = b"GET /abcdef HTTP/1.1\r\nHost: a\r\nX: yz\r\n\r\n"
    request = first(Talk().client(raw, cut=kept))
    assert Mark.HEAD_TRUNCATED in request.marks
    assert request.method == "GET"
    assert "/abcdef".startswith(request.target)
    assert [line.raw for line in request.lines] == [
        line for line, end in (("Host: a", 31), ("X: yz", 38)) if kept >= end
    ]
    assert request.version == ("HTTP/1.1" if kept >= 22 else "")


def test_the_longest_head() -> None:
    def talk(size: int) -> Talk:
        start, end = b"GET /a HTTP/1.1\r\nX: ", b"\r\n\r\n"
        filler = b"y" * (size - len(start) - len(end))
        return Talk().client(start + filler + end).client(get("/next"))

    fits = hear(talk(MAX_HEAD))
    assert story(fits) == [("/a", None), ("/next", None)]
    assert fits.slugs == set()
    beyond = hear(talk(MAX_HEAD + 1))
    assert beyond.slugs == {"head-too-long"}
    assert story(beyond) == [("/a", None), ("/next", None)]
    request = beyond.exchanges[0].request
    assert request is not None
    assert Mark.HEAD_TRUNCATED in request.marks


def test_the_longest_start_line() -> None:
    def talk(size: int) -> Talk:
        start, end = b"GET /", b" HTTP/1.1\r\n"
        return Talk().client(start + b"a" * (size - len(start) - len(end)) + end + b"\r\n")

    assert Mark.HEAD_TRUNCATED not in first(talk(MAX_START_LINE)).marks
    assert Mark.HEAD_TRUNCATED in first(talk(MAX_START_LINE + 1)).marks


def test_marks_of_a_message_and_their_order() -> None:
    upload = b"POST /up HTTP/1.1\r\nContent-Length: 9\r\nContent-Length: 9\r\n\r\nabc"
    cut = (Mark.BODY_TRUNCATED, Mark.CAPTURE_ENDED, Mark.MALFORMED)
    assert first(Talk().client(upload)).marks == cut
    assert first(Talk().client(upload, repeated=True)).marks == (
        Mark.BODY_TRUNCATED,
        Mark.CAPTURE_ENDED,
        Mark.RETRANSMITTED,
        Mark.MALFORMED,
    )
    assert first(Talk().client(upload).rst()).marks[1] is Mark.RESET
    assert first(Talk().client(upload).fin()).marks[1] is Mark.CLOSED
    both = b"POST /up HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert first(Talk().client(both)).marks == (Mark.MALFORMED, Mark.AMBIGUOUS_FRAMING)
    assert first(Talk().client(get("/a"))).marks == ()


def test_what_was_found_again_says_so_once() -> None:
    talk = Talk().client(get("/a")).client(b"x" * 99, lost=True).client(get("/b")).client(get("/c"))
    marks = [e.request.marks for e in hear(talk).exchanges if e.request]
    assert marks == [(), (Mark.RESYNCED,), ()]


@pytest.mark.parametrize("size", [LEAST_MESSAGE - 1, LEAST_MESSAGE])
def test_a_gap_that_is_too_small_for_a_message_hides_none(size: int) -> None:
    """The first response is there, its request and the second response are not certain."""
    talk = Talk().client(get("/a")).server(ok(b"a"))
    talk.client(b"?" * size, lost=True).client(get("/c")).server(ok(b"c"))
    assert story(hear(talk)) == [("/a", 200), ("/c", 200)]


def test_a_stream_whose_first_bytes_are_lost() -> None:
    talk = Talk().client(get("/lost"), lost=True).server(ok(b"lost"))
    heard = hear(talk.client(get("/b")).server(ok(b"b")))
    assert story(heard) == [(None, 200), ("/b", 200)]
    request = heard.exchanges[1].request
    assert request is not None
    assert Mark.RESYNCED in request.marks


def test_a_piece_that_only_may_begin_a_message_is_passed_over() -> None:
    talk = Talk().client(get("/a")).client(b"?" * 99, lost=True)
    talk.client(b"GET lost and found\r\n").client(b"POSTAGE").client(get("/c"))
    heard = hear(talk)
    assert [e.request.target for e in heard.exchanges if e.request] == ["/a", "/c"]


def test_junk_is_named_once_and_passed_over() -> None:
    heard = hear(Talk().client(get("/a")).client(b"\x01\x02\r\n").client(get("/b")))
    assert story(heard) == [("/a", None), ("/b", None)]
    assert [(d.slug, d.count, d.frame) for d in heard.diagnostics] == [("not-a-start-line", 1, 2)]


def test_a_message_that_is_the_last_is_where_it_ends() -> None:
    raw = b"POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\n"
    request = first(Talk().client(raw).client(b"abc").client(b"d", lost=True).client(b"ef"))
    assert (request.first_frame, request.head_frame, request.last_frame) == (1, 1, 4)
    assert request.marks == (Mark.BODY_TRUNCATED,)
    request = first(Talk().client(raw).client(b"abc").client(b"def", lost=True))
    assert (request.head_frame, request.last_frame) == (1, 2)


def test_other_readings_are_looked_for_as_long_as_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each costs a walk through 64 KiB. What is counted does not depend on it."""
    looked_at = []

    def counted(data: bytes) -> int | None:
        looked_at.append(len(data))
        return chunked_end(data)

    monkeypatch.setattr("lbtrace.http.h1.reader.chunked_end", counted)
    talk = Talk()
    for k in range(80):
        talk.client(get(f"/{k}", "Transfer-Encoding: x", "Content-Length: 2") + b"ab")
    said = [d for d in hear(talk).diagnostics if d.slug == "transfer-encoding-odd"]
    assert sum(d.count for d in said) == 80
    assert [d.count for d in said] == [30, *[1] * 50]
    assert len(looked_at) == 51  # only then it is known that there are too many
