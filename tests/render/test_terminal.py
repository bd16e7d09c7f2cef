"""The page for people."""

from __future__ import annotations

import io

import pytest

from lbtrace.render import View, get_format
from tests.render import founding


def page(width: int = 80, ascii_only: bool = False) -> str:
    out = io.StringIO()
    get_format("terminal").write_report(founding.report(), out, View(width=width, ascii_only=ascii_only))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    assert max(map(len, page(width).splitlines())) <= width


def test_the_first_lines_tell_the_story() -> None:
    top = "\n".join(page().splitlines()[:20])
    for told in (
        "L7 proxy, looks like AWS ALB",
        "confidence: high",
        "172.31.42.119",
        "1.240.235.98",
        "1 : 1",
        "1 : 4",
        "X-Forwarded-For: 1.240.235.98",
    ):
        assert told in top


def test_ascii_only_pages_hold_nothing_else() -> None:
    assert page(ascii_only=True).isascii()
