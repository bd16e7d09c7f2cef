"""The compiled heads find what the plain ones find."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.bulk.compiled_heads import CompiledHeads, heads
from lbtrace.http.bulk.heads import HeadReader, PlainHeads
from lbtrace.http.bulk.start_lines import request_kinds
from lbtrace.http.h1.body_length import SIZED
from tests.compiled import CORE, needs_core, road
from tests.compiled.heads import messages
from tests.http.bulk.test_burst_bytes import lying
from tests.laws import examples


def found(reader: HeadReader, batches: list[tuple[int, list[list[bytes]]]]) -> list[object]:
    """All that a reader says of some batches, with texts in the place of numbers."""
    said: list[object] = []
    blocks, starts = list[int](), tuple[list[int], list[int]](([], []))
    for side, bursts in batches:
        cut = reader.cut(side, lying(bursts), np.arange(len(bursts)))
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


in_pieces = st.builds(
    lambda data, cuts: [data[a:b] for a, b in pairwise((0, *sorted(cuts), len(data)))],
    messages,
    st.lists(st.integers(0, 300), max_size=2),
)


@needs_core
@examples(400)
@given(st.lists(st.tuples(st.integers(0, 1), st.lists(in_pieces, max_size=5)), max_size=4))
def test_both_find_the_same(batches: list[tuple[int, list[list[bytes]]]]) -> None:
    assert CORE is not None
    assert found(CompiledHeads(CORE), batches) == found(PlainHeads(), batches)


@needs_core
def test_a_text_has_one_number() -> None:
    assert CORE is not None
    reader = CompiledHeads(CORE)
    burst = b"GET / HTTP/1.1\r\nHost: a\r\nX:  b\r\n\r\n"
    for _ in range(2):
        cut = reader.cut(0, lying([[burst], [burst[:9], burst[9:]]]), np.arange(2))
        assert cut.start.tolist() == cut.block.tolist() == [0, 0]
    texts = reader.texts()
    assert texts.lines == [b"Host: a", b"X:  b"]
    assert texts.loose == {1}


REQUESTS = [b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"CONNECT / HTTP/1.1", b"PROXY / HTTP/1.1"]
methods = st.text("AZ-_az", max_size=4) | st.sampled_from(["HEAD", "PROXY", "A" * 24, "A" * 25])
targets = st.builds(
    lambda begin, rest: begin + rest,
    st.sampled_from(["/", "*", ""]),
    st.text("a/ \x00\x7f\xe9", max_size=4) | st.sampled_from(["y" * 2000, "y" * 2001]),
)
versions = st.sampled_from([" HTTP/1.1", " HTTP/1.0", "HTTP/1.1", " HTTP/1.1 ", " HTTP/2.0", ""])
request_lines = st.builds(
    lambda *parts: "".join(parts).encode("latin-1"),
    methods,
    st.sampled_from([" ", "  ", ""]),
    targets,
    versions,
)


@needs_core
@examples(400)
@given(st.lists(st.sampled_from(REQUESTS) | request_lines, max_size=8))
def test_request_lines_are_of_one_kind(lines: list[bytes]) -> None:
    assert CORE is not None
    held = lying([[line + b"\r\n\r\n"] for line in lines])
    kinds = CompiledHeads(CORE).cut(0, held, np.arange(len(lines))).kind.tolist()
    assert kinds == list(request_kinds(lines))


@needs_core
def test_the_core_is_used_where_it_is() -> None:
    with road(CORE):
        assert isinstance(heads(), CompiledHeads)
    with road(None):
        assert isinstance(heads(), PlainHeads)
