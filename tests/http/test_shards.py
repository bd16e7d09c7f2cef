"""Connections read in shards: together they are what one reader of all connections finds."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import http
from lbtrace.http import budget
from lbtrace.http.bulk.bulk_connections import BulkConnections
from lbtrace.http.connection import ConnectionReader
from lbtrace.http.h2.frames import PREFACE
from lbtrace.http.shards import Shard, can_be_joined, joined, moved, one_shard, read_shard
from lbtrace.options import Options, Progress, quiet
from lbtrace.tables.columns import Column
from tests.http.bulk.test_bulk_connections import bursts, plain_bursts, spoken
from tests.http.h2.wire import End, frame, settings_frame
from tests.http.streams import Talk, connection, hear, table


def cut_at(*cuts: int) -> http.Several:
    """Shards that end in front of these connections, each as another process hands it over."""

    def several(
        read: Callable[[int, int, Progress], Shard], costs: Column, progress: Progress
    ) -> Sequence[Shard]:
        bounds = [0, *sorted(cuts), len(costs)]
        return [pickle.loads(pickle.dumps(read(*pair, progress))) for pair in pairwise(bounds)]

    return several


def http2(paths: list[str], goaway: bytes) -> Talk:
    """A connection of HTTP/2 whose server says goodbye in some words."""
    client, server, talk = End(), End(), Talk()
    talk.say(0, PREFACE + settings_frame())
    for k, path in enumerate(paths):
        talk.say(0, client.ask(2 * k + 1, path))
        talk.say(1, server.answer(2 * k + 1, b"x" * k))
    talk.say(1, frame(7, 0, 0, bytes(8) + goaway))
    return talk


talks = (
    st.lists(plain_bursts, min_size=1, max_size=4).map(spoken)
    | st.lists(bursts, max_size=4).map(spoken)
    | st.builds(
        http2, st.lists(st.sampled_from(["/a", "/b"]), max_size=3), st.sampled_from([b"", b"bye"])
    )
)


@given(st.lists(talks, min_size=1, max_size=6), st.lists(st.integers(0, 6), max_size=3))
def test_shards_are_joined_to_what_one_reader_finds(held: list[Talk], cuts: list[int]) -> None:
    several = cut_at(*(min(cut, len(held)) for cut in cuts))
    assert hear(*held, several=several) == hear(*held)


def test_shards_that_use_what_all_share_are_read_again_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exchanges that are spare."""
    monkeypatch.setattr(budget, "SPARE", 3)
    monkeypatch.setattr(budget, "BYTES_EACH", 80)
    few, more, many = (http2(["/a"] * k, b"") for k in (1, 4, 6))
    spent = [shards(talk, cuts=())[0].spent for talk in (few, more, many)]
    assert spent == [0, 2, 3]
    for held, joins in (
        ((few, few), True),
        ((few, more), True),
        ((more, more), False),
        ((few, many), False),
        ((many, few), False),
    ):
        assert can_be_joined(shards(*held, cuts=(1,))) == joins
        heard = hear(*held)
        assert ("exchanges-limited" in heard.slugs) != joins
        assert hear(*held, several=cut_at(1)) == heard


def shards(*held: Talk, cuts: tuple[int, ...]) -> Sequence[Shard]:
    """The shards of these connections."""
    found: list[Sequence[Shard]] = []

    def several(
        read: Callable[[int, int, Progress], Shard], costs: Column, progress: Progress
    ) -> Sequence[Shard]:
        found.append(cut_at(*cuts)(read, costs, progress))
        return one_shard(read, costs, progress)

    connections = [connection(i) for i in range(len(held))]
    http.exchanges(connections, table(held), Options(), quiet, several=several)
    return found[0]


class Item(NamedTuple):
    """What was found on a connection, whatever it is."""

    connection: int


def test_all_that_a_reader_finds_is_in_its_shard() -> None:
    """A list that a reader gets and a shard has not would be lost wherever shards are joined."""
    streams = table([Talk()])
    bulk = BulkConnections(streams, True, lambda _fraction: None)
    reading = ConnectionReader(streams, Options(), bulk.ready(), [False])
    held = {k for k, v in vars(reading).items() if isinstance(v, list | dict | set | array)}
    # in the table, in the control frames, paired at the end
    elsewhere = {"rows", "_control", "_texts", "_waiting"}
    asked = {"guessed", "_sizes"}
    assert held - elsewhere - asked <= {f.name for f in fields(Shard)}


def test_all_that_is_in_a_shard_is_moved_and_joined() -> None:
    streams = table([Talk()])
    first, second = (
        read_shard(streams, np.zeros(1, bool), range(1), Options(), quiet) for _ in range(2)
    )
    names = {f.name for f in fields(Shard) if isinstance(getattr(second, f.name), list | dict)}
    names -= {"applications"}  # they have no number: they stand in order
    for name in names:
        held = getattr(second, name)
        setattr(second, name, [Item(2)] if isinstance(held, list) else {(2, 7): (1, 1)})
    shard = joined([first, moved(second, 5)])
    for name in names:
        held = getattr(shard, name)
        assert held == ([Item(7)] if isinstance(held, list) else {(7, 7): (1, 1)}), name
