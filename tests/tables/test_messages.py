"""Field lines of messages as numbers: what is asked of all of them is what is asked of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import Exchange, Mark
from lbtrace.tables.messages import NO_VALUE, SEVERAL_VALUES, Heads
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import side_table
from lbtrace.tables.words import Words
from tests.render import founding

HOSTS: Final = ("Host: a", "host: b", "Via: 1.1 x", "Accept: */*")
said = st.lists(st.lists(st.sampled_from(HOSTS), max_size=4), min_size=1, max_size=5)


def table_of(heads: list[list[str]], marks: tuple[Mark, ...] = ()) -> SideTable:
    """A request with each of these heads."""
    exchanges = []
    for i, head in enumerate(heads):
        request = founding.request("/", i + 1, i, founding.lines(*head))
        exchanges.append(Exchange(i, 0, i + 1, request._replace(marks=marks), None))
    trace = founding.client_trace()
    return side_table([replace(trace, exchanges=exchanges)], Words())


@given(said)
def test_what_a_field_says(heads: list[list[str]]) -> None:
    table = table_of(heads)
    words, q = table.words, table.requests
    hosts = [[line for line in head if line.lower().startswith("host")] for head in heads]
    for i, found in enumerate(hosts):
        number, line = int(q.value_of(words, "host")[i]), int(q.line_of(words, "host")[i])
        if not found:
            assert (number, line) == (NO_VALUE, NO_VALUE)
            continue
        assert words.line_list[line].raw == found[0]
        if len(found) > 1:
            assert number == SEVERAL_VALUES
        else:
            assert words.field_values[number] == found[0].partition(": ")[2]
    assert q.having(words, "host").tolist() == list(map(bool, hosts))
    for name in ("host", "no-such-field"):
        sorted_once, looked_for = q.heads.of_field(words, name), words.fields_named(name.__eq__)
        for one, other in zip(sorted_once, q.heads.which(looked_for), strict=True):
            assert one.tolist() == other.tolist()


@given(said, st.data())
def test_how_many_have_a_field(heads: list[list[str]], data: st.DataObject) -> None:
    table = table_of(heads)
    words, of = table.words, st.lists(st.integers(0, len(heads) - 1), max_size=7)
    rows = data.draw(of)
    counted = table.requests.heads.counted(words, np.array(rows, np.int64))
    names = [{line.partition(":")[0].lower() for line in heads[row]} for row in rows]
    expected = {name: sum(name in held for held in names) for name in words.fields}
    assert dict(zip(words.fields, counted.tolist(), strict=True)) == expected


@given(said)
def test_heads_are_equal_when_their_lines_are(heads: list[list[str]]) -> None:
    table = table_of(heads)
    lines = table.requests.heads
    pairs = [(i, j) for i in range(len(heads)) for j in range(len(heads))]
    mine, theirs = np.array(pairs).T
    assert lines.equal(mine, lines, theirs).tolist() == [heads[i] == heads[j] for i, j in pairs]
    rows = lines.rows()
    assert [rows[i] == rows[j] for i, j in pairs] == [heads[i] == heads[j] for i, j in pairs]


@given(said)
def test_each_line_has_its_owner(heads: list[list[str]]) -> None:
    table = table_of(heads)
    lines, words = table.requests.heads, table.words
    assert lines.owner.tolist() == [i for i, head in enumerate(heads) for _ in head]
    assert [[line.raw for line in lines.lines(words, i)] for i in range(len(heads))] == heads
    owner, line = lines.which(words.fields_named("via".__eq__))
    assert [
        (o, words.line_list[n].raw) for o, n in zip(owner.tolist(), line.tolist(), strict=True)
    ] == [(i, raw) for i, head in enumerate(heads) for raw in head if raw.startswith("Via")]
    size, found = lines.of(np.arange(len(heads))[::-1])
    assert size.tolist() == [len(head) for head in heads[::-1]]
    assert [words.line_list[n].raw for n in found.tolist()] == [
        x for head in heads[::-1] for x in head
    ]


def test_a_head_that_was_cut_is_not_whole() -> None:
    assert table_of([["Host: a"]]).requests.whole_heads.tolist() == [True]
    assert table_of([["Host: a"]], (Mark.HEAD_TRUNCATED,)).requests.whole_heads.tolist() == [False]
    assert table_of([["Host: a"]], (Mark.PIPELINED,)).requests.whole_heads.tolist() == [True]
    assert table_of([["Host: a"]]).responses.whole_heads.tolist() == [False]  # there is none


def test_names_stand_for_lines_when_asked_for() -> None:
    heads = Heads(np.array([0, 2, 3]), np.array([0, 1, 0], np.int32))
    assert heads.rows(np.array([7, 7])) == [bytes([7, 0, 0, 0] * 2), bytes([7, 0, 0, 0])]
