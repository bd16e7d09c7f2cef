"""Options that make no sense are refused, whoever states them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.errors import OptionError
from lbtrace.options import MAX_OFFSET_NS, Options, parse_duration, parse_size


@given(st.integers(-MAX_OFFSET_NS, MAX_OFFSET_NS))
def test_an_offset_of_up_to_a_hundred_years_is_taken(offset_ns: int) -> None:
    assert Options(clock_offset_ns=offset_ns).clock_offset_ns == offset_ns


@given(st.integers(MAX_OFFSET_NS + 1), st.sampled_from([1, -1]))
def test_an_offset_of_more_is_an_error(offset_ns: int, sign: int) -> None:
    """Times are 64 bits wide: a further one would end in a traceback."""
    with pytest.raises(OptionError, match="more than 100 years") as refused:
        Options(clock_offset_ns=sign * offset_ns)
    assert refused.value.slug == "bad-clock-offset"


@pytest.mark.parametrize(
    ("text", "ns"),
    [("30s", 30_000_000_000), ("2m", 120_000_000_000), ("1.5", 1_500_000_000), ("5 MS", 5_000_000)],
)
def test_a_length_of_time(text: str, ns: int) -> None:
    assert parse_duration("--for", text) == ns


@pytest.mark.parametrize("text", ["", "0", "-1s", "+1s", "soon", "1d", "9999999h", "9" * 40])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(OptionError, match="not a length of time") as found:
        parse_duration("--for", text)
    assert found.value.slug == "bad-duration"


def test_sizes() -> None:
    known = {"1000": 1000, "2GB": 2 * 10**9, "5 kB": 5000, "3M": 3_000_000, "1.5MiB": 3 << 19}
    assert {text: parse_size(text) for text in known} == known
    assert [parse_size(text) for text in ("-1", "many", "", "2iB", "1e9")] == [None] * 5
