"""Whatever is written on a page fits it, and nothing is lost but what is cut with a mark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lbtrace.render import Detail, View
from lbtrace.render.terminal.page import _BATCH, Cell, Column, Page, Remark

texts = st.text("ab ·─日本語é", max_size=30)
columns = st.lists(
    st.builds(
        Column,
        title=st.text("xyz", max_size=6),
        right=st.booleans(),
        flexible=st.booleans(),
        cut=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def written(rows: Sequence[list[str] | Remark], shape: list[Column], **view: int) -> list[str]:
    out = io.StringIO()
    table: list[list[Cell] | Remark] = [r if isinstance(r, Remark) else [*r] for r in rows]
    Page(out, View(**view)).table(shape, table)  # type: ignore[arg-type]
    return out.getvalue().splitlines()


def test_a_yielding_column_gives_way_before_another_is_cut() -> None:
    """By up to half of its width: then both do."""
    shape = [Column("a", flexible=True, cut=True), Column("b", flexible=True, yielding=True)]
    row = ["x" * 30, "word " * 6 + "word."]
    lines = written([row], shape, width=52)
    assert lines[1].startswith(f" {'x' * 30}  word word word word")
    assert lines[2].split() == ["word"] * 2 + ["word."]
    assert "…" in written([row], shape, width=42)[1]


@given(columns, st.data(), st.integers(40, 90), st.booleans())
def test_a_table_fits_the_page(
    shape: list[Column], data: st.DataObject, width: int, colour: bool
) -> None:
    row = st.lists(texts, min_size=len(shape), max_size=len(shape))
    rows = data.draw(st.lists(row | texts.map(Remark), max_size=6))
    for line in written(rows, shape, width=width, colour=colour):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        assert cell_len(plain) <= width
        assert colour or not plain.endswith(" ")


@given(
    st.lists(st.lists(st.text("ab", min_size=1, max_size=5), min_size=2, max_size=2), min_size=1)
)
def test_columns_are_aligned(rows: list[list[str]]) -> None:
    lines = written(rows, [Column("left"), Column("right", right=True)], width=80)
    assert len(lines) == len(rows) + 1
    assert len({len(line) for line in lines}) == 1
    for line, (left, right) in zip(lines[1:], rows, strict=True):
        assert line.split() == [left, right]
        assert line.startswith(f" {left} ")
        assert line.endswith(f" {right}")


@given(st.text("ab ", min_size=50, max_size=300))
def test_what_wraps_is_there_word_by_word(text: str) -> None:
    lines = written([[text, "x"]], [Column(flexible=True), Column()], width=40)
    found = " ".join(lines).split()
    assert "".join(found).replace("x", "") == text.replace(" ", "")


@pytest.mark.parametrize("ascii_only", [False, True])
@given(text=st.text("a日é", min_size=1, max_size=60), width=st.integers(1, 60))
def test_a_cut_text_has_the_width(ascii_only: bool, text: str, width: int) -> None:
    page = Page(io.StringIO(), View(ascii_only=ascii_only))
    plain, short = page.plain(text), page.cut(text, width)
    assert cell_len(short) == min(width, cell_len(plain))
    assert short == plain or width < cell_len(plain)


def test_what_is_cut_has_a_mark_where_it_was_cut() -> None:
    (line,) = written([["a" * 60 + "b" * 40]], [Column(flexible=True, cut=True)], width=40)
    assert re.fullmatch(r" a+…b+", line)
    assert len(line) == 40


@pytest.mark.parametrize("remarks", [(), (_BATCH,), (0,), (_BATCH - 1,), (2 * _BATCH - 1, _BATCH)])
def test_tables_of_any_length_are_laid_out(remarks: tuple[int, ...]) -> None:
    """Batches may begin, end or consist of a remark."""
    count = 2 * _BATCH
    rows: list[list[str] | Remark] = [[str(n)] for n in range(count)]
    for place in remarks:
        rows[place] = Remark("odd")
    for cut in (count, _BATCH + 1):
        lines = written(rows[:cut], [Column()], width=80)
        assert [line.strip() for line in lines] == [
            "odd" if n in remarks else str(n) for n in range(cut)
        ]


@pytest.mark.parametrize(
    ("everything", "shown", "line"),
    [(False, [0, 1, 2], "… and 7 more rows"), (True, list(range(10)), "")],
)
def test_some_rows_or_all(everything: bool, shown: list[int], line: str) -> None:
    out = io.StringIO()
    page = Page(out, View(detail=Detail.EVERYTHING if everything else Detail.REASONS))
    some = page.some(range(10), 3)
    assert list(some) == shown
    page.more(10, len(some), "rows")
    assert line in out.getvalue()
    assert bool(out.getvalue()) is bool(line)


@given(st.text(max_size=60), st.booleans())
def test_no_control_character_is_written(text: str, ascii_only: bool) -> None:
    out = io.StringIO()
    page = Page(out, View(ascii_only=ascii_only))
    page.line(text)
    page.prose(text)
    page.hanging([text], text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out.getvalue())
    assert not ascii_only or out.getvalue().isascii()


@given(st.text("ab", max_size=20), st.lists(st.text("cd", min_size=1, max_size=30)))
def test_a_paragraph_hangs_behind_its_lead(lead: str, words: list[str]) -> None:
    out = io.StringIO()
    column = Page(out, View(width=80)).hanging([lead], " ".join(words))
    assert column == len(lead) + 1
    first, *others = out.getvalue().splitlines()
    assert first.startswith(f" {lead}".rstrip())
    assert all(line.startswith(" " * column) and line[column] != " " for line in others)
    told = [first[column:], *(line[column:] for line in others)]
    assert " ".join(told).split() == words
    assert all(len(line) <= 80 for line in (first, *others))


@pytest.mark.parametrize("width", range(40, 80))
def test_a_number_is_not_broken_at_its_blanks(width: int) -> None:
    out = io.StringIO()
    text = "it has 3 000 000 bytes or more, and in 2 034 cases \ue000 12 345 or 404 500"
    Page(out, View(width=width)).hanging(["P1 "], text.replace("\ue000 ", ""))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert " ".join(lines).split() == ["P1", *text.replace("\ue000 ", "").split()]
    assert any("3 000 000" in line for line in lines)
    assert any("2 034" in line for line in lines)
    assert any("12 345" in line for line in lines)
    Page(out, View(width=width)).hanging(["P2 "], text)
    assert "\ue000" in out.getvalue()
