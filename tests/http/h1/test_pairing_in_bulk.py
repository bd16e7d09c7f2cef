"""Of a plain connection, all talks together give the pairs, the exchanges and the weirds that each
of them gives alone.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.bulk.bulk_connections import BulkConnections
from lbtrace.http.connection import ConnectionReader
from lbtrace.http.h1 import exchanges
from lbtrace.http.h1.pairing import pair
from lbtrace.http.h1.pairing_in_bulk import PairedTalks, Talk, paired
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Exchange
from lbtrace.options import DEFAULT
from tests.http import streams
from tests.http.streams import get, ok, table
from tests.laws import examples

BODY = b"b" * 40


def waiting(*talks: streams.Talk, careful: bool = False) -> list[Talk]:
    """What waits for being paired when these connections are read."""
    held = table(talks)
    bulk = BulkConnections(held, True, lambda _fraction: None, careful)
    reading = ConnectionReader(held, DEFAULT, bulk.ready(), [False] * len(talks))
    for number in range(len(talks)):
        reading.connection(number)
    return reading._waiting


def pairs_of(pairing: PairedTalks, talks: list[Talk]) -> list[list[tuple[int, int, bool]]]:
    """The pairs and halves of each talk, numbered as on its connection."""
    q, a = pairing.requests, pairing.answers
    found: list[list[tuple[int, int, bool]]] = [[] for _ in talks]
    for t, i, j in zip(*(column.tolist() for column in pairing.steps()), strict=True):
        own = i if i < 0 else i - int(q.first[t]), j if j < 0 else j - int(a.first[t])
        found[t].append((*own, False))
    return found


Told = tuple[list[Exchange], list[tuple[int, ...]], object, list[int]]


def together(talks: list[Talk]) -> Told:
    out: list[Exchange] = []
    rows, weirds = array("q"), Weirds()
    made = exchanges.build_all(talks, weirds, out, rows)
    return *_sorted(out, rows), weirds.diagnostics(), made


def one_by_one(talks: list[Talk]) -> Told:
    out: list[Exchange] = []
    rows, weirds = array("q"), Weirds()
    made = []
    for talk in talks:
        before = len(out)
        connection, requests, responses, unasked = talk
        exchanges.build(connection, requests, responses, weirds, out, rows, unasked)
        made.append(len(out) - before)
    return *_sorted(out, rows), weirds.diagnostics(), made


def _sorted(out: list[Exchange], rows: array[int]) -> tuple[list[Exchange], list[tuple[int, ...]]]:
    return (
        sorted(out, key=lambda e: (e.connection, e.ordinal)),
        sorted(tuple(rows[k : k + 6]) for k in range(0, len(rows), 6)),
    )


def damaged(random: Random, rate: float, depth: int) -> streams.Talk:
    """A conversation of which so many segments are lost, and as many come again, late, or without
    the right acknowledgement; `depth` requests are sent ahead.
    """
    talk = streams.Talk(syn=random.random() < 0.8)
    turns = [random.randint(1, depth) for _ in range(random.randint(0, 12))]
    for ahead in turns:
        said = [(0, get(f"/{random.randint(0, 9)}")) for _ in range(ahead)]
        for _ in range(ahead):
            status = "408 Request Timeout" if random.random() < 0.05 else "200 OK"
            answer = ok(b"x" * random.randint(0, 40), status=status)
            if random.random() < 0.05:
                answer = b"HTTP/1.1 100 Continue\r\n\r\n" + answer
            said.append((1, answer))
        for who, data in said:
            at = random.randint(1, len(data) - 1) if random.random() < 0.5 else len(data)
            for piece in filter(None, (data[:at], data[at:])):
                talk.say(
                    who,
                    piece,
                    lost=random.random() < rate,
                    repeated=random.random() < rate,
                    ack=random.choice((None, 0, -1, random.randint(0, talk.sent[1 - who])))
                    if random.random() < rate
                    else None,
                )
    for pieces in talk.pieces:  # packets that overtake each other
        for one, other in pairwise(pieces):
            if random.random() < rate:
                one.frame, other.frame = other.frame, one.frame
                one.repeated = True
    return talk.fin() if random.random() < 0.5 else talk


@examples(400)
@given(
    st.integers(0, 1 << 40),
    st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.3]),
    st.integers(1, 3),
    st.booleans(),
)
def test_all_together_are_told_as_each_alone(
    seed: int, rate: float, depth: int, careful: bool
) -> None:
    random = Random(seed)
    talks = waiting(
        *(damaged(random, rate, random.randint(1, depth)) for _ in range(random.randint(1, 6))),
        careful=careful,
    )
    if not talks:
        return
    pairing = paired(talks)
    for found, talk, plain in zip(pairs_of(pairing, talks), talks, pairing.plain, strict=True):
        assert found == (pair(talk.requests, talk.responses) if plain else [])
    assert together(talks) == one_by_one(talks)


def calm(exchanges_: int, talk: streams.Talk | None = None) -> streams.Talk:
    talk = talk or streams.Talk()
    for _ in range(exchanges_):
        talk.client(get("/a")).server(ok(BODY))
    return talk


@pytest.mark.parametrize(
    ("talk", "pairs"),
    [
        (calm(3), [(0, 0), (1, 1), (2, 2)]),
        (calm(2, calm(1).client(get("/b"))), [(0, 0), (1, 1), (2, 2), (3, -1)]),
        (
            calm(2, calm(1).client(get("/b"), lost=True).server(ok(BODY))),
            [(0, 0), (-1, 1), (1, 2), (2, 3)],
        ),
        (
            calm(2, calm(1).client(get("/b")).server(ok(BODY), lost=True)),
            [(0, 0), (1, -1), (2, 1), (3, 2)],
        ),
        (calm(2, streams.Talk(syn=False)), [(0, 0), (1, 1)]),
        (streams.Talk().client(get("/a")), [(0, -1)]),
        (streams.Talk().client(get("/a"), lost=True).server(ok(BODY)), [(-1, 0)]),
    ],
)
def test_what_is_plain(talk: streams.Talk, pairs: list[tuple[int, int]]) -> None:
    talks = waiting(talk, careful=True)
    pairing = paired(talks)
    assert pairing.plain.tolist() == [True]
    assert pairs_of(pairing, talks) == [[(i, j, False) for i, j in pairs]]


@pytest.mark.parametrize(
    "talk",
    [
        calm(1, calm(1).client(get("/b")).client(get("/c"), lost=True).client(get("/d"))),
        calm(1, calm(1).client(get("/b")).server(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(BODY))),
        streams.Talk().server(ok(BODY)).client(get("/a")).server(ok(BODY)),
        streams.Talk(syn=False).client(get("/a"), ack=-1).server(ok(BODY), ack=-1),
        # the first of a chain of responses has no request, the second has one
        streams.Talk()
        .client(get("/a"))
        .server(ok(), lost=True)
        .client(get("/b"))
        .server(ok(), ack=42)
        .client(get("/c"))
        .server(ok()),
    ],
)
def test_what_is_left_to_the_plain_road(talk: streams.Talk) -> None:
    assert paired(waiting(talk, careful=True)).plain.tolist() == [False]
