"""The page as a whole."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tests.render import founding
from tests.render.documents import page

replace = dataclasses.replace


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    for result in (founding.report(), founding.client_trace()):
        assert max(map(len, page(result, width=width).splitlines())) <= width


def test_no_line_ends_in_blanks() -> None:
    assert not re.search(r" $", page(), re.MULTILINE)


def test_the_first_lines_tell_the_story() -> None:
    top = "\n".join(page().splitlines()[:20])
    for told in (
        "L7 proxy, looks like AWS ALB",
        "confidence: high",
        "192.168.0.5",
        "3.35.166.21:80",
        "172.31.42.119",
        "1.240.235.98",
        "1 : 1",
        "1 : 4",
        "X-Forwarded-For: 1.240.235.98",
    ):
        assert told in top


def test_ascii_only_pages_hold_nothing_else() -> None:
    assert page(ascii_only=True).isascii()
    assert "--->" in page(ascii_only=True)


def test_colour_changes_nothing_but_colour() -> None:
    coloured = page(colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r" +$", "", re.sub(r"\x1b\[[0-9;]*m", "", coloured), flags=re.MULTILINE) == page()
