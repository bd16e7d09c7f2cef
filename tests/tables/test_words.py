"""What recurs has one number, and the number leads back to it."""

from __future__ import annotations

from operator import itemgetter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h1.head import field_line
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.tables.words import MARKS, Distinct, Words, bits_of, joint, numbering, numbers

names = st.sampled_from(["Host", "host", "HOST", "Via"])
lines = st.lists(
    st.builds(
        lambda name, value: HeaderLine(name, value, f"{name}: {value}"), names, st.text(max_size=1)
    ),
    max_size=8,
)


def field_line_of(raw: str) -> HeaderLine:
    """A field line as it is read."""
    return field_line(raw.encode("latin-1"))


@given(st.lists(st.text(max_size=1)))
def test_equal_things_have_one_number(things: list[str]) -> None:
    known = numbering()
    found = numbers(known, things).tolist()
    assert [list(known)[n] for n in found] == things
    assert sorted(set(found)) == list(range(len(set(things))))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), min_size=1))
def test_equal_rows_are_joined_to_one_number(rows: list[tuple[int, int]]) -> None:
    found = joint(*(np.array(list(map(itemgetter(k), rows))) for k in (0, 1))).tolist()
    assert len(set(found)) == len(set(rows)) == len(set(zip(found, rows, strict=True)))


def test_equal_rows_have_one_number() -> None:
    one, other = np.array([3, 3, 4, 3]), np.array([7, 8, 7, 7])
    assert joint(one, other)[[0]] == joint(one, other)[[3]]
    assert len(set(joint(one, other).tolist())) == 3


@given(st.lists(st.sampled_from(Mark)))
def test_a_set_of_marks_is_one_number(marks: list[Mark]) -> None:
    bits = bits_of(marks)
    assert {mark for mark, bit in MARKS.items() if bits & bit} == set(marks)
    assert Words().marks[tuple(marks)] == bits


def _has_name(raw: str) -> bool:
    return raw.find(":") > 0


any_text = st.text(st.sampled_from("Aa: \t\r\né한"), max_size=4)
sent_lines = st.text(st.sampled_from("Aa: \té"), max_size=6).map(field_line_of)
any_lines = st.lists(st.builds(HeaderLine, any_text, any_text, any_text) | sent_lines, max_size=8)


@given(any_lines)
def test_lines_are_what_they_were_by_their_numbers(found: list[HeaderLine]) -> None:
    words = Words()
    held = numbers(words.lines, found).tolist()
    assert [words.line_list[n] for n in held] == found
    assert list(words.line_list) == list(dict.fromkeys(found))
    (names, of), (numbered, value_of) = words.line_list.names, words.line_list.values
    values = list(numbered)
    assert list(numbered.values()) == list(range(len(values)))
    assert [names[n] for n in of.tolist()] == [line.name for line in words.line_list]
    assert len(names) == len(set(names))
    assert [values[n] for n in value_of.tolist()] == [line.value for line in words.line_list]


@given(st.lists(st.text(st.sampled_from("Aa: \té"), max_size=6).filter(_has_name)))
def test_a_line_has_the_number_of_its_bytes(raws: list[str]) -> None:
    words = Words()
    one = numbers(words.sent, [raw.encode("latin-1") for raw in raws]).tolist()
    assert numbers(words.lines, map(field_line_of, raws)).tolist() == one


@given(lines)
def test_a_line_says_a_field_whatever_its_letter_case(found: list[HeaderLine]) -> None:
    words = Words()
    numbers(words.lines, found)
    every = words.line_list
    assert every == list(dict.fromkeys(found))
    said = [(line.name.lower(), line.value) for line in every]
    assert len(set(words.field_value_of.tolist())) == len(set(said))
    assert [words.field_values[n] for n in words.field_value_of.tolist()] == [
        value for _, value in said
    ]
    assert words.fields_named("host".__eq__).tolist() == [name == "host" for name, _ in said]


@given(st.lists(st.binary(max_size=2)), st.lists(st.binary(max_size=2)))
def test_lines_that_are_distinct_have_the_numbers_that_others_have(
    one: list[bytes], other: list[bytes]
) -> None:
    first = list(dict.fromkeys(one))
    listed, plain = Words(), Words()
    for lines in (first, other):
        assert (
            listed.sent_lines.of(Distinct(lines) if lines is first else lines).tolist()
            == plain.sent_lines.of(lines).tolist()
        )
        assert list(listed.sent_lines) == list(plain.sent_lines)
    assert listed.sent == plain.sent


def test_the_first_text_is_none() -> None:
    words = Words()
    assert numbers(words.texts, ["a", None, "a"]).tolist() == [1, 0, 1]
    assert words.text_list == ["", "a"]
