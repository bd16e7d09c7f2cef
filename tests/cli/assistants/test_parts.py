"""Answers in parts: each within its budget, all of them the whole answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.cli.assistants.parts import DATA, MIN_BUDGET, divided, part
from lbtrace.errors import OptionError

TEXTS = st.lists(st.text(st.sampled_from("ab \n"), max_size=400), max_size=30).map("\n\n".join)
CURSOR = re.compile(r'cursor "([^"]+)"\.\Z')


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


@given(TEXTS, st.integers(120, 900))
def test_no_part_is_longer_than_there_is_room_and_nothing_is_lost(text: str, room: int) -> None:
    parts = divided(text, room)
    assert all(len(each) <= room for each in parts)
    whole = [line for line in lines(text) if len(line) < room]
    told = [line for each in parts for line in lines(each)]
    assert [line for line in told if "more characters)" not in line] == whole
    assert len(told) == len(lines(text))


def test_a_block_is_divided_only_if_it_must_be() -> None:
    blocks = [f"{letter * 30}\n{letter * 30}" for letter in "abcd"]
    assert divided("\n\n".join(blocks), 140) == [
        "\n\n".join(blocks[:2]),
        "\n\n".join(blocks[2:]),
    ]


def test_a_line_that_is_too_long_is_cut_and_it_is_said() -> None:
    assert divided("x" * 1000, 200) == ["x" * 140 + " … (860 more characters)"]


@given(TEXTS, st.integers(MIN_BUDGET, MIN_BUDGET + 500))
def test_the_cursors_lead_through_all_of_it(text: str, budget: int) -> None:
    found, cursor = [], ""
    while True:
        answer = part(text, cursor, budget)
        assert len(answer) <= budget
        assert answer.startswith(DATA)
        found += lines(answer)[1:]
        following = CURSOR.search(answer)
        if following is None:
            break
        assert found.pop().startswith("The next part: ")
        cursor = following[1]
    assert found == lines(text)


def test_a_cursor_of_another_answer_is_refused() -> None:
    cursor = CURSOR.search(part("a\n\n" * 3000, "", MIN_BUDGET))
    assert cursor is not None
    with pytest.raises(OptionError, match="of another answer"):
        part("b\n\n" * 3000, cursor[1], MIN_BUDGET)


@pytest.mark.parametrize("cursor", ["x", "0-", "99-abc", "-1", "٣-a", "9" * 90, "\x1b[31m"])
def test_a_cursor_that_is_none(cursor: str) -> None:
    with pytest.raises(OptionError, match="There is no such part"):
        part("text", cursor, MIN_BUDGET)
