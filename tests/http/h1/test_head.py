"""The quick road for header blocks says what the slow one says, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h1.head import HeadCaches, move_behind_head, parse_lines
from tests.http.streams import Talk, table
from tests.laws import examples

_NAMES = (
    b"Host",
    b"content-length",
    b"Content-Length ",
    b"Transfer-Encoding",
    b"Connection",
    b"X",
    b"",
    b"a b",
    b"Upgrade",
    b"\xe4",
)
_VALUES = (b" 5", b"6", b"close", b" chunked", b"", b"a\rb", b"\0", b" gzip", b"\t x \t")
_fields = st.builds(
    lambda name, value: name + b":" + value, st.sampled_from(_NAMES), st.sampled_from(_VALUES)
)
_others = st.one_of(
    st.sampled_from((b" fold", b"\tfold")),
    st.binary(max_size=6).filter(lambda raw: b"\n" not in raw),
)
_shared = HeadCaches()


@examples(300)
@given(st.lists(st.one_of(_fields, _others), max_size=6))
def test_a_header_block_is_read_as_its_lines_are(lines: list[bytes]) -> None:
    raw = b"".join(b"\r\n" + line for line in lines)
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert _shared.block[raw] == parse_lines(
        raw.split(b"\r\n")[1:], {line: HeadCaches().block.line[line] for line in raw.split(b"\r\n")}
    )


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n"])
@pytest.mark.parametrize("size", [10, 4093, 4094, 4096, 20_000, 65_500])
def test_the_end_of_a_head_is_found_wherever_it_is(size: int, end: bytes) -> None:
    talk = Talk()
    talk.server(b"before").server(b"x" * (size // 2)).server(b"x" * (size - size // 2) + end)
    cursor = Cursor(StreamPieces(table([talk.server(b"body")])), 1)
    assert move_behind_head(cursor, 6)
    assert cursor.peek(9) == b"body"


@pytest.mark.parametrize(
    "said",
    [
        (),  # nothing was captured
        (b"x" * (1 << 16), b"\r\n\r\n"),  # it is too long
        (b"x" * 100,),  # it has no end
    ],
)
def test_a_head_that_is_not_there(said: tuple[bytes, ...]) -> None:
    talk = Talk().client(b"asked\r\n\r\n")
    for part in said:
        talk.server(part)
    assert not move_behind_head(Cursor(StreamPieces(table([talk])), 1), 0)


def test_a_head_in_front_of_the_first_byte_captured() -> None:
    talk = Talk().server(b"lost\r\n\r\n", lost=True).server(b"here\r\n\r\n")
    assert not move_behind_head(Cursor(StreamPieces(table([talk])), 1), 0)
