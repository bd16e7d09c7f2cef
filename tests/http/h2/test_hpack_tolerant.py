"""HPACK of a reader that may have missed the beginning; the hpack library is the oracle."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h2.hpack_tolerant import Decoder, HpackField, MalformedBlockError
from tests.laws import examples


@examples(60)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["x-a", "x-b", ":path", "cookie", "accept"]),
                st.text("abc/*~", max_size=40),
            ),
            max_size=5,
        ),
        max_size=6,
    )
)
def test_the_decoder_reads_what_the_library_writes(blocks: list[list[tuple[str, str]]]) -> None:
    encoder, decoder = hpack.Encoder(), Decoder()
    for k, fields in enumerate(blocks):
        block = encoder.encode(fields, huffman=k % 2 == 0)
        assert decoder.decode(block) == [HpackField(n.encode(), v.encode()) for n, v in fields]


@examples(200)
@given(st.binary(max_size=80))
def test_the_decoder_takes_any_bytes(block: bytes) -> None:
    try:
        fields = Decoder().decode(block)
    except MalformedBlockError as error:
        fields = error.fields
    assert len(fields) <= len(block)


def decoded(decoder: Decoder, block: bytes) -> list[tuple[bytes | None, bytes | None]]:
    return [(name, value) for name, value in decoder.decode(block)]


NEW = b"\x40\x01%c\x01v"  # a literal that is inserted (§6.2.1); it costs 34 bytes of the table


def test_the_oldest_entries_leave_when_the_table_is_full() -> None:
    """§4.4: a table of 70 bytes holds two such entries."""
    decoder = Decoder()
    decoder.decode(b"\x3f\x27" + NEW % b"a" + NEW % b"b")
    assert decoded(decoder, b"\xbe\xbf\xc0") == [(b"b", b"v"), (b"a", b"v"), (None, None)]
    decoder.decode(NEW % b"c")
    assert decoded(decoder, b"\xbe\xbf\xc0") == [(b"c", b"v"), (b"b", b"v"), (None, None)]
    decoder.decode(b"\x3f\x03")  # 34 bytes: one entry stays
    assert decoded(decoder, b"\xbe\xbf") == [(b"c", b"v"), (None, None)]
    decoder.decode(b"\x20")
    assert decoded(decoder, b"\xbe") == [(None, None)]
    decoder.decode(b"\x3f\x27" + NEW % b"d")
    assert decoded(decoder, b"\xbe\xbf") == [(b"d", b"v"), (None, None)]


def test_an_entry_that_is_larger_than_the_table_empties_it() -> None:
    decoder = Decoder()
    decoder.decode(b"\x3f\x27" + NEW % b"a")
    decoder.decode(b"\x40\x7f\x00" + b"n" * 127 + b"\x01v")
    assert decoded(decoder, b"\xbe") == [(None, None)]


def test_the_ways_to_write_a_literal() -> None:
    """§6.2: with indexing, without, never; with a name of the static table, or of the dynamic."""
    decoder = Decoder()
    for first in (0x40, 0x00, 0x10):
        assert decoded(decoder, bytes([first]) + b"\x01x\x01y") == [(b"x", b"y")]
        assert decoded(decoder, bytes([first | 4]) + b"\x02/a") == [(b":path", b"/a")]
    assert decoded(decoder, b"\x7e\x01z") == [(b":path", b"z")]
    assert decoded(decoder, b"\xbf\xc0") == [(b":path", b"/a"), (b"x", b"y")]


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        b"\x82\x00\x01x\x02y",
        b"\x82\x00\x02x",
        b"\x82\x04",
        b"\x82\xff",
        b"\x82\xff\x80",
        b"\x82\xff" + b"\xff" * 10,
        b"\x82\x00\x81\x00\x01y",
    ],
)
def test_a_block_that_is_cut_or_wrong_gives_what_came_before(block: bytes) -> None:
    with pytest.raises(MalformedBlockError) as caught:
        Decoder().decode(block)
    assert caught.value.fields == ([HpackField(b":method", b"GET")] if len(block) > 1 else [])


def test_what_a_block_may_unfold_to_is_limited() -> None:
    """256 KiB and its own bytes: 7 entries of 36 kB do, 8 do not."""
    decoder = Decoder()
    size = 36_000 - 33
    decoder.decode(
        b"\x3f" + integer(40_000 - 31) + b"\x40\x01x\x7f" + integer(size - 127) + b"y" * size
    )
    assert len(decoder.decode(b"\xbe" * 7)) == 7
    with pytest.raises(MalformedBlockError) as caught:
        decoder.decode(b"\xbe" * 8)
    assert len(caught.value.fields) == 8


def test_fields_that_stand_in_the_block_itself_may_be_larger() -> None:
    literal = b"\x00\x01x\x7f" + integer(600_000 - 127) + b"y" * 600_000
    assert len(Decoder().decode(literal)) == 1


def integer(rest: int) -> bytes:
    """What follows a full prefix (§5.1)."""
    out = b""
    while rest >= 0x80:
        out, rest = out + bytes([rest & 0x7F | 0x80]), rest >> 7
    return out + bytes([rest])
