"""Field sections: remembered blocks say what decoding them again would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h2.field_sections import FieldSection, FieldSections
from lbtrace.model.http import HeaderLine
from tests.http.h2.wire import End
from tests.laws import examples

_fields = st.lists(
    st.tuples(
        st.sampled_from([":method", ":path", ":status", ":authority", "x-a", "cookie", "date"]),
        st.sampled_from(["GET", "/", "200", "a", "b", ""]),
    ),
    max_size=5,
)


def alone(fields: list[tuple[str, str]]) -> FieldSection:
    """What one block says to a reader that has seen none."""
    return FieldSections().read(End().block(*fields), True)[0]


@examples(150)
@given(st.lists(_fields, max_size=4), st.lists(st.integers(0, 3), max_size=20))
def test_a_block_says_the_same_whenever_it_is_read(
    kinds: list[list[tuple[str, str]]], order: list[int]
) -> None:
    end, sections = End(), FieldSections()
    for k in order:
        fields = kinds[k % len(kinds)] if kinds else []
        section, malformed = sections.read(end.block(*fields), True)
        assert not malformed
        assert section == alone(fields)


def test_what_a_section_says() -> None:
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.example"),
        (":path", "/p"),
        ("content-encoding", "GZip"),
        ("content-length", "12"),
        ("content-length", "13"),
        ("x-empty", ""),
    ]
    section = alone(fields)
    assert section[:4] == ("POST", "/p", "a.example", "")
    assert [line.raw for line in section.lines] == [
        ":authority: a.example",
        "content-encoding: GZip",
        "content-length: 12",
        "content-length: 13",
        "x-empty: ",
    ]
    assert section.lines[0] == HeaderLine(":authority", "a.example", ":authority: a.example")
    assert (section.coding, section.declared, section.readable) == ("gzip", 12, True)
    assert alone([(":status", "404")]).status == "404"


def test_lengths_that_are_none() -> None:
    assert alone([("content-length", "")]).declared is None
    assert alone([("content-length", "-1")]).declared is None
    assert alone([("content-length", "²")]).declared is None
    assert alone([("content-length", "9" * 19)]).declared == int("9" * 19)
    assert alone([("content-length", "9" * 20)]).declared is None
    assert alone([("content-length", "0")]).declared == 0


def test_a_block_that_refers_to_what_was_not_seen_is_not_readable() -> None:
    """Index 62 is the first of the dynamic table (RFC 7541 §2.3.3)."""
    section, malformed = FieldSections().read(b"\x82\xbe", True)
    assert (section.method, section.readable, malformed) == ("GET", False, False)
    section, malformed = FieldSections().read(b"\x7e\x01v", True)
    assert (section.lines, section.readable, malformed) == ((), False, False)


def test_what_was_inserted_changes_what_the_same_bytes_mean() -> None:
    sections = FieldSections()
    assert not sections.read(b"\xbe", True)[0].readable
    sections.read(b"\x40\x01x\x01y", True)
    section, _ = sections.read(b"\xbe", True)
    assert [line.raw for line in section.lines] == ["x: y"]
    sections.read(b"\x40\x01x\x01z", True)
    section, _ = sections.read(b"\xbe", True)
    assert [line.raw for line in section.lines] == ["x: z"]
    sections.read(b"\x20", True)  # the table gets size 0
    assert not sections.read(b"\xbe", True)[0].readable


def test_a_malformed_block_loses_the_state() -> None:
    sections = FieldSections()
    sections.read(b"\x40\x01x\x01y", True)
    section, malformed = sections.read(b"\xbe\x80", True)
    assert ([line.raw for line in section.lines], section.readable, malformed) == (
        ["x: y"],
        False,
        True,
    )
    assert not sections.read(b"\xbe", True)[0].readable


def test_a_block_that_is_not_whole_is_not_remembered() -> None:
    sections = FieldSections()
    assert not sections.read(b"\x82", False)[0].readable
    assert sections.read(b"\x82", True)[0].readable
    assert not sections.read(b"\x82", False)[0].readable


def test_equal_blocks_and_lines_are_one_object() -> None:
    sections, end = FieldSections(), End()
    block = b"\x00\x01x\x01y"
    assert sections.read(block, True)[0] is sections.read(block, True)[0]
    first, second = (
        sections.read(end.block(("cookie", "same"), ("x", value)), True)[0] for value in "ab"
    )
    assert first.lines[0] is second.lines[0]
    long = b"\x00\x01x\x7f" + b"\x84\x07" + b"y" * 1027
    assert sections.read(long, True)[0] == sections.read(long, True)[0]
    assert sections.read(long, True)[0] is not sections.read(long, True)[0]
