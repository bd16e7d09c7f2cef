"""Bursts are cut into start line, header block and body."""

from __future__ import annotations

import numpy as np
import pytest

from lbtrace.http.bulk.head_dictionary import ODD
from lbtrace.http.bulk.heads import LONG_HEAD, CutHeads, PlainHeads
from tests.http.bulk.test_burst_bytes import lying


def cut(reader: PlainHeads, burst: bytes, size: int | None = None) -> CutHeads:
    held = lying([[burst]], None if size is None else [size])
    return reader.cut(0, held, np.array([0]))


def test_a_burst_has_three_parts() -> None:
    reader = PlainHeads()
    found = cut(reader, b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\nbody\r\n\r\nmore")
    assert found.head.tolist() == [33]
    assert reader.start(0, 0) == b"GET / HTTP/1.1"
    assert reader.block(0) == b"\r\nHost: a\r\nB: c"
    assert found.bodies == [b"body\r\n\r\nmore"]
    assert found.flags.tolist() == [0]


@pytest.mark.parametrize("burst", [b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1", b""])
def test_a_head_that_does_not_end_counts_as_empty(burst: bytes) -> None:
    reader = PlainHeads()
    found = cut(reader, burst)
    assert reader.start(0, 0) == b""
    assert found.flags.tolist() == [ODD]
    assert found.bodies == [b""]


@pytest.mark.parametrize("more", [0, 1])
def test_a_head_too_long_to_be_remembered_counts_as_empty(more: int) -> None:
    reader, begin = PlainHeads(), b"GET / HTTP/1.1\r\nX: "
    found = cut(reader, begin + b"y" * (LONG_HEAD - len(begin) - 4 + more) + b"\r\n\r\nbody")
    assert reader.start(0, 0) == (b"" if more else b"GET / HTTP/1.1")
    assert found.flags.tolist() == [ODD * more]
