"""The compiled core reads connections of HTTP/2, and tells what the careful road tells."""

from __future__ import annotations

import gzip
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TypeAlias

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import compiled
from lbtrace.http.connection import ConnectionReader
from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from lbtrace.http.h2.hpack_tolerant import Decoder, HpackField, MalformedBlockError
from lbtrace.http.h2.plain_streams import PlainStreams, ToldConnection
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Mark
from lbtrace.options import Options
from lbtrace.tables.exchanges import Exchanges
from tests.compiled import CORE, needs_core, on_both
from tests.http.h2.wire import End, frame, settings_frame
from tests.http.streams import Heard, Talk, hear, table
from tests.laws import examples

pytestmark = needs_core
PAUSE = b"(pause)"  # longer than PAUSE_NS: stands between frames, and is not sent
Fields: TypeAlias = list[tuple[str, str]]
ASKED: Fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/a")]
REQUESTS: list[Fields] = [
    ASKED,
    [*ASKED[:3], (":path", "/b?token=secret1")],
    [*ASKED[:3], (":path", "/ c")],
    [*ASKED[:3], (":path", "/\u00e9")],
    [(":method", "POST"), (":scheme", "https"), *ASKED[2:]],
    [(":method", ""), *ASKED],
    [(":method", "CONNECT"), (":authority", "a:443")],
    [(":method", "CONNECT"), (":protocol", "websocket"), *ASKED[1:]],
    [*ASKED, (":authority", "u:secret@a")],
    [*ASKED, (":status", "100")],
    [*ASKED, (":odd", "1")],
    [],
]
FIELDS: Fields = [
    ("x-id", "1"),
    ("x-id", "2"),
    ("cookie", "session=abcdefgh; theme=dark"),
    ("x-empty", ""),
    ("x-blank", " edge "),
    ("x-colon", "a: b: c"),
    ("x-latin", "\u00e9"),
    ("x-line", "a\r\nb"),
    ("x odd", "v"),
    ("X-Upper", "v"),
    ("content-type", "application/grpc"),
    ("content-type", "text/event-stream"),
    ("content-type", ""),
    ("content-type", "text/html"),
    ("content-encoding", "GZIP"),
    ("content-encoding", "br"),
    ("content-length", "2"),
    ("content-length", "x"),
    ("content-length", "9" * 19),
    ("grpc-status", "0"),
    ("x-long", "v" * 200),
]
STATUSES = ["200", "304", "500", "101", "20", "2000", "099", "", "2\u00b23"]
BODIES = [b"", b"a", b"data: 1\n\n", b"\0\0\0\0\1x", gzip.compress(b"text", mtime=0), bytes(99)]
# how a block is sent, and a body
WAYS = ["whole", "continued", "padded", "priority", "both"]
ENDS = ["body", "empty", "head", "trailers", "open", "late", "more"]
# what is said beside the streams, by either end
BESIDE = {
    "settings": frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1\0\3\0\0\0\2"),
    "no settings": frame(SETTINGS, 0, 0),
    "many settings": frame(SETTINGS, 0, 0, b"\0\3\0\0\0\1" * 70),
    "ack": frame(SETTINGS, 1, 0),
    "ping": frame(PING, 0, 0, bytes(8)),
    "pong": frame(PING, 1, 0, bytes(8)),
    "goaway": frame(GOAWAY, 0, 0, b"\x80\0\0\1" + bytes(4) + b"too_many_pings" * 20),
    "window": frame(WINDOW_UPDATE, 0, 0, b"\x80\0\0\1"),
    "stream window": frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"),
    "reset": frame(RST_STREAM, 0, 1, b"\0\0\0\7"),
    "priority": frame(PRIORITY, 0, 9, bytes(5)),
    "extension": frame(16, 3, 0, b"u=1"),
}
ODD = {
    "promise": frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x82\x84\x86"),
    "odd flag": frame(SETTINGS, 2, 0),
    "odd size": frame(PING, 0, 0, bytes(7)),
    "no stream": frame(DATA, 1, 0, b"x"),
    "unknown stream": frame(DATA, 1, 99, b"x"),
    "continuation": frame(CONTINUATION, 4, 1, b"\x82"),
    "large": frame(PRIORITY, 0, 1, bytes(5)) + frame(16, 0, 0, bytes(20_000)),
    "malformed": frame(HEADERS, 5, 1, b"\x80"),
    "unknown entry": frame(HEADERS, 5, 1, b"\xff\x20"),
    "cut": b"\0\0\5\0\0",
}


@dataclass
class Turn:
    """One stream: what is asked and answered, and what is said in front of it."""

    asked: Fields
    more: Fields
    status: str
    others: Fields
    body: bytes
    way: str
    ask: str
    answer: str
    interim: bool
    before: str
    after: str
    pause: bool


def _sent(stream: int, block: bytes, way: str, flags: int) -> bytes:
    """A header block, in one of WAYS."""
    if way == "continued":
        half = len(block) // 2
        rest = frame(CONTINUATION, 0, stream, b"") + frame(CONTINUATION, 4, stream, block[half:])
        return frame(HEADERS, flags, stream, block[:half]) + rest
    if way in ("padded", "both"):
        block, flags = block + bytes(3), flags | PADDED
    if way in ("priority", "both"):
        block, flags = bytes(5) + block, flags | WITH_PRIORITY
    if flags & PADDED:
        block = b"\3" + block
    return frame(HEADERS, flags | END_HEADERS, stream, block)


def _message(end: End, stream: int, fields: Fields, turn: Turn, how: str) -> list[bytes]:
    """The frames of a message that ends in one of ENDS."""
    ends = END_STREAM if how in ("head", "late") else 0
    said = [_sent(stream, end.block(*fields), turn.way, ends)]
    if how in ("body", "more"):
        said += [frame(DATA, 0, stream, turn.body[:1]), frame(DATA, 0, stream, turn.body[1:])]
        said[-1] = frame(DATA, END_STREAM, stream, turn.body[1:])
    elif how == "empty":
        said.append(frame(DATA, END_STREAM | PADDED, stream, b"\2" + turn.body + bytes(2)))
    elif how == "trailers":
        said.append(frame(DATA, 0, stream, turn.body))
        said.append(_sent(stream, end.block(("x-end", "1")), turn.way, END_STREAM))
    if how in ("late", "more"):
        said.append(frame(DATA, 0, stream, b"late"))
    return said


def _turn(ends: tuple[End, End], stream: int, turn: Turn) -> tuple[list[bytes], list[bytes]]:
    """What both ends say on a stream, and beside it."""
    client, server = ends
    before, after = ((BESIDE | ODD).get(each, b"") for each in (turn.before, turn.after))
    asked = _message(client, stream, [*turn.asked, *turn.more], turn, turn.ask)
    answered = []
    if turn.interim:
        answered.append(_sent(stream, server.block((":status", "103")), turn.way, 0))
    if turn.answer != "none":
        head = [(":status", turn.status), *turn.others]
        answered += _message(server, stream, head, turn, turn.answer)
    if turn.pause:
        answered.insert(1, PAUSE)
    return [before, *asked], [*answered, after]


def _say(talk: Talk, who: int, said: list[bytes], sizes: deque[int]) -> None:
    """Say it in segments of these sizes, used in turn; 0 is all up to the next pause."""
    for burst in b"".join(said).split(PAUSE):
        while burst:
            talk.say(who, burst[: sizes[0] or len(burst)])
            burst = burst[sizes[0] or len(burst) :]
            sizes.rotate()
        talk.frame += 150 * (PAUSE in said)


def spoken(
    held: Sequence[Turn], cuts: Sequence[int] = (), mixed: bool = False, how: str = "", at: int = 0
) -> Talk:
    """A connection. `cuts`: bytes of the segments, used in turn; 0 is a whole burst. `mixed`: all
    requests are sent before the first response, and responses are mixed. `how`: what happens to the
    last segment. `at`: frames before it.
    """
    ends, talk, sizes = (End(), End()), Talk(frame=at), deque([*cuts, 0])
    talk.client(PREFACE + settings_frame()).server(settings_frame())
    every = [_turn(ends, 2 * k + 1, turn) for k, turn in enumerate(held)]
    if mixed:
        for asked, _ in every:
            _say(talk, 0, asked, sizes)
        parts = zip_longest(*(answered for _, answered in every), fillvalue=b"")
        _say(talk, 1, [part for each in parts for part in each], sizes)
    else:
        for asked, answered in every:
            _say(talk, 0, asked, sizes)
            _say(talk, 1, answered, sizes)
    if how:
        talk.say(1, frame(PING, 0, 0, bytes(8)), lost=how == "lost", repeated=how == "repeated")
    return talk.fin()


def damaged(talk: Talk, damage: Sequence[tuple[int, str]], *cuts: int) -> Talk:
    """A connection of which some segments were repeated or came late. `cuts`: how many bytes at the
    end of each direction were not sent yet.
    """
    pieces = [*talk.pieces[0], *talk.pieces[1]]
    for which, how in damage:
        piece = pieces[which % len(pieces)]
        piece.repeated |= how == "repeated"
        piece.frame += 3 * (how == "late")
    for who, cut in enumerate(cuts):
        own = talk.pieces[who]
        talk.sent[who] -= min(cut, talk.sent[who])
        talk.fins[who] = -1
        for piece in own:
            piece.data = piece.data[: max(talk.sent[who] - piece.start, 0)]
        own[:] = [piece for piece in own if piece.data]
    return talk


_more = st.lists(st.sampled_from(FIELDS), max_size=3)
_often = st.integers(0, 5).map(lambda n: n == 0)
turns = st.builds(
    Turn,
    asked=st.one_of(st.just(ASKED), st.sampled_from(REQUESTS)),
    more=_more,
    status=st.one_of(st.just("200"), st.sampled_from(STATUSES)),
    others=_more,
    body=st.sampled_from(BODIES),
    way=st.sampled_from(["whole", *WAYS]),
    ask=st.sampled_from(["head", "head", *ENDS]),
    answer=st.sampled_from(["body", "body", "none", *ENDS]),
    interim=_often,
    before=st.sampled_from(["", "", *BESIDE]),
    after=st.sampled_from(["", "", *BESIDE]),
    pause=_often,
)
odd_turns = st.builds(
    lambda turn, odd, first: replace(turn, **{"before" if first else "after": odd}),
    turns,
    st.sampled_from(list(ODD)),
    st.booleans(),
)
plain = Turn(ASKED, [], "200", [], b"ab", "whole", "head", "body", False, "", "", False)


def _both(talks: list[Talk], decode: bool = True) -> Heard:
    """What is heard; it is the same on both roads."""
    options = Options(decode_content=decode)
    careful, core = on_both(lambda: hear(*talks, options=options))
    assert core == careful
    assert core.spent == careful.spent
    assert hear(*talks, options=options, careful=True) == careful
    return core


@examples(400)
@given(
    st.lists(st.lists(turns, max_size=5), min_size=1, max_size=2),
    st.lists(st.integers(0, 40), max_size=6),
    st.booleans(),
    st.sampled_from(["", "", "", "lost", "repeated"]),
    st.booleans(),
)
def test_conversations_are_told_alike(
    held: list[list[Turn]], cuts: list[int], mixed: bool, how: str, decode: bool
) -> None:
    talks: list[Talk] = []
    for each in held:
        talks.append(spoken(each, cuts, mixed, how, talks[-1].frame if talks else 0))
    _both(talks, decode)


@examples(200)
@given(st.lists(st.one_of(turns, odd_turns), max_size=4), st.lists(st.integers(0, 40), max_size=4))
def test_connections_with_something_odd_are_told_alike(held: list[Turn], cuts: list[int]) -> None:
    _both([spoken(held, cuts)])


@examples(200)
@given(
    st.lists(turns, max_size=4),
    st.lists(st.integers(0, 60), max_size=6),
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["repeated", "late"])), max_size=3),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_segments_that_came_again_or_late_and_a_capture_that_ended_are_told_alike(
    held: list[Turn], cuts: list[int], damage: list[tuple[int, str]], asked: int, answered: int
) -> None:
    _both([damaged(spoken(held, cuts), damage, asked, answered)])


# when the core reads a connection


def _read(talk: Talk, limit: int = 10_000) -> ToldConnection | None:
    """What the core makes of a connection."""
    assert CORE is not None
    pieces = StreamPieces(table([talk]))
    plain_streams = PlainStreams(CORE, pieces, True, Weirds())
    return plain_streams.read(0, Cursor(pieces, 0), Cursor(pieces, 1), limit)


@pytest.mark.parametrize("beside", BESIDE)
def test_what_is_said_beside_streams_is_no_reason_to_read_frame_by_frame(beside: str) -> None:
    for turn in (replace(plain, before=beside), replace(plain, after=beside)):
        told = _read(spoken([plain, turn, plain]))
        assert told is not None
        assert not told.ordinals


@pytest.mark.parametrize("odd", sorted(ODD.keys() - {"cut"}))
def test_what_makes_a_connection_odd_is_left_to_the_careful_road(odd: str) -> None:
    assert _read(spoken([plain, replace(plain, after=odd)])) is None


@pytest.mark.parametrize(
    ("turn", "apart"),
    [
        (plain, False),
        (replace(plain, way="both"), False),
        (replace(plain, way="continued"), False),
        (replace(plain, answer="empty"), False),
        (replace(plain, ask="body"), False),
        (replace(plain, others=[("content-encoding", "gzip")]), False),
        (replace(plain, before="reset"), False),
        (replace(plain, answer="trailers"), True),
        (replace(plain, answer="none"), True),
        (replace(plain, answer="open"), True),
        (replace(plain, answer="more"), True),
        (replace(plain, interim=True), True),
        (replace(plain, pause=True), True),
        (replace(plain, more=[("content-type", "application/grpc")]), True),
        (replace(plain, others=[("content-type", "text/event-stream")]), True),
        (replace(plain, asked=REQUESTS[7]), True),
        (replace(plain, others=[("x-blank", " edge ")]), True),
        (replace(plain, others=[("content-length", "9" * 19)]), True),
    ],
)
def test_a_stream_of_which_there_is_more_to_say_is_read_apart(turn: Turn, apart: bool) -> None:
    """It alone: those before and behind it are rows."""
    talk = spoken([plain, turn, plain])
    told = _read(talk)
    assert told is not None
    assert told.ordinals == ({3: 2} if apart else {})
    exchanges = _both([talk]).exchanges
    assert isinstance(exchanges, Exchanges)
    assert exchanges.table.stream.tolist() == ([1, 5] if apart else [1, 3, 5])
    assert [e.ordinal for e in exchanges] == [1, 2, 3]


def test_connections_that_were_not_captured_whole_are_left_to_the_careful_road() -> None:
    ask, answer = End().ask(1, "/a"), End().answer(1, b"x")
    opened = PREFACE + settings_frame()
    for client, server in (
        ((opened + ask, {"lost": True}), (settings_frame() + answer, {})),
        ((opened + ask, {}), (settings_frame() + answer, {"cut": -1})),
        ((opened + ask, {}), (answer, {})),
        ((settings_frame() + ask, {}), (settings_frame() + answer, {})),
    ):
        talk = Talk().client(client[0], **client[1]).server(server[0], **server[1])
        assert _read(talk.fin()) is None
        _both([talk])
    assert _read(Talk(syn=False).client(opened + ask).server(settings_frame() + answer)) is None


@pytest.mark.parametrize("behind", [b"", bytes(12), b"\0\0too_many\1\1\0\3\0\0\0", b"\0\0\4\0"])
def test_what_no_frames_begin_with_is_told_alike(behind: bytes) -> None:
    """A frame of SETTINGS alone, with something else behind it, does not show that it is HTTP/2."""
    talk = Talk().client(PREFACE + settings_frame()).server(settings_frame() + behind)
    assert (_read(talk.fin()) is None) == (behind != b"")
    _both([talk])


@examples(100)
@given(st.binary(max_size=60), st.binary(max_size=60), st.booleans())
def test_any_bytes_behind_the_first_frames_are_told_alike(
    client: bytes, server: bytes, over: bool
) -> None:
    talk = Talk().client(PREFACE + settings_frame() + client).server(settings_frame() + server)
    _both([talk.fin() if over else talk])


def test_a_message_of_which_a_segment_came_again_stays_a_row() -> None:
    for how, marks in (("repeated", (Mark.RETRANSMITTED,)), ("late", ())):
        talk = damaged(spoken([plain] * 3), [(2, how)])
        told = _read(talk)
        assert told is not None
        assert not told.ordinals
        exchanges = _both([talk]).exchanges
        assert isinstance(exchanges, Exchanges)
        assert not exchanges.objects
        assert [e.request and e.request.marks for e in exchanges] == [(), marks, ()]


@pytest.mark.parametrize("cuts", [(), (7,), (1,)])
@pytest.mark.parametrize("body", [b"ab", bytes(30)])
def test_a_direction_that_ends_inside_a_frame_is_told_alike(
    cuts: tuple[int, ...], body: bytes
) -> None:
    turn = replace(plain, body=body)
    for cut in range(60):
        _both([damaged(spoken([turn] * 2, cuts), [], 0, cut)])
        _both([damaged(spoken([turn] * 2, cuts), [], cut, 0)])
    # one of the bytes of DATA is missing
    told = _read(damaged(spoken([turn] * 3), [], 0, 1))
    assert told is not None
    assert (told.answering.whole, told.ordinals) == (0, {5: 3})


def test_streams_out_of_order_are_left_to_the_careful_road() -> None:
    """A row's ordinal is that of its stream only where ids count up with the packets."""
    end, talk = End(), Talk().client(PREFACE + settings_frame()).server(settings_frame())
    talk.client(end.ask(3, "/a")).client(end.ask(1, "/b"))
    assert _read(talk.fin()) is None
    _both([talk])
    first = (
        Talk()
        .server(settings_frame() + End().answer(3, b"x"))
        .client(PREFACE + settings_frame() + (end := End()).ask(1, "/a"))
    )
    first.client(end.ask(3, "/b"))
    assert _read(first.fin()) is None
    _both([first])


@pytest.mark.parametrize("limit", [3, 4])
def test_a_connection_beyond_its_budget_is_left_to_the_careful_road(limit: int) -> None:
    talk = spoken([plain] * 3)
    assert (_read(talk, limit) is None) == (limit == 3)


def test_what_a_connection_spends_is_the_same() -> None:
    """Small exchanges, one for fewer than 256 bytes."""
    for held, spent in (([plain] * 40, 34), ([plain] * 40 + [replace(plain, interim=True)], 34)):
        assert _both([spoken(held)]).spent == spent
    steered = replace(plain, before="many settings", after="many settings")
    talk = spoken([steered] * 9)  # 64 settings are kept of each frame
    assert _both([talk]).spent == 2 * (9 * 64 + 1) // 4 - sum(talk.sent) // 256


def test_without_the_core_and_where_asked_for_it_frames_are_read_in_python() -> None:
    streams = table([spoken([plain])])

    def made(careful: bool) -> bool:
        options = Options()
        from lbtrace.http.bulk.bulk_connections import BulkConnections

        bulk = BulkConnections(streams, True, lambda _: None)
        reader = ConnectionReader(streams, options, bulk.ready(), [False], careful)
        reader.connection(0)
        return reader.plain is not None

    assert made(False) == (compiled.core is not None)
    assert not made(True)


# HPACK


@dataclass
class Blocks:
    """Header blocks of requests, one on each stream."""

    held: list[bytes] = field(default_factory=list)

    def talk(self) -> Talk:
        said = [
            frame(HEADERS, END_HEADERS | END_STREAM, 2 * k + 1, block)
            for k, block in enumerate(self.held)
        ]
        return Talk().client(PREFACE + b"".join(said)).server(settings_frame()).fin()

    def in_core(self) -> list[list[HpackField]] | None:
        """What the core decodes; None where it leaves them to Python."""
        told = _read(self.talk(), 1 << 20)
        if told is None:
            return None
        numbers = (memoryview(held or b"").cast("I") for _, held in told.asking.frames)
        return [[told.fields[n] for n in each] for each in numbers]

    def in_python(self) -> list[list[HpackField]] | None:
        """The same in Python; None where one is malformed or refers to what was not seen."""
        decoder = Decoder()
        try:
            found = [decoder.decode(block) for block in self.held]
        except MalformedBlockError:
            return None
        return None if any(None in f for fields in found for f in fields) else found


def _alike(held: list[bytes], surely: bool = False) -> None:
    """Both decode the same, or the core leaves it to Python, but not where it `surely` can."""
    blocks = Blocks(held)
    core, python = blocks.in_core(), blocks.in_python()
    assert core is None or core == python
    assert not surely or core is not None


_names = st.one_of(
    st.sampled_from(["a", "content-type", "cookie", ":path", ":scheme", "", "x" * 50]),
    st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12),
)
_values = st.one_of(
    st.sampled_from(["", "/", "GET", "200", "v" * 300, "\xff\xfe"]),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
_lists = st.lists(
    st.lists(st.tuples(_names, _values, st.integers(0, 2)), max_size=6), min_size=1, max_size=8
)


@examples(300)
@given(_lists, st.booleans(), st.lists(st.integers(0, 5000), max_size=4))
def test_what_an_encoder_writes_is_decoded(
    lists: list[list[tuple[str, str, int]]], huffman: bool, sizes: list[int]
) -> None:
    """Fields inserted, not inserted and never indexed, with a table whose size changes."""
    encoder, held = hpack.Encoder(), []
    for k, fields in enumerate(lists):
        if k < len(sizes):
            encoder.header_table_size = sizes[k]
        kept = [
            hpack.HeaderTuple(n, v) if how else hpack.NeverIndexedHeaderTuple(n, v)
            for n, v, how in fields
        ]
        held.append(bytes(encoder.encode(kept, huffman=huffman)))
    _alike(held, surely=True)


@examples(300)
@given(
    _lists,
    st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=3)), max_size=4),
)
def test_damaged_blocks_are_decoded_alike(
    lists: list[list[tuple[str, str, int]]], damage: list[tuple[int, bytes]]
) -> None:
    encoder = hpack.Encoder()
    held = [bytes(encoder.encode([(n, v) for n, v, _ in fields])) for fields in lists]
    for at, other in damage:
        which = at % len(held)
        place = (at >> 4) % (len(held[which]) + 1)
        held[which] = held[which][:place] + other + held[which][place + 1 :]
    _alike(held)


_pieces_of_blocks = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [
            b"\x80", b"\xbd", b"\xbe", b"\xbf", b"\xff\0", b"\xff\x80\x80\x80\x80\x80\0",
            b"\x20", b"\x3f\x01", b"\x3f\xe1\x1f", b"\x3f\xe1\xff\xff\x03", b"\x3f",
            b"\x3f\xff\xff\xff\xff\x0f", b"\x40\x01a\x01b", b"\x7f\x00\x01c", b"\x00\x00\x00",
            b"\x10\x01a\x81\xff", b"\x0f\x2f\x01v", b"\x40\x81\x1f\x82\x1f\xff",
            b"\x40\x84\xff\xff\xff\xff\x01b", b"\x40\x7f\x80\x80\x80\x01", b"\x82\x84\x86",
            b"\x40\x01a\x7f\x01" + bytes(128), b"\x44\x82\x60\x3f",
        ]
    ),
)  # fmt: skip


@examples(500)
@given(st.lists(st.lists(_pieces_of_blocks, max_size=5).map(b"".join), min_size=1, max_size=4))
def test_hostile_blocks_are_decoded_alike(held: list[bytes]) -> None:
    _alike(held)


def _literal(name: bytes, value: bytes) -> bytes:
    """A field that is inserted, its strings as they are."""
    return b"\x40" + b"".join(_sized(text) for text in (name, value))


def _sized(text: bytes) -> bytes:
    encoded = bytearray(hpack.hpack.encode_integer(len(text), 7))
    return bytes(encoded) + text


@pytest.mark.parametrize("times", [3, 64, 65, 66, 1000])
def test_a_block_that_unfolds_too_far_is_left_to_the_careful_road(times: int) -> None:
    """One byte stands for an entry of 4064 bytes."""
    inserted = _literal(b"x", b"v" * 4031)
    held = [inserted, b"\xbe" * times]
    assert (Blocks(held).in_core() is None) == (Blocks(held).in_python() is None) == (times > 64)


def test_every_byte_comes_through_the_code_of_huffman() -> None:
    encoder, draw = hpack.Encoder(), random.Random(4)
    values = [bytes(draw.choices(range(256), k=60)).decode("latin-1") for _ in range(40)]
    values += ["".join(map(chr, range(256))), "", "0", "\x16" * 9, "a" * 9]
    held = [bytes(encoder.encode([("v", value)])) for value in values]
    _alike(held, surely=True)


def test_entries_are_evicted_as_the_size_of_the_table_says() -> None:
    """Many more entries than the table holds, and references to the oldest one that is left."""
    held = [_literal(b"n%d" % k, b"v" * (k % 90)) + b"\xbe\xbf\xc0" for k in range(3, 3000)]
    held[0] = _literal(b"n", b"") * 3 + held[0]
    _alike(held, surely=True)
    _alike([*held, b"\xff\x60"])
    _alike([b"\x20" + _literal(b"a", b"b"), b"\xbe"])
    _alike([b"\x3f\x01" + _literal(b"a", b"b"), b"\xbe" + _literal(b"c", b"d") + b"\xbe", b"\xbf"])
