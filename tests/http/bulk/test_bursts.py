"""Bursts, against an oracle that walks the pieces one by one."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.bulk.bursts import bursts, no_bursts
from lbtrace.http.h1.start_line import COMMON_METHODS
from tests.compiled import on_both
from tests.http.streams import Talk, get, ok, table
from tests.laws import examples

_data = st.sampled_from(
    [
        get("/a"),
        get("/b")[:20],
        get("/b")[20:],
        ok(b"x"),
        ok(b"yy")[:12],
        b"HTTP/1.1 200",
        b"HTTP/1.1 20",
        b"HTTP/2.0 200 OK",
        b"GET / HTTP/1",
        b"GET / HTTP/",
        b"Zzzzzzzzzzzz",
        b"GETzzzzzzzzz",
        b"DELETE / HTTP/1",
        b"[zzzzzzzzzzz",
        b"lower case rest",
    ]
)
_steps = st.lists(
    st.tuples(
        st.integers(0, 1), _data, st.sampled_from(["", "", "", "lost", "repeated", "old ack"])
    ),
    max_size=10,
)


def spoken(steps: list[tuple[int, bytes, str]]) -> Talk:
    talk = Talk()
    for who, data, how in steps:
        talk.say(
            who,
            data,
            lost=how == "lost",
            repeated=how == "repeated",
            ack=0 if how == "old ack" else None,
        )
    return talk


def begins(who: int, data: bytes) -> bool:
    if len(data) < 12:
        return False
    return data.startswith(b"HTTP/1.") if who else b"A" <= data[:1] <= b"Z"


def surely_begins(who: int, data: bytes) -> bool:
    """It begins a message, whatever is before it."""
    return begins(who, data) and (who == 1 or data.split(b" ")[0] in COMMON_METHODS)


def oracle(talk: Talk) -> list[tuple[int, bytes, bool, bool]]:
    """(who, bytes, whether it is kept, whether some of it came again) of each burst."""
    pieces = sorted(
        ((p.frame, who, p) for who in (0, 1) for p in talk.pieces[who]), key=lambda x: x[0]
    )
    found: list[tuple[int, bytes, bool, bool]] = []
    before = None
    for _, who, piece in pieces:
        goes_on = (
            before is not None
            and before[0] == who
            and before[1].start + len(before[1].data) == piece.start
            and not (piece.ack != before[1].ack and begins(who, piece.data))
            and not surely_begins(who, piece.data)
        )
        if goes_on:
            _, data, kept, again = found[-1]
            found[-1] = (who, data + piece.data, kept, again or piece.repeated)
        else:
            found.append((who, piece.data, begins(who, piece.data), piece.repeated))
        before = who, piece
    return found


@examples(400)
@given(_steps)
def test_bursts_are_what_a_walk_over_the_pieces_finds(steps: list[tuple[int, bytes, str]]) -> None:
    talk = spoken(steps)
    streams = table([talk])
    found = bursts(streams)
    texts = []
    for t in range(len(found)):
        rows = found.row[found.first[t] : found.first[t + 1]].tolist()
        places = [(int(streams.payload[r]), int(streams.length[r])) for r in rows]
        texts.append(b"".join(bytes(streams.buffers[0][o : o + n]) for o, n in places))
    expected = [(who, data, again) for who, data, kept, again in oracle(talk) if kept]
    assert list(zip(found.stream.tolist(), texts, found.again.tolist(), strict=True)) == expected
    assert found.size.tolist() == [len(data) for _, data, _ in expected]


@examples(400)
@given(st.lists(_steps, min_size=1, max_size=3), st.randoms())
def test_both_roads_find_the_same(said: list[list[tuple[int, bytes, str]]], random: Random) -> None:
    """Also where pieces that are late in a stream came early, or several in one frame."""
    streams = table(list(map(spoken, said)))
    frames = streams.frame.tolist()
    for _ in range(len(frames) and random.randrange(3)):
        frames[random.randrange(len(frames))] = random.choice(frames)
    streams = streams.with_columns(frame=np.array(frames, np.uint32))

    def found() -> list[list[int]]:
        b = bursts(streams)
        columns = b.row, b.first, b.stream, b.size, b.again, b.in_order
        return [column.tolist() for column in columns]

    plain, compiled = on_both(found)
    assert plain == compiled


@examples(400)
@given(_steps)
def test_a_connection_is_in_order_when_clean_ends_take_turns(
    steps: list[tuple[int, bytes, str]],
) -> None:
    talk = spoken(steps)
    streams = table([talk])
    every = oracle(talk)
    clean = bool(streams.clean.all()) and all(talk.pieces)
    turns = [who for who, *_ in every] == [k % 2 for k in range(len(every))]
    answered = True
    at = [0, 0]
    acks = {(who, p.start): p.ack for who in (0, 1) for p in talk.pieces[who]}
    asked = 0
    for who, data, *_ in every:
        ack = acks.get((who, at[who]), 0)
        if who and 0 < ack <= asked:
            answered = False
        if not who:
            asked = at[0]
        at[who] += len(data)
    kept = all(is_kept for _, _, is_kept, _ in every)
    assert bursts(streams).in_order.tolist() == [clean and kept and turns and answered]


def test_connections_do_not_mix() -> None:
    one, other = Talk().client(get("/a")), Talk(frame=1).server(ok(b"x"))
    third = Talk(frame=2).client(get("/b")).server(ok(b"y"))
    found = bursts(table([one, other, third]))
    assert found.stream.tolist() == [0, 3, 4, 5]
    assert found.in_order.tolist() == [False, False, True]
    assert len(bursts(table([]))) == 0


def test_no_bursts() -> None:
    found = no_bursts(table([Talk().client(get("/a")).server(ok(b"x"))]))
    assert (len(found), found.first.tolist(), found.in_order.tolist()) == (0, [0], [False])
    assert found.row.dtype == np.int64
