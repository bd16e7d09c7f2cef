"""A side as columns says what its exchanges say, and what is asked pair by pair is what is asked of
one pair.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest

from lbtrace.match.exchange_times import (
    Facts,
    body_key,
    body_keys,
    may_be_answer,
    may_be_answer_each,
    may_be_caused,
    may_be_caused_each,
    read,
)
from lbtrace.model.http import Exchange
from lbtrace.model.net import Side
from lbtrace.pipeline import inspect
from lbtrace.tables.exchanges import Exchanges
from lbtrace.tables.messages import Messages
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import both_sides, side_table
from lbtrace.tables.words import Words, bits_of
from tests.simulator.random_simulations import random_simulation

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module", params=range(8))
def sides(request: pytest.FixtureRequest) -> tuple[SideTable, SideTable]:
    recorded = random_simulation(request.param).run()
    return both_sides(recorded.clients, recorded.backends)


def _exchanges(table: SideTable) -> list[Exchange]:
    return [e for trace in table.traces for e in trace.exchanges]


def test_columns_say_what_the_exchanges_say(sides: tuple[SideTable, SideTable]) -> None:
    for table in sides:
        lines, digests = table.words.line_list, table.words.digests
        for i, e in enumerate(_exchanges(table)):
            assert table.exchange(i) == e
            assert table.connection_ref(int(table.connection[i])) == (
                int(table.point[i]),
                e.connection,
            )
            for messages, message in ((table.requests, e.request), (table.responses, e.response)):
                assert messages.there[i] == (message is not None)
                if message is None:
                    continue
                head = messages.heads.line[messages.heads.first[i] : messages.heads.first[i + 1]]
                assert tuple(lines[n] for n in head.tolist()) == message.lines
                assert (messages.first_ns[i], messages.last_ns[i]) == (
                    message.first_ns,
                    message.last_ns,
                )
                assert messages.marks[i] == bits_of(message.marks)
                assert digests[int(body_keys(messages)[i])] == (body_key(message.body) or "")


def test_pair_by_pair_is_as_one_pair(sides: tuple[SideTable, SideTable]) -> None:
    client: Facts = read(Side.CLIENT, sides[0])
    backend: Facts = read(Side.BACKEND, sides[1])
    pairs = list(islice(product(range(len(client)), range(len(backend))), 5000))
    cs, bs = np.array(pairs, np.int64).reshape(-1, 2).T
    caused = [may_be_caused(client.exchange(c), backend.exchange(b)) for c, b in pairs]
    answers = [may_be_answer(client.exchange(c), backend.exchange(b)) for c, b in pairs]
    assert may_be_caused_each(client, backend, cs, bs).tolist() == caused
    assert may_be_answer_each(client, backend, cs, bs).tolist() == answers


@pytest.mark.parametrize(
    "sample", sorted(path.parent.name for path in SAMPLES.glob("*/client.pcap"))
)
def test_rows_are_read_as_their_exchanges_are(sample: str) -> None:
    """A side of which no exchange is made has the columns that its exchanges have."""
    recorded = [inspect([str(path)]) for path in sorted((SAMPLES / sample).glob("*.pcap"))]
    made = [replace(trace, exchanges=list(trace.exchanges)) for trace in recorded]
    rows, objects = side_table(recorded, Words()), side_table(made, Words())
    assert len(rows) == len(objects) == sum(len(trace.exchanges) for trace in recorded)
    assert [told(rows, name) for name in ("point", "connection", "marks", "interim")] == [
        told(objects, name) for name in ("point", "connection", "marks", "interim")
    ]
    for mine, theirs in ((rows.requests, objects.requests), (rows.responses, objects.responses)):
        for name in Messages.declared:
            if name != "heads":
                digest = name in ("digest", "content_digest")
                text = name in ("version", "method") or (name == "start" and mine is rows.requests)
                values = [getattr(m, name).tolist() for m in (mine, theirs)]
                if text or digest:
                    values = [
                        [(t.words.digests if digest else t.words.text_list)[n] for n in column]
                        for t, column in zip((rows, objects), values, strict=True)
                    ]
                assert values[0] == values[1], name
        for i in range(len(rows)):
            assert mine.heads.lines(rows.words, i) == theirs.heads.lines(objects.words, i)
        assert mine.heads.first.tolist() == theirs.heads.first.tolist()


def told(table: SideTable, name: str) -> list[int]:
    column: list[int] = getattr(table, name).tolist()
    return column


def test_a_start_line_that_no_row_uses_is_not_read() -> None:
    """A PROXY header begins a turn that is told by no row, but its text may be kept beside the
    others.
    """
    trace = inspect([str(SAMPLES / "nginx" / "backend.pcap")], Side.BACKEND)
    held = trace.exchanges
    assert isinstance(held, Exchanges)
    assert len(held.table)
    expected = side_table([trace], Words()).requests.start.tolist()
    held.table.heads.requests.append(b"PROXY TCP4 192.168.0.5 10.0.0.1 40000 80")
    held.table.heads.statuses.append(b"220 mail")
    assert side_table([trace], Words()).requests.start.tolist() == expected


@pytest.mark.parametrize(
    "sample", sorted(path.parent.name for path in SAMPLES.glob("*/client.pcap"))
)
def test_without_texts_everything_else_is_as_with_them(sample: str) -> None:
    """What a page counts and lists by, read without a word of the heads."""
    recorded = [inspect([str(path)]) for path in sorted((SAMPLES / sample).glob("*.pcap"))]
    whole, bare = side_table(recorded, Words()), side_table(recorded, Words(), texts=False)
    assert [told(bare, name) for name in ("point", "connection", "marks", "interim")] == [
        told(whole, name) for name in ("point", "connection", "marks", "interim")
    ]
    texts = {"heads", "method", "version", "digest", "content_digest"}
    for mine, theirs in ((bare.requests, whole.requests), (bare.responses, whole.responses)):
        for name in (
            Messages.declared.keys() - texts - ({"start"} if mine is bare.requests else set())
        ):
            assert getattr(mine, name).tolist() == getattr(theirs, name).tolist(), name
        assert len(mine.heads) == len(theirs.heads)
