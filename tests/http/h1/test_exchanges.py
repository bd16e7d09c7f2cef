"""Exchanges of one connection: who sent ahead, and why a half stands alone."""

from __future__ import annotations

from lbtrace.model.http import Mark
from lbtrace.tables.exchanges import PIPELINED, RESYNCED, RETRANSMITTED, Exchanges
from tests.http.streams import Talk, get, hear, ok, story

BODY = b"b" * 40


def pipelined(talk: Talk) -> list[bool]:
    return [
        e.request is not None and Mark.PIPELINED in e.request.marks for e in hear(talk).exchanges
    ]


def test_a_request_is_ahead_when_it_was_sent_before_the_response_was_complete() -> None:
    first, second = ok(BODY)[:30], ok(BODY)[30:]
    assert pipelined(Talk().client(get("/a")).server(ok(BODY)).client(get("/b"))) == [False, False]
    assert pipelined(
        Talk().client(get("/a")).client(get("/b")).server(ok(BODY)).server(ok(BODY))
    ) == [False, True]
    talk = Talk().client(get("/a")).server(first).client(get("/b")).server(second).server(ok(BODY))
    assert pipelined(talk) == [False, True]
    later = Talk().client(get("/a")).server(first).server(second)
    assert pipelined(later.client(get("/b"), ack=len(first)).server(ok(BODY))) == [False, False]


def test_why_a_request_has_no_response() -> None:
    def marks(talk: Talk) -> tuple[Mark, ...]:
        return next(e.marks for e in hear(talk).exchanges if e.response is None)

    asked = Talk().client(get("/a"))
    assert marks(asked) == (Mark.CAPTURE_ENDED,)
    assert marks(Talk().client(get("/a")).fin()) == (Mark.CLOSED,)
    assert marks(Talk().client(get("/a")).rst()) == (Mark.RESET,)
    assert marks(Talk().client(get("/a")).server(ok(BODY), lost=True)) == (Mark.LOST,)
    lost = Talk().client(get("/a")).server(ok(BODY), lost=True)
    assert marks(lost.client(get("/b")).server(ok(BODY))) == (Mark.LOST,)
    # what a server says before the first request may be its answer: it refused a PROXY header
    before = Talk().server(b"x" * 20, lost=True).client(get("/a")).fin()
    assert marks(before) == (Mark.LOST,)
    later = Talk().client(get("/a")).server(ok(BODY), lost=True).client(get("/b")).fin()
    assert [e.marks for e in hear(later).exchanges] == [(Mark.LOST,), (Mark.CLOSED,)]
    assert marks(Talk().client(get("/a")).fin(unseen=50)) == (Mark.LOST,)


def test_a_request_that_another_one_was_answered_behind_has_no_reason() -> None:
    """The server skipped it: nothing is missing, and the connection went on."""
    talk = Talk().client(get("/a")).client(get("/b") + get("/c"))
    talk.server(ok(BODY), ack=0).server(ok(BODY))
    assert story(hear(talk))[-1] == ("/c", None)


def test_why_a_response_has_no_request() -> None:
    def found(talk: Talk) -> tuple[tuple[Mark, ...], set[str]]:
        heard = hear(talk)
        return next(e.marks for e in heard.exchanges if e.request is None), heard.slugs

    lost = Talk().client(get("/a"), lost=True).server(ok(BODY))
    assert found(lost) == ((Mark.LOST,), set())
    assert found(Talk().server(ok(BODY))) == ((), {"response-before-request"})
    assert found(Talk(syn=False).server(ok(BODY))) == ((), set())
    behind = Talk().server(ok(BODY)).client(get("/a"), lost=True)
    assert found(behind) == ((Mark.LOST,), set())
    twice = Talk().client(get("/a")).server(ok(BODY)).server(ok(BODY))
    assert found(twice) == ((), {"response-before-request"})


def test_only_an_exchange_with_nothing_else_to_say_is_a_row() -> None:
    """Requests that were sent ahead are, with what there is to say of them; two in one segment are
    read one by one.
    """
    talk = Talk().client(get("/a")).server(ok(BODY)).client(get("/b")).client(get("/c"))
    talk.server(ok(BODY)).client(get("/d")).server(ok(BODY)).server(ok(BODY))
    heard = hear(talk.client(get("/e") + get("/f")).server(ok(BODY)).server(ok(BODY))).exchanges
    assert isinstance(heard, Exchanges)
    assert [e.request.target for e in heard.objects if e.request] == ["/e", "/f"]
    assert heard.table.request.marks.tolist() == [0, 0, PIPELINED, PIPELINED]
    marks = [e.request.marks for e in heard if e.request]
    assert marks == [(), (), *[(Mark.PIPELINED,)] * 2, (), (Mark.PIPELINED,)]


def test_whole_messages_that_loss_or_repetition_touched_are_rows() -> None:
    talk = Talk().client(get("/a"), repeated=True).server(ok(BODY))
    talk.client(get("/b"), lost=True).server(ok(BODY)).client(get("/c")).server(ok(BODY))
    talk.client(get("/d")).server(ok(BODY), lost=True)
    talk.client(get("/e")).server(ok(BODY), repeated=True)
    talk.client(get("/f")[:20]).client(get("/f")[20:], repeated=True).server(ok(BODY))
    heard = hear(talk).exchanges
    assert isinstance(heard, Exchanges)
    table = heard.table
    assert table.request.marks.tolist() == [RETRANSMITTED, RESYNCED, 0, RETRANSMITTED]
    assert table.response.marks.tolist() == [0, 0, RETRANSMITTED | RESYNCED, 0]
    assert len(heard.objects) == 2  # the halves whose other half was lost
    assert list(hear(talk, careful=True).exchanges) == list(heard)


def test_the_first_message_of_which_the_one_before_is_missing_is_a_row() -> None:
    lost = Talk().client(get("/a"), lost=True).server(ok(BODY)).client(get("/b")).server(ok(BODY))
    heard = hear(lost).exchanges
    assert isinstance(heard, Exchanges)
    assert heard.table.request.marks.tolist() == [RESYNCED]


def test_exchanges_in_a_tunnel_are_no_rows_and_count_on() -> None:
    talk = Talk().client(get("a:80", method="CONNECT")).server(b"HTTP/1.1 200 OK\r\n\r\n")
    for k in range(3):
        talk.client(get(f"/{k}")).server(ok(BODY))
    heard = hear(talk).exchanges
    assert isinstance(heard, Exchanges)
    assert len(heard.table) == 0
    assert [e.ordinal for e in heard] == [1, 2, 3, 4]


def test_doubt_is_said_where_pipelining_and_loss_leave_pairs_open() -> None:
    talk = Talk().client(get("/a")).client(get("/b")).client(get("/c"), lost=True).client(get("/d"))
    talk.server(ok(BODY)).server(ok(BODY), lost=True).server(ok(BODY)).server(ok(BODY))
    assert "pairing-in-doubt" in hear(talk).slugs
    calm = Talk().client(get("/a")).server(ok(BODY)).client(get("/b"), lost=True).server(ok(BODY))
    assert "pairing-in-doubt" not in hear(calm).slugs


def test_bytes_behind_a_request_whose_beginning_was_not_captured_are_its_answer() -> None:
    """The SYN-ACK and the head of the response are not in the capture, its body is."""

    def marks(talk: Talk) -> list[tuple[Mark, ...]]:
        return [e.marks for e in hear(talk).exchanges if e.response is None]

    assert marks(Talk(syn=False).client(get("/a")).server(b"tail").rst()) == [(Mark.LOST,)]
    later = Talk(syn=False).client(get("/a")).server(b"tail").client(get("/b")).server(ok(BODY))
    assert marks(later) == [(Mark.LOST,)]
    before = Talk(syn=False).server(b"tail").client(get("/a")).rst()
    assert marks(before) == [(Mark.RESET,)]
    assert marks(Talk().client(get("/a")).server(b"what is this").rst()) == [(Mark.RESET,)]
