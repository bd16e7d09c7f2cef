"""The quick road for header blocks says what the slow one says, line by line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h1.head import HeadCaches, parse_lines
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
