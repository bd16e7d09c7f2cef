"""Exchanges of HTTP/2 as rows: a row is told as the Exchange that would be made in its place."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h2.frames import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM
from lbtrace.http.h2.plain_streams import PlainStreams
from lbtrace.http.h2.rows import StreamRows
from lbtrace.model.net import Side
from lbtrace.model.trace import PacketCounts, Trace
from lbtrace.tables.exchanges import FRAMES, FRAMES_LENGTH, OTHER, Exchanges
from lbtrace.tables.sides import both_sides
from tests.compiled import on_both, road
from tests.compiled.conversations import told
from tests.http.h2.wire import End, frame, settings_frame
from tests.http.streams import Heard, Talk, hear
from tests.laws import examples

Fields: TypeAlias = list[tuple[str, str]]
Turn: TypeAlias = tuple[tuple[Fields, Fields], tuple[str, Fields], bytes, int]
ASKED: Fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/a")]
more = st.lists(
    st.sampled_from(
        [
            ("x-id", "1"),
            ("x-id", "2"),
            ("cookie", "session=abcdefgh; theme=dark"),
            ("referer", "https://u:secret@a/?token=secret1"),
            ("x-empty", ""),
            ("x-blank", " edge "),
            ("x-colon", "a: b: c"),
            ("x-latin", "\u00e9"),
            ("x-line", "a\r\nb"),
            ("x odd", "v"),
            ("x-odd: x", "v"),
            (":authority", "u:secret@a"),
            ("content-type", "application/grpc"),
            ("content-type", "text/event-stream"),
            ("content-encoding", "gzip"),
            ("content-length", "2"),
            ("grpc-status", "0"),
        ]
    ),
    max_size=3,
)
asks = st.one_of(
    st.just(ASKED),
    st.sampled_from(["/b?token=secret1", "", "/ c", "/\u00e9", "*"]).map(
        lambda path: [*ASKED[:3], (":path", path)]
    ),
    st.sampled_from(["POST", "", "odd method", "CONNECT"]).map(
        lambda method: [(":method", method), *ASKED[1:]]
    ),
)
statuses = st.sampled_from(["200", "304", "500", "103", "20", "2000", "099", ""])
turns = st.tuples(
    st.tuples(asks, more), st.tuples(statuses, more), st.binary(max_size=3), st.integers(0, 9)
)


def spoken(held: list[Turn]) -> Talk:
    """A connection; the last number of a turn says what is odd about it."""
    client, server, talk = End(), End(), Talk()
    talk.client(PREFACE + settings_frame()).server(settings_frame())
    for k, ((asked, fields), (status, others), content, how) in enumerate(held):
        stream = 2 * k + 1
        talk.client(
            frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(*asked, *fields)),
            lost=how == 1,
            repeated=how == 2,
        )
        if how == 3:
            continue  # no response
        head = frame(HEADERS, END_HEADERS, stream, server.block((":status", status), *others))
        if how == 4:
            head = frame(HEADERS, END_HEADERS, stream, server.block((":status", "103"))) + head
        if how == 5:  # trailers
            end = frame(DATA, 0, stream, content)
            end += frame(HEADERS, END_HEADERS | END_STREAM, stream, server.block(("x-end", "1")))
        else:
            end = frame(DATA, END_STREAM if how != 6 else 0, stream, content)
        talk.server(head).server(end + (frame(RST_STREAM, 0, stream, bytes(4)) if how > 7 else b""))
    return talk.fin()


def both(talks: list[Talk]) -> tuple[tuple[Heard, str], tuple[Heard, str]]:
    """What is heard and written with rows, by either road, and where each exchange is an object."""

    def all_of_it() -> tuple[Heard, str]:
        return hear(*talks), told(talks, False).partition("\n")[2]

    with_rows, by_core = on_both(all_of_it)
    assert with_rows == by_core
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamRows, "add", lambda *_: False)
        patch.setattr(PlainStreams, "read", lambda *_: None)
        return by_core, all_of_it()


@examples(300)
@given(st.lists(st.lists(turns, max_size=4).map(spoken), min_size=1, max_size=3))
def test_a_row_is_told_as_its_exchange(talks: list[Talk]) -> None:
    with_rows, objects = both(talks)
    assert with_rows == objects


@examples(100)
@given(st.lists(turns, max_size=4).map(spoken))
def test_sides_of_rows_are_sides_of_their_exchanges(talk: Talk) -> None:
    """All that pairing and findings ask: the lines as they are read, too."""
    said = []
    for heard, _ in both([talk]):
        packets = PacketCounts(0, 0)
        trace = Trace(Side.CLIENT, 0, (), packets, 0, 0, [], heard.applications, heard.exchanges)
        table, _ = both_sides([trace], [])
        texts, digests = table.words.text_list, table.words.digests
        columns: list[object] = [table.stream.tolist(), table.interim.tolist()]
        columns += [[texts[i] for i in table.requests.start], table.responses.start.tolist()]
        for part in (table.requests, table.responses):
            columns += [table.words.line_list.make(part.heads.line), part.heads.first.tolist()]
            columns += [part.marks.tolist(), part.there.tolist(), part.last_ns.tolist()]
            columns += [[texts[i] for i in of] for of in (part.method, part.version)]
            columns += [[digests[i] for i in part.digest]]
            columns += [part.framing.tolist(), part.length.tolist(), part.complete.tolist()]
        said.append(columns)
    assert said[0] == said[1]


def test_ordinary_exchanges_are_rows() -> None:
    plain: Turn = (ASKED, [("x-id", "1")]), ("200", []), b"ab", 0
    odd: Turn = (ASKED, []), ("200", []), b"ab", 5
    exchanges = hear(spoken([plain, plain, odd, plain])).exchanges
    assert isinstance(exchanges, Exchanges)
    assert exchanges.table.stream.tolist() == [1, 3, 7]
    assert [e.stream_id for e in exchanges] == [1, 3, 5, 7]
    assert [e.ordinal for e in exchanges] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ([], FRAMES),
        ([("content-length", "2")], FRAMES_LENGTH),
        ([("content-length", "3")], OTHER),
        ([("content-encoding", "gzip")], FRAMES),  # it is none: there is no content
    ],
)
def test_what_a_body_is(fields: Fields, kind: int) -> None:
    turn: Turn = (ASKED, []), ("200", fields), b"ab", 0
    found = both([spoken([turn])])
    exchanges = found[0][0].exchanges
    assert isinstance(exchanges, Exchanges)
    assert exchanges.table.response.body.tolist() in ([kind], [OTHER])
    assert found[0] == found[1]
    with road(None):
        exchanges = hear(spoken([turn])).exchanges
    assert isinstance(exchanges, Exchanges)
    assert exchanges.table.response.body.tolist() == [kind]
