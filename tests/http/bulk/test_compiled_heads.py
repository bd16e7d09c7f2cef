"""The compiled heads find what the plain ones find."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.bulk.compiled_heads import CompiledHeads, heads
from lbtrace.http.bulk.heads import HeadReader, PlainHeads
from lbtrace.http.h1.body_length import SIZED
from lbtrace.tables.columns import running
from tests.compiled import CORE, needs_core, road
from tests.compiled.heads import messages
from tests.laws import examples


def found(reader: HeadReader, batches: list[tuple[int, list[bytes]]]) -> list[object]:
    """All that a reader says of some batches, with texts in the place of numbers."""
    said: list[object] = []
    blocks, starts = list[int](), tuple[list[int], list[int]](([], []))
    for side, bursts in batches:
        bounds = running(np.array([len(burst) for burst in bursts], np.int64))
        cut = reader.cut(side, b"".join(bursts), bounds, np.diff(bounds))
        length = np.where(cut.flags & SIZED, cut.length, 0)
        said.append([column.tolist() for column in (cut.head, cut.kind, cut.flags, length)])
        said.append(cut.bodies)
        said.append([reader.start(side, number) for number in cut.start.tolist()])
        said.append([(reader.block(k), reader.coding(k)) for k in cut.block.tolist()])
        blocks += cut.block.tolist()
        starts[side].extend(cut.start.tolist())
    texts = reader.texts()
    said.append(texts.blocks(np.array(blocks, np.int64)))
    said.append([texts.requests[number] for number in starts[0]])
    said.append([texts.statuses[number] for number in starts[1]])
    return said


@needs_core
@examples(400)
@given(st.lists(st.tuples(st.integers(0, 1), st.lists(messages, max_size=5)), max_size=4))
def test_both_find_the_same(batches: list[tuple[int, list[bytes]]]) -> None:
    assert CORE is not None
    assert found(CompiledHeads(CORE), batches) == found(PlainHeads(), batches)


@needs_core
def test_a_text_has_one_number() -> None:
    assert CORE is not None
    reader = CompiledHeads(CORE)
    burst = b"GET / HTTP/1.1\r\nHost: a\r\nX:  b\r\n\r\n"
    bounds = len(burst) * np.arange(3)
    for _ in range(2):
        cut = reader.cut(0, 2 * burst, bounds, np.diff(bounds))
        assert cut.start.tolist() == cut.block.tolist() == [0, 0]
    texts = reader.texts()
    assert texts.lines == [b"Host: a", b"X:  b"]
    assert texts.loose == {1}


@needs_core
def test_the_core_is_used_where_it_is() -> None:
    with road(CORE):
        assert isinstance(heads(), CompiledHeads)
    with road(None):
        assert isinstance(heads(), PlainHeads)
