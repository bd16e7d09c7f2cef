"""What an exchange says of itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import Exchange, Interim
from tests.render import founding

ASKED, ANSWERED = founding.request("/", 4, 100, ()), founding.response("1", 6, 300)


@given(st.integers(0, 99), st.integers(0, 99))
def test_the_total_is_from_the_first_byte_to_the_last(begin: int, end: int) -> None:
    exchange = Exchange(
        0,
        0,
        1,
        ASKED._replace(first_ns=begin, last_ns=50),
        ANSWERED._replace(first_ns=50, last_ns=end),
    )
    # the clock was set back when the answer ended before the request began
    assert exchange.total_ns == (end - begin if end >= begin else None)


def test_half_an_exchange_has_no_total() -> None:
    whole = Exchange(0, 0, 1, ASKED, ANSWERED)
    assert whole.total_ns == 200
    assert whole._replace(request=None).total_ns is None
    assert whole._replace(response=None).total_ns is None


def test_an_exchange_begins_with_what_was_captured_of_it() -> None:
    whole = Exchange(0, 0, 1, ASKED, ANSWERED)
    assert whole.first_frame == 4
    assert whole._replace(request=None).first_frame == 6
    assert whole._replace(request=None, response=None).first_frame == 0
    interim = (Interim(100, (), 5, 200),)
    assert whole._replace(request=None, interim=interim).first_frame == 5
