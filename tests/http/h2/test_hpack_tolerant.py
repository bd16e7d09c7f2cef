"""HPACK of a reader that may have missed the beginning; the hpack library is the oracle."""

from __future__ import annotations

import hpack
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
