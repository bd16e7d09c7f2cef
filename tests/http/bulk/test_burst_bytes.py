"""The bytes of bursts are found where their pieces are."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.bulk import burst_bytes
from lbtrace.http.bulk.burst_bytes import BurstBytes
from lbtrace.http.bulk.bursts import Bursts
from lbtrace.tables.columns import running
from lbtrace.tables.packets import StreamTable
from tests.compiled import on_both


def lying(bursts: Sequence[Sequence[bytes]], sizes: Sequence[int] | None = None) -> BurstBytes:
    """Bursts of one piece or more, which lie in two buffers, in turns, the last one first.
    `sizes`: of the bursts, where a burst is to lack something.
    """
    buffers, places = [b"", b""], list[tuple[int, int, int]]()
    pieces = [piece for burst in bursts for piece in burst]
    for number, piece in reversed(list(enumerate(pieces))):
        places.append((number % 2, len(buffers[number % 2]), len(piece)))
        buffers[number % 2] += piece + b"\r\n"
    buffer, payload, length = np.array(places[::-1], np.int64).reshape(-1, 3).T
    streams = SimpleNamespace(
        buffers=buffers,
        buffer=buffer.astype(np.uint8),
        payload=payload,
        length=length.astype(np.uint32),
    )
    first = running(np.array(list(map(len, bursts)), np.int64))
    whole = [sum(map(len, burst)) for burst in bursts]
    held = Bursts(
        np.arange(len(pieces)),
        first,
        np.zeros(len(bursts), np.int64),
        np.array(whole if sizes is None else sizes, np.int64),
        np.zeros(len(bursts), bool),
        np.zeros(0, bool),
    )
    return BurstBytes(cast(StreamTable, streams), held)


pieces = st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=4)


@given(st.lists(pieces, min_size=1, max_size=5), st.data())
def test_some_bursts_joined(bursts: list[list[bytes]], data: st.DataObject) -> None:
    which = data.draw(st.lists(st.integers(0, len(bursts) - 1), min_size=1))
    plain, compiled = on_both(lambda: lying(bursts).joined(np.array(which))[0])
    assert plain == compiled == b"".join(b"".join(bursts[k]) for k in which)
    bounds = lying(bursts).joined(np.array(which))[1].tolist()
    assert np.diff(bounds).tolist() == [sum(map(len, bursts[k])) for k in which]


def test_of_a_large_burst_only_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst_bytes, "LARGE", 9)
    monkeypatch.setattr(burst_bytes, "BEGINNING", 4)
    held = lying([[b"abc", b"def", b"ghi", b"j"], [b"kl", b"mn"]])
    text, bounds = held.joined(np.array([0, 1]))
    assert text == b"abcdefklmn"
    assert bounds.tolist() == [0, 6, 10]


def test_pieces_without_their_first_bytes() -> None:
    found = on_both(lambda: lying([[b"abc", b"def"]]).pieces(np.arange(2), np.array([2, 0])))
    assert found == (b"cdef", b"cdef")
