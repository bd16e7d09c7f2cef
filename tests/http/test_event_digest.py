"""Server-sent events, counted while the bytes pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.event_digest import EventCounter, EventDigest
from tests.laws import examples

PARTS = (b"data: a", b"data", b"data:", b"dataset: 1", b": keep", b"id: 7", b"\n", b"\r", b"\r\n")


def counted(*parts: bytes) -> int:
    counter = EventCounter()
    for part in parts:
        counter.update(part)
    return counter.events


def by_the_book(text: bytes) -> int:
    """HTML, §9.2.6, on the whole text."""
    text = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    blocks = text.split(b"\n\n") if text else []
    events, data = 0, False
    for line in text.split(b"\n")[:-1]:
        if not line:
            events += data
            data = False
        data |= line.partition(b":")[0] == b"data"
    assert events <= len(blocks)
    return events


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\n\ndata: b\n\n", 2),
        (b"data: a\r\n\r\ndata: b\r\rdata\n\n", 3),
        (b"event: x\ndata: a\ndata: b\nid: 3\n\n", 1),
        (b": keep-alive\n\n: keep-alive\n\n", 0),
        (b"event: x\n\n", 0),
        (b"dataset: x\n\n", 0),
        (b"\xef\xbb\xbfdata: a\n\n", 1),
        (b"data: a\n", 0),  # the empty line has not come
        (b"", 0),
    ],
)
def test_an_event_ends_with_an_empty_line_and_has_data(text: bytes, events: int) -> None:
    assert counted(text) == by_the_book(text) == events


@examples(200)
@given(
    st.booleans(),
    st.lists(st.sampled_from(PARTS), max_size=20),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_however_the_bytes_come_the_events_are_the_same(
    bom: bool, parts: list[bytes], cuts: list[int]
) -> None:
    text = b"\xef\xbb\xbf" * bom + b"".join(parts)
    ends = [*sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    assert counted(*pieces) == by_the_book(text)


def test_the_digest_is_that_of_any_body() -> None:
    digest = EventDigest()
    digest.update(b"data: a\n")
    digest.update(b"\n")
    assert (digest.counter.events, digest.length) == (1, 9)
