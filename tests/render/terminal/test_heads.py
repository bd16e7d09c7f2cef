"""Two heads beside each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import HeaderLine
from lbtrace.render.terminal.heads import Beside, beside, start_line
from tests.render.founding import lines, request, response


def signs(came: tuple[HeaderLine, ...], went: tuple[HeaderLine, ...]) -> list[tuple[str, str]]:
    return [(row.sign, row.came or row.went or "") for row in beside(came, went)]


def test_each_line_stands_beside_the_same_line() -> None:
    came = lines("Host: a", "Cookie: 1", "Accept: x", "Cookie: 2")
    went = lines("X-First: 1", "host: a", "Cookie: 1", "Via: b", "Cookie: 3")
    assert signs(came, went) == [
        ("+", "X-First: 1"),
        ("~", "Host: a"),
        (" ", "Cookie: 1"),
        ("+", "Via: b"),
        ("-", "Accept: x"),
        ("~", "Cookie: 2"),
    ]


def test_lines_in_another_order_are_the_same_lines() -> None:
    assert signs(lines("A: 1", "B: 2"), lines("B: 2", "A: 1")) == [(" ", "A: 1"), (" ", "B: 2")]


line = st.builds(
    lambda name, value: HeaderLine(name, value, f"{name}: {value}"),
    st.sampled_from(["A", "a", "B", "C"]),
    st.sampled_from(["1", "2"]),
)


@given(st.lists(line, max_size=8), st.lists(line, max_size=8))
def test_every_line_stands_once(came: list[HeaderLine], went: list[HeaderLine]) -> None:
    rows = beside(came, went)
    assert [row.came for row in rows if row.came is not None] == [held.raw for held in came]
    assert sorted(row.went for row in rows if row.went is not None) == sorted(
        held.raw for held in went
    )
    assert all(row.sign == " " for row in beside(came, came))
    assert Beside(None, None).sign == "+"


def test_a_start_line_is_that_of_http_1() -> None:
    assert start_line(request("/a", 1, 0, ())) == "GET /a HTTP/1.1"
    assert start_line(response("1", 1, 0, 404)) == "HTTP/1.1 404 OK"
    assert start_line(response("1", 1, 0)._replace(status=0, reason="", version="HTTP/0.9")) == (
        "HTTP/0.9"
    )
