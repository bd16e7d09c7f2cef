"""A frame of a capture point is a number in one of its files: the one that `Trace.ref` names."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from tests.render import founding


def rotated(counts: list[int]) -> Trace:
    """A capture point whose files have these many frames."""
    starts = accumulate([1, *counts[:-1]])
    files = [founding.file(f"{n}.pcap", n, first) for n, first in zip(counts, starts, strict=True)]
    return replace(founding.client_trace(), files=tuple(files))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.lists(st.integers(1, 30)))
def test_one_by_one_and_in_columns_it_is_the_frame_of_the_trace(
    counts: list[int], frames: list[int]
) -> None:
    trace = rotated(counts)
    writer, column = FrameWriter(trace), np.array(frames, np.int64)
    expected = [(ref.file, ref.number) for ref in (trace.ref(frame, 0) for frame in frames)]
    assert [writer.split(frame) for frame in frames] == expected
    files = writer.files(column)
    assert (
        list(zip(files.tolist(), writer.numbers(column, files).tolist(), strict=True)) == expected
    )


def test_no_frame_stays_none() -> None:
    for counts in ([9], [2, 3]):
        writer, column = FrameWriter(rotated(counts)), np.array([0, 4])
        assert writer.numbers(column, writer.files(column))[0] == 0
        assert writer.keys("syn", None) == '"syn_frame":null,"syn_file":null'
    assert FrameWriter(rotated([2, 3])).keys("syn", 4) == '"syn_frame":2,"syn_file":1'
