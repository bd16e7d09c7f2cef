"""Nothing that came from a capture reaches the terminal raw."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern
from lbtrace.model.report import Report, Value
from tests.laws import examples
from tests.render import founding
from tests.render.documents import page

CLEAR_SCREEN, MARKUP, TURNED, LINK = (
    "\x1b[2J",
    "[bold red]x[/]",
    "\u202e",
    "\x1b]8;;http://evil\x07",
)


def hostile(nasty: str) -> Report:
    """The founding experiment with nasty text everywhere a capture can put some."""
    report = founding.report()
    traces = []
    for trace in (*report.clients, *report.backends):
        exchanges = []
        for e in trace.exchanges:
            assert e.request is not None
            assert e.response is not None
            lines = (HeaderLine("X", nasty, f"X: {nasty}"),)
            exchanges.append(
                e._replace(
                    request=e.request._replace(
                        target=f"/{nasty}", method=nasty or "GET", lines=lines
                    ),
                    response=e.response._replace(reason=nasty),
                )
            )
        files = tuple(dataclasses.replace(f, path=f"{nasty}.pcap") for f in trace.files)
        traces.append(dataclasses.replace(trace, exchanges=exchanges, files=files))
    change = HeaderChange(
        True,
        ChangeKind.CHANGED,
        nasty or "X",
        Pattern.VARYING,
        1,
        4,
        f"X: {nasty}",
        f"X: {nasty}{nasty}",
        0,
    )
    finding = dataclasses.replace(
        report.findings[0], values=tuple(Value(v.name, nasty) for v in report.findings[0].values)
    )
    correlation = dataclasses.replace(report.correlation, changes=(change,))
    return dataclasses.replace(
        report,
        clients=(traces[0],),
        backends=(traces[1],),
        findings=(finding,),
        correlation=correlation,
    )


def pages(report: Report, colour: bool = False) -> str:
    """The page of the report, and that of its client capture."""
    trace = report.clients[0]
    return page(report, width=100, colour=colour) + page(trace, width=100, colour=colour)


@pytest.mark.parametrize(
    "nasty", [CLEAR_SCREEN, MARKUP, TURNED, LINK, "\x00", "\x9b2J", "\r", "\u2028", "{0}", "{seen}"]
)
def test_a_page_holds_no_raw_control_character(nasty: str) -> None:
    text = pages(hostile(nasty))
    assert all(c == "\n" or c.isprintable() for c in text)
    if nasty.isprintable():
        assert nasty in text


def test_markup_is_not_interpreted_in_colour_either() -> None:
    assert "[bold red]x[/]" in pages(hostile(MARKUP), colour=True)


@examples(25)
@given(st.text(st.characters(max_codepoint=0xFF), max_size=12))
def test_whatever_the_wire_carried_the_page_is_printable(nasty: str) -> None:
    assert all(c == "\n" or c.isprintable() for c in pages(hostile(nasty)))


# letters of two columns, of one, with marks, and what nobody sees or what turns a line around
LETTERS = {"\ud55c": "xx", "\uff21": "xx", "\xe9": "x", "e\u0301\u0301": "x", "x": "x"}


def on_the_wire(text: str) -> str:
    return text.encode().decode("latin-1")


def fixed(page_: str) -> list[list[tuple[int, str]]]:
    """Per line what stands there beside the nasty text, with its column."""
    found = []
    for line in page_.split("\n"):
        column, stand = 0, []
        for character in line:
            if cell_len(character) == 1 and character not in "x\xe9e \u2026":
                stand.append((column, character))
            column += cell_len(character)
        found.append(stand)
    return found


@examples(15)
@given(st.sampled_from(sorted(LETTERS)), st.integers(1, 45))
def test_columns_keep_their_place_whatever_the_letters(letter: str, count: int) -> None:
    """The page is that of as many x as the text has columns: target, host, field, value, file."""
    wide = pages(hostile(on_the_wire(letter * count)))
    narrow = pages(hostile(LETTERS[letter] * count))
    assert fixed(wide) == fixed(narrow)
    assert all(cell_len(line) <= 100 for line in wide.split("\n"))


@examples(15)
@given(
    st.text("\u202e\u2066\u200b\u200f\ufeff\u2028\u3164\u00ad\U000e0041ab\ud55c", max_size=9).map(
        on_the_wire
    )
)
def test_what_turns_a_line_round_or_is_not_seen_is_escaped(nasty: str) -> None:
    text = pages(hostile(nasty))
    assert not set(text) & set("\u202e\u2066\u200b\u200f\ufeff\u2028\u3164\u00ad\U000e0041")
    assert all(cell_len(line) <= 100 for line in text.split("\n"))


def test_a_mark_whose_letter_was_cut_off_is_not_put_on_the_ellipsis() -> None:
    text = pages(hostile(on_the_wire("e\u0301\u0301" * 40)))
    assert "\u2026" in text
    assert "\u2026\u0301" not in text
