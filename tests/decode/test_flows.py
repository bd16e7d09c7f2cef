"""The numbers of flows: as a dictionary would give them, batch by batch, however many there are and
wherever they fall in the table.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.compiled import Core
from lbtrace.decode.flows import FlowBook, flow_table
from lbtrace.decode.rows import V6_BIT, SegmentRows
from tests.compiled import CORE, road
from tests.laws import examples

flow = st.tuples(
    *[st.integers(0, 3) for _ in range(4)], st.sampled_from([80, 80 << 16, V6_BIT | 80])
)


@examples(60)
@given(st.lists(st.lists(flow, min_size=1, max_size=40), max_size=5))
def test_numbers_are_those_of_a_dictionary(batches: list[list[tuple[int, ...]]]) -> None:
    book, expected = FlowBook(), dict[tuple[int, ...], int]()
    for batch in batches:
        low_a, low_b, high_a, high_b, ports = np.array(batch, np.uint64).T
        numbers = book.number((low_a, low_b, high_a, high_b, ports))
        assert numbers.tolist() == [expected.setdefault(words, len(expected)) for words in batch]
    assert [tuple(words) for words in book.words.tolist()] == list(expected)


@examples(60)
@given(st.lists(st.lists(flow, min_size=1, max_size=40), min_size=1, max_size=5))
def test_both_roads_number_rows_alike(batches: list[list[tuple[int, ...]]]) -> None:
    def rows(batch: list[tuple[int, ...]]) -> SegmentRows:
        ends = np.array(batch, np.uint64).T
        ends[[0, 2]] *= ends[4] >= V6_BIT  # IPv4 has no upper halves
        names = "source_a", "source_b", "target_a", "target_b", "ports"
        empty = SegmentRows.empty().with_columns(record=np.arange(len(batch)))
        return empty.with_columns(**dict(zip(names, map(np.ascontiguousarray, ends), strict=True)))

    def numbered(cores: list[Core | None]) -> list[object]:
        book, found = FlowBook(), list[object]()
        for batch, core in zip(batches, cores, strict=True):
            with road(core):
                found.append([column.tolist() for column in book.of_rows(rows(batch))])
        return [*found, book.words.tolist()]

    plain = numbered([None] * len(batches))
    assert numbered([CORE] * len(batches)) == plain
    in_turns = [CORE if k % 2 else None for k in range(len(batches))]
    assert numbered(in_turns) == plain, "one table serves both roads"


def test_the_table_grows() -> None:
    book = FlowBook()
    chance = np.random.default_rng(1)
    for size in (3_000, 1, 70_000):
        words = chance.integers(0, 1 << 16, size).astype(np.uint64)
        before = book.count
        numbers = book.number((None, words, None, words, np.zeros(size, np.uint64)))
        assert (book.words[numbers, 1] == words).all()
        fresh = numbers[numbers >= before]
        assert fresh[np.sort(np.unique(fresh, return_index=True)[1])].tolist() == list(
            range(before, book.count)
        )
    assert book.count == len(np.unique(book.words[:, 1]))


def test_each_address_is_written_out_once() -> None:
    words = np.array(
        [[0, 1, 0, 2, 7 << 16 | 80], [0, 1, 0, 3, 80], [0, 1, 0, 2, V6_BIT | 9]], np.uint64
    )
    flows = flow_table(words)
    assert sorted(flows.addresses) == ["0.0.0.1", "0.0.0.2", "0.0.0.3", "::1", "::2"]
    assert [tuple(map(str, pair)) for pair in flows] == [
        ("0.0.0.1:7", "0.0.0.2:80"),
        ("0.0.0.1:0", "0.0.0.3:80"),
        ("[::1]:0", "[::2]:9"),
    ]
