"""Text from a capture, made safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.render.wording.escape import INVISIBLE, cut, cut_end, shown


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
        ("a\u3164b\u115f\u2800", "a\\u{3164}b\\u{115f}\\u{2800}"),  # letters without a shape
        ("\u2764\ufe0f", "\u2764\\u{fe0f}"),  # a variation selector
        ("e\u0301\u0323", "e\u0301\u0323"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + "\\u{301}" * 2),
        ("\u0301", "\\u{301}"),  # on nothing
        ("caf\udce9", "caf\\xe9"),  # a file name that is no UTF-8
        ("→ \xe2\x80\xa6 \xff", "→ … \xff"),  # our own words beside text of the wire
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


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_cut_text_keeps_its_ends(text: str, width: int) -> None:
    left, mark, right = cut(text, width).partition("…")
    if len(text) > width > 1 and "…" not in text:
        assert mark
        assert text.startswith(left)
        assert text.endswith(right)
        assert len(left) >= len(right)
        assert len(cut(text, width)) == len(cut_end(text, width)) == width
        assert text.startswith(cut_end(text, width).removesuffix("…"))


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_what_is_hidden_can_be_read_back(raw: str) -> None:
    plain = raw.replace("\\", "/")
    assert shown(plain).encode().decode("unicode_escape") == plain


@given(st.text(st.characters(min_codepoint=0x100), max_size=20))
def test_letters_of_all_scripts_are_shown_as_they_are(text: str) -> None:
    letters = "".join(
        c for c in text if unicodedata.category(c).startswith("L") and c not in INVISIBLE
    )
    assert shown(letters) == letters
