"""What a response says of itself."""

import pytest

from lbtrace.match.exchange_times import age_of_fresh, age_s, from_cache
from lbtrace.model.http import HeaderLine


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("X-Cache", "MISS from sq", False),
        ("X-Cache", "HIT from sq", True),
        ("X-Varnish", "98310", False),  # the number of the request alone
        ("X-Varnish", "98310 3", True),  # and that of the one the answer was kept from
        ("X-Request-Id", "98310 3", False),
    ],
)
def test_a_cache_says_that_it_kept_the_answer(name: str, value: str, kept: bool) -> None:
    assert from_cache(HeaderLine(name, value, f"{name}: {value}")) is kept


@pytest.mark.parametrize(
    ("age", "took_ms", "kept"),
    [("0", 2, False), ("1", 2, False), ("2", 2, True), ("1", 900, False), ("3", 1900, True)],
)
def test_an_answer_that_is_older_than_its_exchange_was_kept(
    age: str, took_ms: int, kept: bool
) -> None:
    """A cache that asks the origin counts the time it took, so a slow answer that was never kept
    has an Age (RFC 9111 §4.2.3).
    """
    assert (age_s(age) > age_of_fresh(took_ms * 1_000_000)) is kept


@pytest.mark.parametrize("value", ["", "-1", "two", "²", "1.5", "9" * 5000])
def test_an_age_that_is_no_number_says_nothing_terrible(value: str) -> None:
    assert 0 <= age_s(value) < 10**12
