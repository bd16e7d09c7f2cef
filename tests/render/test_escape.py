"""Nothing that came from a capture reaches the terminal raw."""

from __future__ import annotations

import dataclasses
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import Behaviour, ChangeKind, HeaderChange
from lbtrace.model.report import Report, Value
from lbtrace.render import View, get_format
from lbtrace.render.wording.escape import cut, cut_end, shown
from lbtrace.render.wording.statements import filled
from tests.laws import examples
from tests.render import founding

CLEAR_SCREEN, MARKUP, TURNED, LINK = (
    "\x1b[2J",
    "[bold red]x[/]",
    "\u202e",
    "\x1b]8;;http://evil\x07",
)


@pytest.mark.parametrize(
    ("raw", "visible"),
    [
        ("plain /path?a=b", "plain /path?a=b"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\r\nc", "a\\x09b\\x0d\\x0ac"),
        ("\x9b31m", "\\x9b31m"),
        ("caf\xc3\xa9", "café"),  # UTF-8 on the wire
        ("caf\xe9", "café"),  # latin-1 on the wire
        ("\xe2\x80\xae", "\\u{202e}"),  # a right-to-left override, in UTF-8
        ("\xa0", "\\xa0"),
        ("日本", "日本"),
        ("[red]", "[red]"),
    ],
)
def test_examples(raw: str, visible: str) -> None:
    assert shown(raw) == visible


@given(st.text(max_size=40))
def test_everything_shown_is_printable(raw: str) -> None:
    assert shown(raw).isprintable()


@given(st.text("abcdef", max_size=40), st.integers(0, 30))
def test_cuts_fit(text: str, width: int) -> None:
    assert len(cut(text, width)) <= width
    assert len(cut_end(text, width)) <= width
    if len(text) <= width:
        assert cut(text, width) == cut_end(text, width) == text


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
        Behaviour.VARYING,
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


def page(report: Report, colour: bool = False) -> str:
    out = io.StringIO()
    get_format("terminal").write_report(report, out, View(width=100, colour=colour))
    get_format("terminal").write_trace(report.clients[0], out, View(width=100, colour=colour))
    return out.getvalue()


@pytest.mark.parametrize(
    "nasty", [CLEAR_SCREEN, MARKUP, TURNED, LINK, "\x00", "\x9b2J", "\r", "\u2028", "{0}", "{seen}"]
)
def test_a_page_holds_no_raw_control_character(nasty: str) -> None:
    text = page(hostile(nasty))
    assert all(c == "\n" or c.isprintable() for c in text)
    if nasty.isprintable():
        assert nasty in text


def test_markup_is_not_interpreted_in_colour_either() -> None:
    assert "[bold red]x[/]" in page(hostile(MARKUP), colour=True)


@examples(25)
@given(st.text(st.characters(max_codepoint=0xFF), max_size=12))
def test_whatever_the_wire_carried_the_page_is_printable(nasty: str) -> None:
    assert all(c == "\n" or c.isprintable() for c in page(hostile(nasty)))


def test_statements_are_filled_once() -> None:
    assert (
        filled("{a} and {b}, {c}", (Value("a", "{b}"), Value("b", 1_500_000, "ns")))
        == "{b} and 1.5 ms, {c}"
    )
