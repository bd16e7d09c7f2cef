"""Numbers of texts: whatever is forgotten or not looked up, a number names its text."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from lbtrace.http.bulk import head_dictionary as dictionary
from lbtrace.http.bulk.head_dictionary import (
    CODED,
    ODD,
    UPGRADE,
    HeadDictionary,
    TextNumbers,
)
from lbtrace.http.h1.body_length import CHUNKED, SIZED
from lbtrace.http.h1.framing import framing_fields
from lbtrace.http.h1.head import parse_lines
from lbtrace.model.http import HeaderLine
from tests.laws import examples

_LINES = st.sampled_from(
    (
        b"Host: a", b"X:y", b"X:  y ", b"Content-Length: 5", b"content-length:6",
        b"Content-Length: +5", b"Content-Length: 5, 5", b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip", b"Upgrade: h2c", b"Content-Encoding: GZip",
        b"Content-Encoding: br", b"no colon", b": nameless", b"blank : x", b" folded", b"A: \0",
        b"B: \rb", b"C: \xff", b"Connection: close", b"E:", b"F: ",
    )
)  # fmt: skip


@examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(0, 30).map(str).map(str.encode), max_size=8), max_size=40),
    st.integers(0, 9),
    st.integers(1, 6),
)
def test_a_number_names_its_text(
    monkeypatch: pytest.MonkeyPatch, batches: list[list[bytes]], remembered: int, many: int
) -> None:
    monkeypatch.setattr(dictionary, "_MANY", many)
    numbering, texts = TextNumbers(remembered), list[bytes]()
    for batch in batches:
        numbers, new = numbering.of(batch, len(texts))
        texts += new
        assert [texts[number] for number in numbers.tolist()] == batch


@examples(300)
@given(st.lists(st.lists(_LINES, min_size=1, max_size=4), min_size=1, max_size=6))
def test_what_a_block_says_is_what_its_lines_say(blocks: list[list[bytes]]) -> None:
    words = HeadDictionary()
    numbers = words.blocks([b"\r\n".join(lines) for lines in blocks], side=0)
    heads = words.heads([], [])
    values = heads.blocks()
    told = zip(
        numbers.tolist(),
        words.flags(numbers).tolist(),
        words.lengths(numbers).tolist(),
        blocks,
        strict=True,
    )
    for number, flags, length, lines in told:
        known: dict[bytes, HeaderLine] = _Parsed()
        block = parse_lines(lines, known)
        assert bool(flags & ODD) == bool(block.fields.weirds) or (flags & SIZED and flags & CHUNKED)
        if flags & ODD:
            continue
        assert values[number] == block.lines
        fields = framing_fields(values[number], ())
        assert (flags & CHUNKED != 0, flags & UPGRADE != 0) == (
            fields.chunked,
            bool(fields.upgrade),
        )
        assert (length if flags & SIZED else None) == fields.declared
        assert words.coding(number) == fields.coding
        assert bool(flags & CODED) == bool(fields.coding)


class _Parsed(dict[bytes, HeaderLine]):
    def __missing__(self, raw: bytes) -> HeaderLine:
        text = raw.decode("latin-1")
        name, colon, value = text.partition(":")
        return HeaderLine(name, value.strip(" \t"), text) if colon else HeaderLine("", text, text)
