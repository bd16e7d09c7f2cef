"""Texts are found where they are written."""

from __future__ import annotations

import pytest

from lbtrace.language.extract import found_in, texts


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('tr("a")', [("a", "")]),
        ('language.tr("a" "b")', [("ab", "")]),
        ('X = N("a")', [("a", "")]),
        ('form("{n} a", "{n} as", 2)', [("{n} a", "{n} as")]),
        ('units.counted("{n} a", "{n} as", n, b="c")', [("{n} a", "{n} as")]),
        ('units.plural(n, "fish")', [("{n} fish", "{n} fishs")]),
        ('units.plural(n, "fish", "fish")', [("{n} fish", "{n} fish")]),
        ('W = Texts({1: "a", 2: "b"})', [("a", ""), ("b", "")]),
        ("text(name)", []),
        ('tr(f"{n} a")', []),
        ('tr("")', []),
        ('other("a")', []),
        ("text()", []),
        ("plural(n)", []),
        ("(lambda: 1)()", []),
    ],
)
def test_what_a_module_says(source: str, found: list[tuple[str, str]]) -> None:
    assert list(found_in(source)) == found


def test_the_whole_source_is_read() -> None:
    found = {text.one: text.module for text in texts()}
    assert found["Question: "] == "lbtrace/lesson/__init__.py"
    assert found["{n} problem"] == "lbtrace/render/terminal/overview.py"
